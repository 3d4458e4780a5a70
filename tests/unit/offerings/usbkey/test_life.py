"""The life of USB keys, with real software tokens behind the library and the certificate room's own issuer."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.applicants import Office
from tests.rooms import Rooms, rooms_in
from tests.standin import StandInKeys, call_of
from tests.token_process import AUTHENTICATION_KEY, TokenProcess

from miyun.core.errors import InvalidArgument, NotFound, Unavailable
from miyun.core.operation import Call, Role
from miyun.core.ports import CertificateUse, Custody, KeyRef
from miyun.core.registry import Registry
from miyun.edge.personalise import (
    NotAuthentic,
    NotIssued,
    Wanted,
    WrongKey,
    challenge,
    personalise,
    unblock,
    unlock,
    write,
)
from miyun.gm import rand, sm2, sm4
from miyun.gm.errors import DecryptionFailed
from miyun.hsm.skf import Library, TokenError, connected
from miyun.offerings.certificate.applications.errors import ApplicationStateConflict, SecondPersonNeeded
from miyun.offerings.certificate.applications.store import ApplicationStore
from miyun.offerings.usbkey.certification import proof_message
from miyun.offerings.usbkey.errors import (
    UsbKeyCertificatesNotFetched,
    UsbKeyNeedsSecondPerson,
    UsbKeyProofInvalid,
    UsbKeyRequestConflict,
    UsbKeyStateConflict,
)
from miyun.offerings.usbkey.model import APPLICATION
from miyun.offerings.usbkey.offering import OFFERING
from miyun.offerings.usbkey.service import UsbKeyService
from miyun.offerings.usbkey.store import UsbKeyStore
from miyun.wire.skf import Sar
from miyun.wire.x509 import parse_certificate

OPERATIONS = Registry((OFFERING,), ()).operations
PIN = "12345678"


class CipherKeys(StandInKeys):
    """A key directory that enciphers."""

    secret = bytes(range(16))

    async def encrypt(self, ref: KeyRef, mode: str, items: Any) -> list[bytes]:
        nonce = rand.token(12)
        return [nonce + sm4.encrypt_gcm(self.secret, nonce, data, aad + ref.tenant.encode()) for data, _, aad in items]

    async def decrypt(self, ref: KeyRef, mode: str, items: Any) -> list[bytes | None]:
        try:
            return [sm4.decrypt_gcm(self.secret, d[:12], d[12:], aad + ref.tenant.encode()) for d, aad in items]
        except DecryptionFailed:
            return [None]

    async def create(self, tenant: str, algorithm: str, usage: str, **more: Any) -> Any:
        from miyun.core.ports import KeyInfo

        return KeyInfo("key_1", 1, algorithm, "enabled", None, usage)


@dataclass
class Uses:
    found: list[CertificateUse] = field(default_factory=list)

    async def uses(self, tenant: str, fingerprint: str) -> list[CertificateUse]:
        return self.found


@dataclass
class Desk:
    """Runs the room's operations as somebody of a tenant, in and out as JSON."""

    rooms: Rooms
    service: UsbKeyService
    uses: Uses

    def ask(self, operation: str, *, who: str = "sys", tenant: str = "ten_a", **values: Any) -> Any:
        declared = OPERATIONS[operation]
        request = msgspec.json.decode(msgspec.json.encode(values), type=declared.request)
        answer = asyncio.run(declared.handler(self.service, self.call(who, tenant), request))
        return msgspec.to_builtins(answer)

    def call(self, who: str, tenant: str) -> Call:
        call = call_of(tenant, self.rooms.clock, role=Role.TENANT_SYSTEM)
        call.principal = replace(call.principal, id=who)
        return call

    def review(self, application: str, who: str = "sec") -> Any:
        return asyncio.run(Office(self.rooms).approve(application, who=who))

    def registered(self, serial: str) -> str:
        [outcome] = self.ask("usbkey.key.register", items=[{"serial": serial}])["items"]
        return str(outcome["usbkey"])

    def state(self, usbkey: str) -> str:
        return str(self.ask("usbkey.key.get", usbkey=usbkey)["key"]["state"])


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    rooms, uses = rooms_in(tmp_path), Uses()
    keys = CipherKeys(rooms.machine)
    service = UsbKeyService(
        store=UsbKeyStore(rooms.database),
        keys=keys,  # type: ignore[arg-type]
        issuer=rooms.issuer,
        desk=rooms.certificate.applications.pairs,
        uses=uses,
        ledger=rooms.ledger,  # type: ignore[arg-type]
        clock=rooms.clock,
    )
    return Desk(rooms, service, uses)


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenProcess]:
    with TokenProcess(serial="T1") as running:
        monkeypatch.setenv("MIYUN_TOKENS", str(running.tokens))
        yield running


