"""An issuing authority that is revoked, or succeeded, in a ceremony."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tests.rooms import Rooms
from tests.standin import StandInMachine, call_of, database_in

from miyun.core.errors import NotFound, Unavailable
from miyun.core.trust import Level
from miyun.gm import sm2, sm3
from miyun.offerings.certificate.errors import AuthorityEndedAlready, AuthoritySucceeded
from miyun.offerings.certificate.issuance import Issued, Order, subject_of
from miyun.offerings.certificate.messages import CrlRequest, VerifyRequest
from miyun.offerings.certificate.model import Authority, AuthorityReason
from miyun.offerings.certificate.service import CertificateService
from miyun.offerings.certificate.store import CertificateStore
from miyun.offerings.timestamp.messages import IssueRequest as StampRequest
from miyun.offerings.timestamp.messages import VerifyRequest as StampVerify
from miyun.wire import ocsp
from miyun.wire.crl import CertificateList, Reason, parse_crl
from miyun.wire.spki import sm2_spki
from miyun.wire.x509 import Certificate, parse_certificate

OLD, NEW, ROOT = "sm2-issuing", "sm2-2-issuing", "sm2-root"
COMPROMISED = AuthorityReason.KEY_COMPROMISE


class House:
    def __init__(self, rooms: Rooms) -> None:
        self.rooms, self.clock, self.service = rooms, rooms.clock, rooms.certificate
        self.service.authorities.all()  # what a process remembers

    def other_process(self) -> CertificateService:
        return CertificateService(
            store=CertificateStore(self.rooms.database),
            machine=self.rooms.machine,  # type: ignore[arg-type]
            ceremony=self.service.authorities.ceremony,
            clock=self.clock,
            ledger=self.rooms.ledger,  # type: ignore[arg-type]
            trusted_time=self.clock.now,
        )

    def issue(self, service: CertificateService | None = None) -> Issued:
        key = sm2_spki(sm2.public_key(sm2.generate_private_key()))
        order = Order("ten_a", "application", subject_of({"CN": "应用"}), key)
        [issued] = asyncio.run((service or self.service).issuance.issue(order, self.clock.now()))
        return issued

    def revoke(self, reason: AuthorityReason = AuthorityReason.SUPERSEDED, ca: str = OLD) -> None:
        asyncio.run(self.service.ceremonies.revoke(ca, reason, self.rooms.roots))  # type: ignore[arg-type]
        asyncio.run(self.service.bootstrap())

    def succeed(self, ca: str = OLD) -> None:
        asyncio.run(self.service.ceremonies.succeed(ca, self.rooms.roots))  # type: ignore[arg-type]
        asyncio.run(self.service.bootstrap())

    def certificate(self, ca: str) -> Certificate:
        found = self.service.authorities.find(ca)
        assert found is not None
        return parse_certificate(found.der)

    def crl(self, ca: str) -> CertificateList:
        crl = parse_crl(asyncio.run(self.service.crl(call_of(None, self.clock), CrlRequest(ca=ca))).body)
        crl.verify(self.certificate(ca), self.clock.now())
        return crl

    def status(self, ca: str, serial: int) -> ocsp.SingleResponse:
        issuer = self.certificate(ca)
        asked = ocsp.OcspRequest((ocsp.CertId.of(issuer, serial),)).encode()
        _, found = ocsp.parse_response(asyncio.run(self.service.responder.answer(ca, asked)))
        assert found is not None
        found.verify(issuer, self.clock.now())
        return found.status_of(issuer, serial, self.clock.now())

    def reasons(self, der: bytes, at: datetime | None = None) -> list[tuple[str, str]]:
        request = VerifyRequest(certificate=parse_certificate(der).to_pem(), at=at)
        view = asyncio.run(self.service.verify(call_of("ten_a", self.clock), request))
        return [(item.code, item.subject) for item in view.reasons]

    def judged(self, der: bytes, at: datetime | None = None) -> list[tuple[str, str]]:
        verdict = asyncio.run(
            self.service.trust.directory.judge(
                "ten_a", der, lists=["platform"], at=at or self.clock.now(), purpose="", level=Level.REVOCATION
            )
        )
        return [(item.code, item.subject) for item in verdict.reasons] if not verdict.valid else []

    def states(self) -> dict[str, tuple[str, str | None]]:
        listed = asyncio.run(self.service.authority_list(call_of(None, self.clock), None))  # type: ignore[arg-type]
        return {item.ca: (item.state, item.successor) for item in listed.items}


@pytest.fixture
def house(rooms: Rooms) -> House:
    return House(rooms)


def test_a_successor_issues_and_what_was_issued_before_stays_good(house: House) -> None:
    other = house.other_process()
    before = house.issue()
    house.clock.advance(minutes=1)
    house.succeed()
    for service in (house.service, other):
        after = house.issue(service)
        assert after.authority == NEW
        chain = service.authorities.chain(after.authority)
        assert chain == (house.certificate(NEW).der, house.certificate(ROOT).der)
    assert str(house.certificate(NEW).subject) != str(house.certificate(OLD).subject)
    assert house.certificate(NEW).spki_der != house.certificate(OLD).spki_der
    for issued in (before, after):
        assert house.reasons(issued.der) == [] == house.judged(issued.der)
        assert house.status(issued.authority, issued.serial).good
    assert house.status(ROOT, house.certificate(NEW).serial).good
    assert house.status(ROOT, house.certificate(OLD).serial).good
    assert house.states()[OLD] == ("succeeded", NEW) and house.states()[NEW] == ("active", None)
    assert not len(house.crl(NEW).entries) and not len(house.crl(ROOT).entries)
    with pytest.raises(AuthoritySucceeded):
        house.succeed()
    house.succeed(NEW)
    assert house.issue().authority == "sm2-3-issuing"


def test_an_old_authoritys_responder_is_renewed_by_itself(house: House) -> None:
    before = house.issue()
    house.succeed()
    house.clock.advance(days=61)
    asyncio.run(house.service.bootstrap())
    house.clock.advance(days=30)
    asyncio.run(house.service.bootstrap())
    assert house.status(OLD, before.serial).good


@pytest.mark.parametrize("reason", list(AuthorityReason))
def test_a_revoked_authority_is_told_of_by_its_root_and_has_a_successor(house: House, reason: AuthorityReason) -> None:
    serial, made = house.certificate(OLD).serial, house.crl(ROOT).crl_number
    house.clock.advance(minutes=1)
    house.revoke(reason)
    entry = house.crl(ROOT).entries[serial]
    at = house.clock.now().replace(microsecond=0)
    assert (entry.time, entry.reason) == (at, reason.crl_reason)
    status = house.status(ROOT, serial)
    assert (status.good, status.revoked_at, status.reason) == (False, at, reason.crl_reason)
    assert house.status(ROOT, house.certificate(NEW).serial).good
    assert house.states()[OLD] == ("revoked", NEW)
    assert house.issue().authority == NEW
    assert house.crl(ROOT).crl_number == (made or 0) + 1, "one list tells of both"
    with pytest.raises(AuthorityEndedAlready):
        house.revoke(COMPROMISED)
    assert house.crl(ROOT).entries[serial].reason is reason.crl_reason, "it is final"
    operations = list(house.rooms.ledger.operations())
    assert operations.count("certificate.ca.revoke") == 1
    house.clock.advance(days=150)
    asyncio.run(house.service.bootstrap())
    assert serial in house.crl(ROOT).entries, "and on the lists after it"


def test_certificates_of_an_authority_are_out_from_its_revocation_on(house: House) -> None:
    issued = house.issue()
    house.clock.advance(hours=1)
    before = house.clock.now()
    house.clock.advance(hours=1)
    house.revoke()
    ca = str(house.certificate(OLD).subject)
    assert house.reasons(issued.der) == [("revoked", ca)] == house.judged(issued.der)
    assert house.reasons(issued.der, before) == [] == house.judged(issued.der, before)
    after = house.issue()
    assert house.reasons(after.der) == [] == house.judged(after.der)
    house.clock.advance(hours=13)
    asyncio.run(house.service.bootstrap())
    assert house.crl(OLD).this_update > before, "its lists go on, for what was signed before"
    assert house.status(OLD, issued.serial).good


def test_of_a_compromised_authority_nothing_holds_whatever_the_time(house: House) -> None:
    issued, other = house.issue(), house.other_process()
    assert house.status(OLD, issued.serial).good
    house.clock.advance(hours=2)
    before, made = house.clock.now(), house.crl(OLD).crl_number
    house.clock.advance(hours=2)
    house.revoke(COMPROMISED)
    ca = str(house.certificate(OLD).subject)
    for at in (None, before):
        assert house.reasons(issued.der, at) == [("revoked", ca)] == house.judged(issued.der, at)
    assert asyncio.run(house.rooms.issuer.is_revoked(issued.serial))
    status = house.status(OLD, issued.serial)
    assert (status.good, status.reason) == (False, Reason.CA_COMPROMISE)
    view = asyncio.run(
        other.verify(call_of("ten_a", house.clock), VerifyRequest(certificate=parse_certificate(issued.der).to_pem()))
    )
    assert not view.valid
    house.clock.advance(hours=13)
    asyncio.run(house.service.bootstrap())
    newest = asyncio.run(house.service.crl(call_of(None, house.clock), CrlRequest(ca=OLD))).body
    assert parse_crl(newest).crl_number == made, "its key signs no more lists"


@pytest.mark.parametrize("reason", [COMPROMISED, AuthorityReason.CESSATION_OF_OPERATION])
def test_tsas_and_the_evidence_key_go_on_by_the_successor(house: House, reason: AuthorityReason) -> None:
    stamps, call = house.rooms.timestamp, call_of("ten_a", house.clock)

    def stamp() -> Any:
        return asyncio.run(stamps.issue(call, StampRequest(digest=sm3.digest(b"text"))))

    def check(token: bytes) -> list[str]:
        return [item.code for item in asyncio.run(stamps.verify(call, StampVerify(token=token, data=b"text"))).reasons]

    old = stamp().token
    house.clock.advance(hours=1)
    house.revoke(reason)
    asyncio.run(stamps.authorities.bootstrap())
    asyncio.run(house.rooms.evidence_signer.bootstrap())
    house.clock.advance(minutes=1)
    new = stamp().token
    assert check(new) == []
    assert check(old) == (["revoked"] if reason is COMPROMISED else [])
    signer = parse_certificate(house.rooms.evidence_signer.certificates()[-2])  # its root was there before
    assert signer.issuer.matches(house.certificate(NEW).subject)
    made = len(stamps.authorities.all())
    asyncio.run(stamps.authorities.bootstrap())
    assert len(stamps.authorities.all()) == made, "once"


@pytest.mark.parametrize("step", ["create", "sign_for_root", "publish", "announce"])
def test_what_a_ceremony_that_died_left_is_finished_by_the_next(
    house: House, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    issued = house.issue()
    part = {"create": "_authorities", "announce": "_authorities", "sign_for_root": "_responder"}.get(
        step, "_revocation"
    )

    async def die(*arguments: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(getattr(house.service.ceremonies, part), step, die)
    with pytest.raises(KeyboardInterrupt):
        house.revoke(COMPROMISED)
    monkeypatch.undo()
    restarted = House(house.rooms)
    assert restarted.reasons(issued.der), "out from the first moment on"
    with suppress(Unavailable):
        assert restarted.issue().authority == NEW
    asyncio.run(restarted.service.bootstrap())
    serial = restarted.certificate(OLD).serial
    assert serial in restarted.crl(ROOT).entries and not restarted.status(ROOT, serial).good
    assert restarted.issue().authority == NEW
    assert restarted.status(ROOT, restarted.certificate(NEW).serial).good


def test_a_process_that_did_not_hear_of_it_issues_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    deaf = house.other_process()
    deaf.authorities.all()
    monkeypatch.setattr(house.rooms.ledger, "callbacks", [])
    house.revoke(COMPROMISED)
    with pytest.raises(Unavailable):
        house.issue(deaf)
    assert house.issue(deaf).authority == NEW


def test_a_call_that_began_before_the_successor_was_made_is_served(house: House) -> None:
    key, began = sm2_spki(sm2.public_key(sm2.generate_private_key())), house.clock.now()
    house.clock.advance(seconds=30)
    house.succeed()
    order = Order("ten_a", "application", subject_of({"CN": "应用"}), key)
    [issued] = asyncio.run(house.service.issuance.issue(order, began))
    assert parse_certificate(issued.der).not_before == house.certificate(NEW).not_before


def test_one_that_was_succeeded_before_is_revoked_without_another_successor(house: House) -> None:
    house.succeed()
    house.revoke(COMPROMISED)
    assert house.certificate(OLD).serial in house.crl(ROOT).entries
    assert not house.status(ROOT, house.certificate(OLD).serial).good
    assert house.states()[OLD] == ("revoked", NEW)
    assert house.service.authorities.find("sm2-3-issuing") is None


def test_a_lost_key_keeps_no_other_lists(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    old = house.service.authorities.find(OLD)
    assert old is not None
    house.revoke(AuthorityReason.CESSATION_OF_OPERATION)
    house.rooms.machine._keys = {blob: kept for blob, kept in house.rooms.machine._keys.items() if blob != old.key.blob}
    house.clock.advance(hours=13)
    asyncio.run(house.service.revocation.publish_due())
    assert house.crl(NEW).this_update == house.clock.now().replace(microsecond=0)


def test_only_issuing_authorities_are_revoked(house: House) -> None:
    for ca in (ROOT, "nobody"):
        with pytest.raises(NotFound):
            house.revoke(ca=ca)
    assert house.states()[ROOT] == ("active", None)


def test_two_processes_of_a_fresh_installation_make_one_generation(tmp_path: Path) -> None:
    """Also when one makes it while the other looks."""
    rooms = Rooms(tmp_path, database_in(tmp_path), StandInMachine(), StandInMachine())
    house = House(rooms)
    other = house.other_process()
    look, looks = other.authorities._store.authorities, 0

    def slowly() -> list[Authority]:
        nonlocal looks
        seen = look()
        looks += any(item.id == ROOT for item in seen)
        if looks == 2:  # the first was for the root
            with ThreadPoolExecutor(1) as thread:
                thread.submit(asyncio.run, house.service.authorities.create(rooms.roots)).result()  # type: ignore[arg-type]
        return seen

    other.authorities._store.authorities = slowly  # type: ignore[method-assign]
    asyncio.run(other.authorities.create(rooms.roots))  # type: ignore[arg-type]
    assert looks > 2 and {item.generation for item in look()} == {1}
