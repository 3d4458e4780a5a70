"""Who answers for an authority, and which answers are kept."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from tests.rooms import Rooms
from tests.standin import call_of

from miyun.gm import sm2
from miyun.offerings.certificate.errors import OcspRefused, ResponderMissing
from miyun.offerings.certificate.issuance import Order, subject_of
from miyun.offerings.certificate.model import (
    OCSP_LIFETIME,
    RESPONDER_RENEW,
    ROOT_CRL_LIFETIME,
    RevocationReason,
    Shard,
)
from miyun.wire import ocsp, oid
from miyun.wire.spki import sm2_spki
from miyun.wire.x509 import Certificate, parse_certificate

CA = "sm2-issuing"


class House:
    def __init__(self, rooms: Rooms) -> None:
        self.clock, self.service = rooms.clock, rooms.certificate
        self.responder = rooms.certificate.responder

    @property
    def issuer(self) -> Certificate:
        found = self.service.authorities.find(CA)
        assert found is not None
        return parse_certificate(found.der)

    def issue(self) -> int:
        key = sm2_spki(sm2.public_key(sm2.generate_private_key()))
        order = Order("ten_a", "application", subject_of({"CN": "应用"}), key)
        [issued] = asyncio.run(self.service.issuance.issue(order, self.clock.now()))
        return issued.serial

    def question(self, *serials: int, nonce: bytes | None = None) -> bytes:
        return ocsp.OcspRequest(tuple(ocsp.CertId.of(self.issuer, item) for item in serials), nonce).encode()

    def ask(self, encoded: bytes) -> bytes:
        return asyncio.run(self.responder.answer(CA, encoded))

    def read(self, encoded: bytes) -> ocsp.BasicResponse:
        _, found = ocsp.parse_response(encoded)
        assert found is not None
        found.verify(self.issuer, self.clock.now())
        return found


@pytest.fixture
def house(rooms: Rooms) -> House:
    return House(rooms)


def test_an_answer_is_signed_once_until_the_certificate_is_revoked(house: House) -> None:
    serial = house.issue()
    question = house.question(serial)
    first = house.ask(question)
    assert house.ask(question) == first
    found = house.read(first).status_of(house.issuer, serial, house.clock.now())
    assert found.good and found.next_update == found.this_update + OCSP_LIFETIME
    at = house.clock.now()
    assert asyncio.run(house.service.revocation.revoke(serial, RevocationReason.KEY_COMPROMISE, at))
    revoked = house.read(house.ask(question)).status_of(house.issuer, serial, house.clock.now())
    assert not revoked.good and revoked.revoked_at == at.replace(microsecond=0)


def test_a_nonce_and_several_questions_are_answered_anew(house: House) -> None:
    serial, other = house.issue(), house.issue()
    question = house.question(serial, nonce=b"n" * 32)
    assert house.ask(question) != house.ask(question)
    assert house.read(house.ask(question)).nonce == b"n" * 32
    both = house.read(house.ask(house.question(serial, other)))
    assert [item.cert_id.serial for item in both.responses] == [serial, other]


def test_nothing_is_kept_while_revocations_are_not_heard_of(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    question = house.question(house.issue())
    first = house.ask(question)
    monkeypatch.setattr(type(house.responder._ledger), "listening", False)
    assert house.ask(question) != first


def test_a_number_that_was_never_issued_is_unknown_and_not_remembered(house: House) -> None:
    found = house.read(house.ask(house.question(77))).responses[0]
    assert not found.known and not found.good
    assert len(house.responder._kept) == 0


def test_another_authoritys_certificate_is_none_of_its_business(house: House) -> None:
    root = parse_certificate(house.service.authorities.anchors()[0])
    strange = ocsp.OcspRequest((ocsp.CertId.of(root, 5),)).encode()
    with pytest.raises(OcspRefused) as refused:
        house.ask(strange)
    assert refused.value.refusal is ocsp.Status.UNAUTHORIZED
    with pytest.raises(OcspRefused) as refused:
        house.ask(b"hello")
    assert refused.value.refusal is ocsp.Status.MALFORMED_REQUEST


def test_a_responder_is_renewed_before_its_certificate_ends_and_never_signs_after(house: House) -> None:
    question = house.question(house.issue())
    responder = house.read(house.ask(question)).verify(house.issuer, house.clock.now())
    house.clock.advance(seconds=(responder.not_after - house.clock.now() - RESPONDER_RENEW).total_seconds() - 60)
    asyncio.run(house.responder.renew())
    assert house.read(house.ask(question)).verify(house.issuer, house.clock.now()) == responder
    house.clock.advance(seconds=120)
    asyncio.run(house.responder.renew())
    renewed = house.read(house.ask(question)).verify(house.issuer, house.clock.now())
    assert renewed.not_after > responder.not_after and renewed.spki_der != responder.spki_der
    house.clock.advance(seconds=(renewed.not_after - house.clock.now() + timedelta(seconds=1)).total_seconds())
    with pytest.raises(ResponderMissing):
        house.ask(house.question(house.issue()))


def test_who_comes_second_with_a_responder_revokes_what_it_made(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    question = house.question(house.issue())
    standing = house.read(house.ask(question)).verify(house.issuer, house.clock.now())
    monkeypatch.setattr(house.responder._store, "responders", list)  # as it was before the other process had one
    before = set(house.service.revocation._store.revoked(Shard(CA, 0), house.clock.now()))
    asyncio.run(house.responder.renew())
    monkeypatch.undo()
    [vain] = set(house.service.revocation._store.revoked(Shard(CA, 0), house.clock.now())) - before
    assert vain.reason is RevocationReason.SUPERSEDED and vain.serial != standing.serial
    assert house.read(house.ask(question)).verify(house.issuer, house.clock.now()) == standing


def test_certificates_tell_where_to_ask_and_responders_are_not_asked_about(rooms: Rooms, house: House) -> None:
    serial = house.issue()
    found = rooms.certificate.registered(serial)
    assert found is not None and found.der is not None
    access = dict(parse_certificate(found.der).authority_info_access)
    assert "https://127.0.0.1:8600/ocsp/sm2-issuing" in access.values()
    responder = house.read(house.ask(house.question(serial))).verify(house.issuer, house.clock.now())
    assert not any("/ocsp/" in url for _, url in responder.authority_info_access)
    view = asyncio.run(rooms.certificate.authority_list(call_of(None, rooms.clock), None))  # type: ignore[arg-type]
    assert all(item.ocsp_url and item.ocsp_url.endswith(f"/ocsp/{item.ca}") for item in view.items)


def test_a_ceremony_that_was_broken_off_is_due_again(rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    service = rooms.certificate
    rooms.clock.advance(days=170)

    async def cut(*_: object) -> None:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patched:
        patched.setattr(service.responder, "sign_for_root", cut)
        with pytest.raises(RuntimeError):
            asyncio.run(service.bootstrap())
    assert len(asyncio.run(service.revocation.roots_due())) == 3, "its lists come last"
    asyncio.run(service.bootstrap())
    assert not asyncio.run(service.revocation.roots_due())


@pytest.mark.parametrize("family", ["sm2", "ecdsa", "rsa"])
def test_a_root_answers_by_what_it_signed_in_its_ceremony(rooms: Rooms, house: House, family: str) -> None:
    anchor, issuing = (rooms.certificate.authorities.find(f"{family}-{role}") for role in ("root", "issuing"))
    assert anchor is not None and issuing is not None
    root, below = parse_certificate(anchor.der), parse_certificate(issuing.der)
    assert f"https://127.0.0.1:8600/ocsp/{family}-root" in dict(below.authority_info_access).values()

    def ask(*serials: int, by: str = oid.SHA1, nonce: bytes | None = None) -> ocsp.BasicResponse:
        questions = tuple(ocsp.CertId.of(root, serial, by) for serial in serials)
        encoded = ocsp.OcspRequest(questions, nonce).encode()
        _, found = ocsp.parse_response(asyncio.run(house.responder.answer(f"{family}-root", encoded)))
        assert found is not None
        assert found.verify(root, house.clock.now()) == root, "by itself, as no machine that is online could"
        return found

    for by in ocsp.HASHES:
        assert ask(below.serial, by=by, nonce=b"n" * 32).nonce is None
        found = ask(below.serial, by=by).status_of(root, below.serial, house.clock.now())
        assert found.good and found.next_update == found.this_update + ROOT_CRL_LIFETIME
    for serials in ((77,), (below.serial, below.serial)):
        with pytest.raises(OcspRefused) as refused:
            ask(*serials)
        assert refused.value.refusal is ocsp.Status.UNAUTHORIZED
    house.clock.advance(days=181)
    with pytest.raises(OcspRefused):
        ask(below.serial)
    asyncio.run(rooms.certificate.bootstrap())
    assert ask(below.serial).status_of(root, below.serial, house.clock.now()).good