def wanted(usbkey: str, **more: Any) -> Wanted:
    values = {"authentication_key": AUTHENTICATION_KEY, "user_pin": PIN, "subject": {"CN": "张三", "O": "某局"}}
    return Wanted(usbkey, "key", **{**values, **more})


def set_up(desk: Desk, wanted: Wanted) -> Any:
    """Applied for by one person, reviewed by another, written."""
    filed = personalise(Library(), desk.ask, wanted)
    desk.review(filed["application"])
    return write(Library(), desk.ask, wanted.usbkey, "key", wanted.user_pin)


def test_a_key_is_personalised_handed_out_lost_and_its_certificates_are_revoked(
    desk: Desk, token: TokenProcess
) -> None:
    usbkey = desk.registered("T1")
    view = set_up(desk, wanted(usbkey))
    assert view["state"] == "personalised" and "张三" in view["subject"]
    with connected(Library(), "key") as connection:
        application = connection.open_application(APPLICATION)
        application.verify_pin(PIN)
        container = application.open_container(usbkey)
        signing = parse_certificate(container.certificate() or b"")
        encryption = parse_certificate(container.certificate(signing=False) or b"")
        assert signing.public_key.point == container.public_key()
        secret = sm2.encrypt(encryption.public_key.point or b"", b"for the holder")
        assert container.decrypt(secret) == b"for the holder"
    assert desk.ask("usbkey.key.hand_out", usbkey=usbkey, holder="张三")["holder"] == "张三"
    desk.uses.found = [CertificateUse("account", "app_1", "zhangsan", "active", None)]
    before = desk.ask("usbkey.key.affected", usbkey=usbkey)
    assert not before["revoked"] and before["uses"][0]["name"] == "zhangsan"
    assert desk.ask("usbkey.key.lose", usbkey=usbkey, note="电话")["state"] == "lost"
    for serial in (signing.serial, encryption.serial):
        assert asyncio.run(desk.rooms.issuer.is_revoked(serial))
    assert desk.ask("usbkey.key.affected", usbkey=usbkey)["revoked"]
    events = [event["what"] for event in desk.ask("usbkey.key.get", usbkey=usbkey)["events"]]
    assert set(events) == {"lose", "hand_out", "personalise", "apply", "initialise", "register"}


