"""How far a verifier looks, by which trust lists, at which time: and the tree of reasons when the answer is no."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from tests.rooms import Rooms
from tests.standin import call_of
from tests.unit.offerings.certificate.outside import DAY, Outside
from tests.unit.wire.authority import NOW, SM2, key

from miyun.core.trust import ReasonView
from miyun.gm import sm3
from miyun.offerings.certificate.trust import messages as t
from miyun.offerings.signature import messages as m
from miyun.wire import cms, tsp
from miyun.wire.algorithm import DigestAlgorithm
from miyun.wire.revoked import RevokedEntry

DATA = "关于某事的批复".encode()


def sign(rooms: Rooms, **fields: Any) -> bytes:
    request = m.SignCmsRequest(**{"signer": "approval", "content": DATA, **fields})
    return asyncio.run(rooms.signature.sign_cms(call_of("ten_a", rooms.clock), request)).cms


def verify(rooms: Rooms, message: bytes, tenant: str = "ten_a", **fields: Any) -> m.VerifyCmsView:
    request = m.VerifyCmsRequest(cms=message, **fields)
    return asyncio.run(rooms.signature.verify_cms(call_of(tenant, rooms.clock), request))


def tree(reasons: list[ReasonView]) -> list[Any]:
    return [(reason.code, tree(reason.children)) if reason.children else reason.code for reason in reasons]


def why(view: m.VerifyCmsView) -> list[Any]:
    [signer] = view.signers
    assert view.valid is signer.valid is (not signer.reasons)
    return tree(signer.reasons)


@pytest.fixture
def signer(rooms: Rooms) -> str:
    create = m.CreateSigner(name="approval", subject={"CN": "审批系统"})
    made = asyncio.run(rooms.signature.create_signer(call_of("ten_a", rooms.clock), create))
    return str(made.certificate_serial)


# time-stamps


@pytest.mark.parametrize("algorithm", ["SM2", "EC-P256", "RSA-3072"])
def test_a_time_stamp_proves_when_it_was_signed(rooms: Rooms, algorithm: Any) -> None:
    create = m.CreateSigner(name="approval", subject={"CN": "审批系统"}, algorithm=algorithm)
    made = asyncio.run(rooms.signature.create_signer(call_of("ten_a", rooms.clock), create))
    plain, stamped = sign(rooms), sign(rooms, timestamp=True)
    signed_at = rooms.clock.now()
    [shown] = verify(rooms, stamped).signers
    assert shown.timestamp is not None and shown.timestamp.valid
    assert abs(shown.timestamp.time - signed_at) < timedelta(seconds=1)  # type: ignore[operator]
    assert "TSA" in shown.timestamp.authority or "Time" in shown.timestamp.authority
    assert len(shown.chain) == 3
    rooms.clock.advance(days=1)
    asyncio.run(rooms.issuer.revoke(int(made.certificate_serial, 16), "superseded", rooms.clock.now()))
    assert why(verify(rooms, plain)) == [("revoked", ["register"])]
    assert why(verify(rooms, stamped)) == [], "it was signed before"
    rooms.clock.advance(days=800)
    assert why(verify(rooms, plain)) == ["expired"]
    assert why(verify(rooms, stamped)) == []
    assert verify(rooms, stamped).signers[0].judged_at == shown.timestamp.time
    assert why(verify(rooms, stamped, at=rooms.clock.now())) == ["expired"], "the verifier's own time comes first"


def test_what_was_revoked_before_the_time_stamp_stays_revoked(rooms: Rooms, signer: str) -> None:
    made = sign(rooms)
    asyncio.run(rooms.issuer.revoke(int(signer, 16), "key_compromise", rooms.clock.now()))
    rooms.clock.advance(minutes=5)
    assert why(verify(rooms, stamped_again(rooms, made))) == [("revoked", ["register"])]


def stamped_again(rooms: Rooms, message: bytes, over: bytes | None = None) -> bytes:
    """The message with a token over its signature, or over something else."""
    info = cms.parse_signed_data(message)
    [signer] = info.signers
    assert signer.certificate is not None
    stamped = over or signer.signature
    token = asyncio.run(rooms.signature._signing._stamper.token(sm3.digest(stamped), hash_algorithm="SM3"))
    return cms.assemble(
        certificate=signer.certificate,
        algorithm=signer.algorithm,
        signature=signer.signature,
        content=info.content,
        signed_attributes=signer.signed_attributes,
        dialect=info.dialect,
        certificates=info.certificates,
        unsigned_attributes=[cms.timestamp_attribute(token)],
    )


def test_a_time_stamp_of_something_else_proves_nothing(rooms: Rooms, signer: str) -> None:
    wrong = stamped_again(rooms, sign(rooms), over=b"something else")
    view = verify(rooms, wrong)
    assert view.valid, "the signature itself is good now"
    assert view.signers[0].timestamp is not None
    assert tree(view.signers[0].timestamp.reasons) == ["timestamp_data"]
    rooms.clock.advance(days=800)
    assert why(verify(rooms, wrong)) == ["expired", ("timestamp", ["timestamp_data"])]


def test_a_time_stamp_of_an_authority_that_nobody_trusts(rooms: Rooms, signer: str) -> None:
    rooms.clock.at = NOW
    create = m.CreateSigner(name="second", subject={"CN": "审批系统"})
    asyncio.run(rooms.signature.create_signer(call_of("ten_a", rooms.clock), create))
    info = cms.parse_signed_data(sign(rooms, signer="second"))
    [who] = info.signers
    stranger = Outside().delegate()
    imprint = tsp.MessageImprint.of(DigestAlgorithm.SM3, sm3.digest(who.signature))
    tst = tsp.TstInfoTemplate("1.2.3", tsp.Accuracy(1), None, True).encode(5, NOW, imprint, None)
    frame = tsp.TokenTemplate(SM2, (stranger.certificate,))
    attributes = frame.to_be_signed(tst)
    token = frame.assemble(tst, attributes, key(SM2, 23).sign(attributes), True)
    assert who.certificate is not None
    message = cms.assemble(
        certificate=who.certificate,
        algorithm=who.algorithm,
        signature=who.signature,
        content=DATA,
        signed_attributes=who.signed_attributes,
        dialect=info.dialect,
        certificates=info.certificates,
        unsigned_attributes=[cms.timestamp_attribute(token)],
    )
    view = verify(rooms, message)
    assert view.signers[0].timestamp is not None
    assert tree(view.signers[0].timestamp.reasons) == ["untrusted"]
    assert view.signers[0].judged_at == NOW


# trust lists and levels


class Abroad:
    """A message by a signer of an outside authority that the tenant has on a list."""

    def __init__(self, rooms: Rooms) -> None:
        rooms.clock.at = NOW
        self.rooms, self.outside = rooms, Outside()
        leaf = self.outside.leaf
        attributes = cms.signed_attributes_to_sign(sm3.digest(DATA), signing_time=NOW)
        self.message = cms.assemble(
            certificate=leaf.certificate,
            algorithm=SM2,
            signature=leaf.key.sign(attributes),
            content=DATA,
            signed_attributes=attributes,
            certificates=[leaf.certificate, self.outside.issuing.certificate],
        )
        self.trust = rooms.certificate.trust
        self.do(self.trust.create_list, t.CreateList(name="partner"))
        self.root = self.add(self.outside.root, anchor=True)

    def do(self, verb: Any, request: Any) -> Any:
        return asyncio.run(verb(call_of("ten_a", self.rooms.clock), request))

    def add(self, identity: Any, *, anchor: bool) -> str:
        pem = identity.certificate.to_pem()
        request = t.AddAuthority(trust_list="partner", certificate=pem, anchor=anchor)
        return str(self.do(self.trust.add_authority, request).trust_ca)

    def verify(self, **fields: Any) -> list[Any]:
        return why(verify(self.rooms, self.message, **{"lists": ["partner"]} | fields))


@pytest.fixture
def abroad(rooms: Rooms) -> Abroad:
    return Abroad(rooms)


def test_each_level_asks_more(abroad: Abroad) -> None:
    assert abroad.verify(lists=[]) == ["untrusted"]
    assert abroad.verify(level="time", lists=[]) == []
    assert abroad.verify(level="chain") == []
    assert abroad.verify(level="revocation") == [("status_unknown", ["no_source"])] * 2
    issuing = abroad.add(abroad.outside.issuing, anchor=False)
    for authority, by in ((abroad.root, abroad.outside.root), (issuing, None)):
        abroad.do(abroad.trust.upload_crl, t.UploadCrl(trust_ca=authority, crl=abroad.outside.list(by=by)))
    assert abroad.verify(level="revocation") == []
    assert abroad.verify(level="ocsp") == [("status_unknown", ["no_responder"])]
    revoked = abroad.outside.list([RevokedEntry(77, NOW - DAY)], number=2)
    abroad.do(abroad.trust.upload_crl, t.UploadCrl(trust_ca=issuing, crl=revoked))
    assert abroad.verify(level="revocation") == [("revoked", ["list"])]
    assert abroad.verify(level="revocation", at=NOW - 2 * DAY) == []
    assert abroad.verify(level="chain") == []


def test_another_tenants_list_is_none(abroad: Abroad) -> None:
    view = verify(abroad.rooms, abroad.message, tenant="ten_b", lists=["partner"])
    assert why(view) == ["no_such_list"]


def test_stale_revocation_information_is_borne_with_as_told(abroad: Abroad) -> None:
    issuing = abroad.add(abroad.outside.issuing, anchor=False)
    for authority, by in ((abroad.root, abroad.outside.root), (issuing, None)):
        crl = abroad.outside.list(by=by, at=NOW - 2 * DAY)
        abroad.do(abroad.trust.upload_crl, t.UploadCrl(trust_ca=authority, crl=crl))
    assert abroad.verify() == [("status_stale", ["list"])] * 2
    assert abroad.verify(stale_hours=25) == []
    view = verify(abroad.rooms, abroad.message, lists=["partner"], stale_hours=25)
    assert view.signers[0].revocation == "stale"


def test_a_spoiled_signature_and_a_bad_certificate_are_both_told(abroad: Abroad) -> None:
    abroad.message = abroad.message.replace(DATA, DATA[::-1])
    assert abroad.verify(lists=[]) == ["digest", "untrusted"]
