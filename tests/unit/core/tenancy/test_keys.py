"""People's keys: bound by two people, good for signing in, asked for again for what is dangerous."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from tests.unit.core.neighbours import OWN_PASSWORD, Platform, error_of
from tests.unit.wire.authority import SM2, make
from tests.unit.wire.authority import key as key_of

from miyun.core.access import Anonymous, Credential, SessionCredential
from miyun.core.challenge import ChallengeInvalid
from miyun.core.errors import AlreadyExists, KeyMissing, NotFound, PermissionDenied, ReplayedRequest
from miyun.core.operation import Role
from miyun.core.tenancy.errors import OwnAccount, RoleConflict, SessionExpired
from miyun.core.tenancy.keys.errors import KeyRequired, SignInKeyRefused, StepUpRequired
from miyun.core.tenancy.keys.service import proof_of
from miyun.wire import x509

pytestmark = pytest.mark.anyio
LEAF = (x509.basic_constraints(False), x509.key_usage("digitalSignature"))
BROWSER = "what only this browser knows"
APPROVE = "account.key.approve"


@dataclass
class Key:
    """In somebody's hand."""

    serial: int = 4711

    def __post_init__(self) -> None:
        self._key = key_of(SM2, self.serial)
        self.pem = make("张三", *LEAF, key=self._key, serial=self.serial).certificate.to_pem()

    def sign(self, text: str) -> bytes:
        return self._key.sign(text.encode())


@dataclass
class Side:
    """The platform's three administrators, signed in with their passwords."""

    house: Platform
    seats: dict[str, SessionCredential]

    async def signed(self, key: Key, credential: Credential, browser: str = BROWSER) -> dict[str, Any]:
        asked = await self.house.run("account.key.challenge", credential, browser=browser)
        return {
            "challenge": asked.challenge,
            "certificate": key.pem,
            "signature": key.sign(asked.message),
            "browser": BROWSER,
        }

    async def enrol(self, who: str, key: Key) -> str:
        seat = self.seats[who]
        made = await self.house.run("account.key.enrol", seat, **await self.signed(key, seat))
        return str(made.key_id)

    async def bind(self, who: str, key: Key, by: str = "security") -> str:
        key_id = await self.enrol(who, key)
        await self.house.run(APPROVE, self.seats[by], key_id=key_id)
        return key_id

    async def enter(self, key: Key) -> SessionCredential:
        answer = await self.house.run("account.key.login", Anonymous(), **await self.signed(key, Anonymous()))
        return SessionCredential(answer.token, cookie=False)


@pytest.fixture
async def side(house: Platform) -> Side:
    first = await house.cloud.accounts.open_platform()
    return Side(house, {login: await house.sign_in(login, password) for login, password in first.items()})


async def test_a_bound_key_signs_in(side: Side) -> None:
    key = Key()
    await side.bind("audit", key)
    me = await side.house.run("account.me", await side.enter(key))
    assert me.role is Role.PLATFORM_AUDIT
    entries = [e for e in side.house.ledger.entries if e.operation == "account.key.login"]
    assert entries[-1].outcome == "ok" and entries[-1].resource["person"] == me.id


async def test_nobody_approves_their_own_key_and_no_key_is_good_before(side: Side) -> None:
    key = Key()
    key_id = await side.enrol("security", key)
    assert isinstance(await error_of(side.house.run(APPROVE, side.seats["security"], key_id=key_id)), OwnAccount)
    assert isinstance(await error_of(side.house.run(APPROVE, side.seats["audit"], key_id=key_id)), PermissionDenied)
    assert isinstance(await error_of(side.enter(key)), SignInKeyRefused)
    await side.house.run(APPROVE, side.seats["system"], key_id=key_id)
    await side.enter(key)


async def test_an_administrator_cannot_register_a_key_for_somebody_else(side: Side) -> None:
    """A challenge for registering belongs to the person who asked for it."""
    key = Key()
    signed = await side.signed(key, side.seats["security"])
    refusal = await error_of(side.house.run("account.key.enrol", side.seats["audit"], **signed))
    assert isinstance(refusal, ChallengeInvalid)