def test_personalising_again_after_a_crash_goes_through(
    desk: Desk, token: TokenProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    usbkey = desk.registered("T1")

    def breaks(operation: str, **values: Any) -> Any:
        if operation == "usbkey.key.personalise":
            raise ConnectionError
        return desk.ask(operation, **values)

    desk.review(personalise(Library(), desk.ask, wanted(usbkey))["application"])
    with pytest.raises(ConnectionError):
        write(Library(), breaks, usbkey, "key", PIN)
    first = desk.ask("usbkey.key.get", usbkey=usbkey)["key"]["certificate"]
    again = personalise(Library(), desk.ask, wanted(usbkey))
    assert asyncio.run(desk.rooms.issuer.is_revoked(int(first, 16)))
    desk.review(again["application"])
    with pytest.raises(ConnectionError):
        write(Library(), breaks, usbkey, "key", PIN)
    second = desk.ask("usbkey.key.get", usbkey=usbkey)["key"]["certificate"]
    made = write(Library(), desk.ask, usbkey, "key", PIN)
    assert made["state"] == "personalised" and made["certificate"] == second, "written again, not issued again"
    assert desk.ask("usbkey.compatibility.list")["items"][0]["works"]


def test_a_keys_certificates_are_reviewed_by_a_second_person(desk: Desk, token: TokenProcess) -> None:
    usbkey = desk.registered("T1")
    filed = personalise(Library(), desk.ask, wanted(usbkey))
    assert filed["state"] == "pending" and not filed["single_person"]
    with pytest.raises(SecondPersonNeeded):
        desk.review(filed["application"], who="sys")
    with pytest.raises(NotIssued):
        write(Library(), desk.ask, usbkey, "key", PIN)
    with pytest.raises(UsbKeyCertificatesNotFetched):
        desk.ask("usbkey.key.personalise", usbkey=usbkey)
    seen = asyncio.run(desk.rooms.certificate.applications.desk.own(desk.call("sec", "ten_a"), filed["application"]))
    assert "T1" in seen.note, "the reviewer sees for which key"
    desk.review(filed["application"])
    assert write(Library(), desk.ask, usbkey, "key", PIN)["state"] == "personalised"


def test_where_nobody_has_to_review_the_key_says_so(desk: Desk, token: TokenProcess) -> None:
    usbkey = desk.registered("T1")
    filed = personalise(Library(), desk.ask, wanted(usbkey, template="device"))
    assert filed["state"] == "issued" and filed["single_person"] and filed["reviewer"] is None
    assert "apply_alone" in [event["what"] for event in desk.ask("usbkey.key.get", usbkey=usbkey)["events"]]
    assert write(Library(), desk.ask, usbkey, "key", PIN)["state"] == "personalised"


def test_what_is_rejected_is_never_written(desk: Desk, token: TokenProcess) -> None:
    usbkey = desk.registered("T1")
    office, application = Office(desk.rooms), personalise(Library(), desk.ask, wanted(usbkey))["application"]
    asyncio.run(office.ask("reject", office.call("sec"), application=application, reason="不是本单位人员"))
    with pytest.raises(NotIssued) as refused:
        write(Library(), desk.ask, usbkey, "key", PIN)
    assert refused.value.filed["reason"] == "不是本单位人员"


@pytest.mark.parametrize("reviewed", [False, True])
def test_a_key_taken_back_gets_nothing_of_what_was_applied_for(desk: Desk, token: TokenProcess, reviewed: bool) -> None:
    """Neither what waits for its review nor what was issued and not written yet."""
    usbkey = desk.registered("T1")
    set_up(desk, wanted(usbkey, days=40))
    desk.rooms.clock.advance(days=15)
    application = desk.ask("usbkey.key.renew", usbkey=usbkey)["application"]
    if reviewed:
        desk.review(application)
    desk.ask("usbkey.key.take_back", usbkey=usbkey)
    if not reviewed:
        with pytest.raises(ApplicationStateConflict):
            desk.review(application)
    item = asyncio.run(desk.rooms.certificate.applications.desk.own(desk.call("sec", "ten_a"), application))
    issued = ApplicationStore(desk.rooms.database).certificates_of(item)
    assert len(issued) == 2 * reviewed and all(one.revoked_at for one in issued)
    with pytest.raises(UsbKeyStateConflict):
        desk.ask("usbkey.key.fetch", usbkey=usbkey)


def test_what_could_not_be_revoked_is_when_it_is_fetched_again(
    desk: Desk, token: TokenProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    usbkey = desk.registered("T1")
    before = set_up(desk, wanted(usbkey, days=40))
    desk.rooms.clock.advance(days=15)
    desk.review(desk.ask("usbkey.key.renew", usbkey=usbkey)["application"])

    async def fails(*_: object) -> None:
        raise Unavailable(part="ledger")

    with monkeypatch.context() as broken:
        broken.setattr(desk.rooms.issuer, "revoke", fails)
        with pytest.raises(Unavailable):
            desk.ask("usbkey.key.fetch", usbkey=usbkey)
    desk.ask("usbkey.key.fetch", usbkey=usbkey)
    assert asyncio.run(desk.rooms.issuer.is_revoked(int(before["certificate"], 16)))


@pytest.mark.parametrize("verb", ["lose", "take_back"])
@pytest.mark.parametrize("by", ["again", "job", "initialise"])
def test_a_key_that_is_gone_leaves_no_good_certificate_behind_a_crash(
    desk: Desk, token: TokenProcess, monkeypatch: pytest.MonkeyPatch, verb: str, by: str
) -> None:
    usbkey = desk.registered("T1")
    view = set_up(desk, wanted(usbkey))
    serials = [int(view[name], 16) for name in ("certificate", "encryption_certificate")]

    async def fails(*_: object) -> None:
        raise Unavailable(part="ledger")

    with monkeypatch.context() as broken:
        broken.setattr(desk.rooms.issuer, "revoke", fails)
        with pytest.raises(Unavailable):
            desk.ask(f"usbkey.key.{verb}", usbkey=usbkey)
    assert not any(asyncio.run(desk.rooms.issuer.is_revoked(serial)) for serial in serials)
    if by == "again":
        desk.ask(f"usbkey.key.{verb}", usbkey=usbkey)
    elif by == "job":
        asyncio.run(desk.service.withdraw())
    elif verb == "take_back":
        desk.ask("usbkey.key.initialise", usbkey=usbkey)  # which forgets them
    else:
        desk.ask("usbkey.key.take_back", usbkey=usbkey)
    assert all(asyncio.run(desk.rooms.issuer.is_revoked(serial)) for serial in serials)


@pytest.mark.parametrize(("maker", "custody"), [("Miyun", Custody.SOFTWARE), ("某厂商", Custody.HARDWARE), ("", None)])
def test_the_register_tells_where_a_certificates_key_is_kept(
    desk: Desk, token: TokenProcess, maker: str, custody: Custody | None
) -> None:
    [made] = desk.ask("usbkey.key.register", items=[{"serial": "T1", "maker": maker}])["items"]
    set_up(desk, wanted(made["usbkey"]))
    with connected(Library(), "key") as connection:
        box = connection.open_application(APPLICATION).open_container(made["usbkey"])
        signing = parse_certificate(box.certificate() or b"").fingerprint.hex()
        encryption = parse_certificate(box.certificate(signing=False) or b"").fingerprint.hex()
    desk.ask("usbkey.key.register", items=[{"serial": "T2", "maker": maker}])  # without a certificate yet
    assert asyncio.run(desk.service.custody("ten_a", signing)) is custody
    for tenant, fingerprint in (("ten_b", signing), ("ten_a", encryption), ("ten_a", "")):
        assert asyncio.run(desk.service.custody(tenant, fingerprint)) is None


def test_certificates_are_renewed_in_the_holders_hands(desk: Desk, token: TokenProcess) -> None:
    usbkey = desk.registered("T1")
    before = set_up(desk, wanted(usbkey, days=40))
    desk.ask("usbkey.key.hand_out", usbkey=usbkey, holder="张三")
    desk.rooms.clock.advance(days=15)
    filed = desk.ask("usbkey.key.renew", usbkey=usbkey)
    assert filed["state"] == "pending"
    with pytest.raises(SecondPersonNeeded):
        desk.review(filed["application"], who="sys")
    desk.review(filed["application"])
    after = write(Library(), desk.ask, usbkey, "key", PIN)
    assert after["state"] == "issued" and after["expires_at"] > before["expires_at"]
    assert asyncio.run(desk.rooms.issuer.is_revoked(int(before["certificate"], 16))), (
        "one pair to revoke when it is lost"
    )
    with connected(Library(), "key") as connection:
        application = connection.open_application(APPLICATION)
        application.verify_pin(PIN)
        container = application.open_container(usbkey)
        encryption = parse_certificate(container.certificate(signing=False) or b"")
        assert container.decrypt(sm2.encrypt(encryption.public_key.point or b"", b"old and new")) == b"old and new"


def test_another_key_or_one_that_is_not_ours_is_refused(desk: Desk, token: TokenProcess) -> None:
    other, ours = desk.registered("T2"), desk.registered("T1")
    with pytest.raises(WrongKey, match="T1, not T2"):
        personalise(Library(), desk.ask, wanted(other))
    with pytest.raises(NotAuthentic):
        personalise(Library(), desk.ask, wanted(ours, authentication_key=bytes(16)))


def test_a_locked_pin_is_unlocked_from_afar_by_two_people(desk: Desk, token: TokenProcess) -> None:
    usbkey = desk.registered("T1")
    set_up(desk, wanted(usbkey))
    asked_for = challenge(Library(), "key")
    asked = desk.ask(
        "usbkey.approval.ask",
        usbkey=usbkey,
        kind="unlock",
        reason="忘记",
        token_challenge=base64.b64encode(asked_for).decode(),
    )
    approval = asked["approval"]
    with pytest.raises(UsbKeyNeedsSecondPerson):
        desk.ask("usbkey.approval.approve", approval=approval)
    with pytest.raises(UsbKeyRequestConflict):
        desk.ask("usbkey.approval.collect", approval=approval)
    assert desk.ask("usbkey.approval.approve", approval=approval, who="sec")["state"] == "approved"
    with pytest.raises(NotFound):
        desk.ask("usbkey.approval.collect", approval=approval, who="sec")
    collected = desk.ask("usbkey.approval.collect", approval=approval)
    assert not collected["admin_pin"]
    with connected(Library(), "key") as connection:
        application = connection.open_application(APPLICATION)
        for _ in range(5):
            with pytest.raises(TokenError):
                application.verify_pin("wrong-pin")
        unlock(Library(), "key", base64.b64decode(collected["response"]), "new-pin-2")
        application.verify_pin("new-pin-2")
    with pytest.raises(TokenError) as again:
        unlock(Library(), "key", base64.b64decode(collected["response"]), "new-pin-3")
    assert again.value.code == Sar.NOTINITIALIZEERR
    with pytest.raises(UsbKeyRequestConflict):
        desk.ask("usbkey.approval.collect", approval=approval)


def test_a_response_to_another_challenge_unlocks_nothing(desk: Desk, token: TokenProcess) -> None:
    usbkey = desk.registered("T1")
    set_up(desk, wanted(usbkey))
    asked = desk.ask(
        "usbkey.approval.ask",
        usbkey=usbkey,
        kind="unlock",
        reason="忘记",
        token_challenge=base64.b64encode(challenge(Library(), "key")).decode(),
    )
    desk.ask("usbkey.approval.approve", approval=asked["approval"], who="sec")
    response = base64.b64decode(desk.ask("usbkey.approval.collect", approval=asked["approval"])["response"])
    challenge(Library(), "key")
    with pytest.raises(TokenError) as refused:
        unlock(Library(), "key", response, "new-pin-2")
    assert refused.value.code == Sar.INDATAERR


def test_the_administrators_pin_unblocks_any_makers_key(desk: Desk, token: TokenProcess) -> None:
    usbkey = desk.registered("T1")
    set_up(desk, wanted(usbkey))
    asked = desk.ask("usbkey.approval.ask", usbkey=usbkey, kind="unlock", reason="现场")
    desk.ask("usbkey.approval.approve", approval=asked["approval"], who="sec")
    pin = desk.ask("usbkey.approval.collect", approval=asked["approval"])["admin_pin"]
    unblock(Library(), "key", pin, "new-pin-2")


@pytest.mark.parametrize("wrong", [b"", b"\x30\x03\x02\x01\x01"])
def test_what_is_no_challenge_is_refused(desk: Desk, wrong: bytes, token: TokenProcess) -> None:
    usbkey = desk.registered("T9")
    with pytest.raises(UsbKeyStateConflict):
        desk.ask("usbkey.approval.ask", usbkey=usbkey, kind="unlock", reason="x")
    desk.ask("usbkey.key.initialise", usbkey=usbkey)
    if wrong:
        with pytest.raises(InvalidArgument):
            encoded = base64.b64encode(wrong).decode()
            desk.ask("usbkey.approval.ask", usbkey=usbkey, kind="unlock", reason="x", token_challenge=encoded)


def test_a_key_is_scrapped_by_two_people_and_stays_so(desk: Desk) -> None:
    usbkey = desk.registered("T1")
    asked = desk.ask("usbkey.approval.ask", usbkey=usbkey, kind="scrap", reason="外壳损坏")
    with pytest.raises(UsbKeyNeedsSecondPerson):
        desk.ask("usbkey.approval.approve", approval=asked["approval"])
    assert desk.state(usbkey) == "stock"
    assert desk.ask("usbkey.approval.approve", approval=asked["approval"], who="sec")["state"] == "done"
    assert desk.state(usbkey) == "scrapped"
    for operation, more in (
        ("usbkey.key.initialise", {}),
        ("usbkey.key.lose", {}),
        ("usbkey.key.hand_out", {"holder": "x"}),
    ):
        with pytest.raises(UsbKeyStateConflict):
            desk.ask(operation, usbkey=usbkey, **more)


def test_a_rejected_request_does_nothing(desk: Desk) -> None:
    usbkey = desk.registered("T1")
    asked = desk.ask("usbkey.approval.ask", usbkey=usbkey, kind="scrap", reason="x")
    desk.ask("usbkey.approval.reject", approval=asked["approval"], note="还能用", who="sec")
    with pytest.raises(UsbKeyRequestConflict):
        desk.ask("usbkey.approval.approve", approval=asked["approval"], who="sec")
    assert desk.state(usbkey) == "stock"


def test_a_request_that_nobody_decides_ends(desk: Desk) -> None:
    usbkey = desk.registered("T1")
    asked = desk.ask("usbkey.approval.ask", usbkey=usbkey, kind="scrap", reason="x")
    desk.rooms.clock.advance(days=8)
    with pytest.raises(UsbKeyRequestConflict):
        desk.ask("usbkey.approval.approve", approval=asked["approval"], who="sec")
    asyncio.run(desk.service.remind())
    assert desk.ask("usbkey.approval.list")["items"][0]["state"] == "expired"


def test_stock_comes_in_by_batches_and_a_known_serial_fails_for_itself(desk: Desk) -> None:
    desk.registered("S-2")
    items = desk.ask("usbkey.key.register", items=[{"serial": f"S-{n}"} for n in range(1, 4)])["items"]
    assert [item["error"] for item in items] == [None, "AlreadyExists", None]
    assert len(desk.ask("usbkey.key.list")["items"]) == 3


def test_the_list_pages_sorts_and_searches(desk: Desk) -> None:
    desk.ask("usbkey.key.register", items=[{"serial": f"S-{n:02}", "label": f"label {n % 3}"} for n in range(9)])
    seen: list[str] = []
    cursor = None
    while True:
        page = desk.ask("usbkey.key.list", sort="-serial", limit=4, **({"cursor": cursor} if cursor else {}))
        seen += [item["serial"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [f"S-{n:02}" for n in range(8, -1, -1)]
    assert len(desk.ask("usbkey.key.list", text="label 1")["items"]) == 3
    assert not desk.ask("usbkey.key.list", tenant="ten_b")["items"]


def test_another_tenants_key_is_not_found(desk: Desk) -> None:
    usbkey = desk.registered("T1")
    asked = desk.ask("usbkey.approval.ask", usbkey=usbkey, kind="scrap", reason="x")
    for operation, values in (
        ("usbkey.key.get", {"usbkey": usbkey}),
        ("usbkey.key.initialise", {"usbkey": usbkey}),
        ("usbkey.approval.approve", {"approval": asked["approval"], "who": "sec"}),
    ):
        with pytest.raises(NotFound):
            desk.ask(operation, tenant="ten_b", **values)


def test_the_signing_key_has_to_prove_itself(desk: Desk) -> None:
    usbkey = desk.registered("T1")
    desk.ask("usbkey.key.initialise", usbkey=usbkey)
    d = sm2.generate_private_key()
    point = sm2.public_key(d)
    proof = base64.b64encode(sm2.sign(d, proof_message("usb_other", point))).decode()
    with pytest.raises(UsbKeyProofInvalid):
        desk.ask(
            "usbkey.key.certify",
            usbkey=usbkey,
            public_key=base64.b64encode(point).decode(),
            proof=proof,
            subject={"CN": "x"},
        )


def test_secrets_are_the_same_while_a_key_is_set_up_and_new_when_it_comes_back(desk: Desk, token: TokenProcess) -> None:
    usbkey = desk.registered("T1")
    first = desk.ask("usbkey.key.initialise", usbkey=usbkey)
    assert desk.ask("usbkey.key.initialise", usbkey=usbkey) == first
    set_up(desk, wanted(usbkey))
    desk.ask("usbkey.key.take_back", usbkey=usbkey)
    assert desk.ask("usbkey.key.initialise", usbkey=usbkey)["admin_pin"] != first["admin_pin"]


def test_who_holds_a_key_whose_certificates_end_is_reminded_once(desk: Desk, token: TokenProcess) -> None:
    usbkey = desk.registered("T1")
    set_up(desk, wanted(usbkey, days=40))
    desk.ask("usbkey.key.hand_out", usbkey=usbkey, holder="张三")
    asyncio.run(desk.service.remind())
    assert not [entry for entry in desk.rooms.ledger.entries if entry.operation == "usbkey.expiring"]
    desk.rooms.clock.advance(days=15)
    for _ in range(2):
        asyncio.run(desk.service.remind())
    assert len([entry for entry in desk.rooms.ledger.entries if entry.operation == "usbkey.expiring"]) == 1
    assert desk.ask("usbkey.key.list", expiring_days=30)["items"][0]["usbkey"] == usbkey


def test_many_are_taken_back_at_once_and_each_fails_for_itself(desk: Desk, token: TokenProcess) -> None:
    usbkey, untouched = desk.registered("T1"), desk.registered("T2")
    set_up(desk, wanted(usbkey))
    answer = desk.ask("usbkey.key.batch", action="take_back", usbkeys=[usbkey, untouched, "usb_none"])
    assert [item["error"] for item in answer["items"]] == [None, "UsbKeyStateConflict", "NotFound"]
    assert desk.state(usbkey) == "returned"