async def test_a_challenge_signs_in_once_and_in_its_browser_only(side: Side) -> None:
    key = Key()
    await side.bind("audit", key)
    signed = await side.signed(key, Anonymous())
    await side.house.run("account.key.login", Anonymous(), **signed)
    assert isinstance(await error_of(side.house.run("account.key.login", Anonymous(), **signed)), ChallengeInvalid)
    elsewhere = await side.signed(key, Anonymous(), browser="another")
    assert isinstance(await error_of(side.house.run("account.key.login", Anonymous(), **elsewhere)), ChallengeInvalid)


@pytest.mark.parametrize("fault", ["wrong key", "unknown certificate"])
async def test_a_failed_sign_in_opens_nothing_and_is_recorded(side: Side, fault: str) -> None:
    key = Key()
    await side.bind("audit", key)
    other = Key(serial=4712)
    signed = await side.signed(other, Anonymous())
    if fault == "wrong key":
        signed["certificate"] = key.pem
    assert isinstance(await error_of(side.house.run("account.key.login", Anonymous(), **signed)), SignInKeyRefused)
    assert side.house.ledger.entries[-1].code == "SignInKeyRefused"


async def test_a_revoked_certificate_ends_its_sessions(side: Side) -> None:
    key = Key()
    await side.bind("audit", key)
    session = await side.enter(key)
    side.house.trust.revoked.add(key.serial)
    side.house.clock.advance(seconds=61)
    assert isinstance(await error_of(side.house.run("account.me", session)), SessionExpired)
    assert isinstance(await error_of(side.enter(key)), SignInKeyRefused)


async def test_removing_a_key_ends_its_sessions(side: Side) -> None:
    key = Key()
    key_id = await side.bind("audit", key)
    session = await side.enter(key)
    await side.house.run("account.me", session)
    await side.house.run("account.key.remove", side.seats["security"], key_id=key_id)
    assert isinstance(await error_of(side.house.run("account.me", session)), SessionExpired)


async def test_a_certificate_is_one_persons(side: Side) -> None:
    key = Key()
    await side.bind("audit", key)
    assert isinstance(await error_of(side.enrol("system", key)), AlreadyExists)


async def test_who_has_to_use_a_key_does_not_get_in_with_the_password(side: Side) -> None:
    key, house = Key(), side.house
    await house.run("account.key.set_policy", side.seats["security"], roles=[Role.PLATFORM_AUDIT])
    session = await house.sign_in("audit", OWN_PASSWORD)
    assert isinstance(await error_of(house.run("audit.all_records", session)), KeyMissing)
    side.seats["audit"] = session
    await side.bind("audit", key)
    assert isinstance(await error_of(house.sign_in("audit", OWN_PASSWORD)), KeyRequired)
    await house.run("audit.all_records", await side.enter(key))
    wrong = await error_of(house.run("account.login", Anonymous(), login="audit", password="not the password"))
    assert not isinstance(wrong, KeyRequired), "whether a key is needed is told to who knows the password"


async def test_a_policy_names_roles_of_its_own_side(side: Side) -> None:
    refusal = await error_of(
        side.house.run("account.key.set_policy", side.seats["security"], roles=[Role.TENANT_AUDIT])
    )
    assert refusal.field == "roles" and not isinstance(refusal, RoleConflict)


async def test_keys_are_listed_by_their_holder_to_who_may_see_them(side: Side) -> None:
    holders = {}
    for who, serial in (("audit", 1), ("system", 2)):
        holders[who] = (await side.house.run("account.me", side.seats[who])).id
        await side.enrol(who, Key(serial))

    async def seen(reader: str, holder: str) -> list[str]:
        listed = await side.house.run("account.key.list", side.seats[reader], person=holders[holder])
        return [key.person for key in listed.items]

    assert await seen("security", "audit") == [holders["audit"]]
    assert await seen("audit", "audit") == [holders["audit"]] and await seen("audit", "system") == []


async def test_a_tenants_administrators_see_and_approve_their_own_peoples_keys_only(house: Platform) -> None:
    one, other = await house.tenant(1), await house.tenant(2)
    key_id = await Side(house, one.people).enrol("audit", Key())
    assert isinstance(await error_of(house.run(APPROVE, other.people["security"], key_id=key_id)), NotFound)
    assert not (await house.run("account.key.list", other.people["security"])).items
    [shown] = (await house.run("account.key.list", one.people["security"])).items
    assert shown.key_id == key_id and shown.state == "requested"


# signing again


@dataclass
class Confirmed:
    """The security administrator with a key, and a key of somebody else to approve."""

    side: Side
    key: Key
    waiting: str

    async def asked(self, **request: Any) -> StepUpRequired:
        refusal = await error_of(self.run(None, **request))
        assert isinstance(refusal, StepUpRequired)
        return refusal

    async def run(self, proof: str | None, **request: Any) -> Any:
        seat = self.side.seats["security"]
        return await self.side.house.run(APPROVE, seat, None, proof, **{"key_id": self.waiting, **request})

    def proof(self, message: str, key: Key | None = None) -> str:
        return proof_of(message, (key or self.key).sign(message))


@pytest.fixture
async def confirmed(side: Side) -> Confirmed:
    key = Key()
    await side.bind("security", key, by="system")
    return Confirmed(side, key, await side.enrol("audit", Key(serial=2)))


async def test_a_dangerous_operation_asks_the_key_again(confirmed: Confirmed) -> None:
    refusal = await confirmed.asked()
    lines = refusal.message_to_sign.split("\n")
    assert lines[0] == "MIYUN-CONFIRM-2" and lines[5] == APPROVE, "what is signed names what it is for"
    assert lines[1:3] == [await confirmed.side.house.identity.name(), "https://miyun.test"], "and the platform"
    answer = await confirmed.run(confirmed.proof(refusal.message_to_sign))
    assert answer.state == "active"
    assert confirmed.side.house.ledger.entries[-1].detail["signed"] == lines[7]


async def test_a_signature_confirms_once(confirmed: Confirmed) -> None:
    proof = confirmed.proof((await confirmed.asked()).message_to_sign)
    await confirmed.run(proof)
    assert isinstance(await error_of(confirmed.run(proof)), ReplayedRequest)


async def test_a_signature_confirms_this_request_only(confirmed: Confirmed) -> None:
    message = (await confirmed.asked()).message_to_sign
    assert isinstance(await error_of(confirmed.run(confirmed.proof(message), key_id="pky_other")), StepUpRequired)
    changed = [
        message.replace(APPROVE, "account.key.remove"),
        message.replace("https://miyun.test", "https://another.test"),
        message.replace(message.split("\n")[1], "plf_00000000000000000000"),
        message.replace("\n-\n", "\nten_1\n"),
    ]
    assert message not in changed
    for proof in (*map(confirmed.proof, changed), confirmed.proof(message, Key(serial=9)), "x.y", "x", message):
        assert isinstance(await error_of(confirmed.run(proof)), StepUpRequired)


@pytest.mark.parametrize(("seconds", "good"), [(299, True), (301, False), (-120, False)])
async def test_a_signature_is_good_for_five_minutes(confirmed: Confirmed, seconds: float, good: bool) -> None:
    message = (await confirmed.asked()).message_to_sign
    confirmed.side.house.clock.advance(seconds=seconds)
    if good:
        await confirmed.run(confirmed.proof(message))
    else:
        assert isinstance(await error_of(confirmed.run(confirmed.proof(message))), StepUpRequired)


async def test_a_revoked_key_confirms_nothing(confirmed: Confirmed) -> None:
    message = (await confirmed.asked()).message_to_sign
    confirmed.side.house.trust.revoked.add(confirmed.key.serial)
    assert isinstance(await error_of(confirmed.run(confirmed.proof(message))), SignInKeyRefused)


async def test_who_has_no_key_is_asked_for_none(side: Side) -> None:
    key_id = await side.enrol("audit", Key())
    await side.house.run(APPROVE, side.seats["security"], key_id=key_id)
