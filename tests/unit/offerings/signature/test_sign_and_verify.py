from __future__ import annotations

import asyncio
import base64
import hashlib

import pytest
from tests.rooms import Rooms
from tests.standin import call_of

from miyun.core.errors import InvalidArgument, InvalidSignature, MachineLocked
from miyun.core.operation import Call
from miyun.gm import sm2, sm3
from miyun.hsm.errors import MachineLocked as Locked
from miyun.offerings.signature import messages as m
from miyun.offerings.signature.operations import VERIFIES, items_in
from miyun.wire import cms
from miyun.wire.algorithm import SignatureAlgorithm
from miyun.wire.cms import Dialect
from miyun.wire.spki import sm2_spki
from miyun.wire.x509 import load_certificates, parse_certificate

ALGORITHMS = ["SM2", "EC-P256", "RSA-3072"]
DATA = "关于某事的批复".encode()


def call(rooms: Rooms) -> Call:
    return call_of("ten_a", rooms.clock)


def signer_of(rooms: Rooms, algorithm: str = "SM2", name: str = "approval") -> m.SignerView:
    request = m.CreateSigner(name=name, subject={"CN": "审批系统"}, algorithm=algorithm)  # type: ignore[arg-type]
    return asyncio.run(rooms.signature.create_signer(call(rooms), request))


def sign(rooms: Rooms, **fields: object) -> bytes:
    request = m.SignRequest(**{"signer": "approval", **fields})  # type: ignore[arg-type]
    return asyncio.run(rooms.signature.sign(call(rooms), request)).signature


def verify(rooms: Rooms, **fields: object) -> m.VerifyView:
    return asyncio.run(rooms.signature.verify(call(rooms), m.VerifyRequest(**fields)))  # type: ignore[arg-type]


def digest_of(signer: m.SignerView, data: bytes) -> bytes:
    """What a client does that keeps its file."""
    return sm3.digest(signer.z_a + data) if signer.z_a else hashlib.sha256(data).digest()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_signature_verifies_by_signer_certificate_and_key(rooms: Rooms, algorithm: str) -> None:
    signer = signer_of(rooms, algorithm)
    [certificate] = load_certificates(signer.certificate_pem)
    signature = sign(rooms, message=DATA)
    for key in (
        {"signer": "approval"},
        {"certificate": signer.certificate_pem},
        {"certificate": base64.b64encode(certificate.der).decode()},
        {"public_key": certificate.spki_der},
    ):
        assert verify(rooms, signature=signature, message=DATA, **key).valid
        with pytest.raises(InvalidSignature):
            verify(rooms, signature=signature, message=DATA + b"x", **key)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_content_may_stay_with_the_caller(rooms: Rooms, algorithm: str) -> None:
    signer = signer_of(rooms, algorithm)
    signature = sign(rooms, digest=digest_of(signer, DATA))
    assert verify(rooms, signature=signature, message=DATA, signer="approval").valid
    assert verify(rooms, signature=signature, digest=digest_of(signer, DATA), signer="approval").valid
    with pytest.raises(InvalidSignature):
        verify(rooms, signature=signature, digest=bytes(32), signer="approval")


def test_the_user_id_is_part_of_an_sm2_signature(rooms: Rooms) -> None:
    signer_of(rooms)
    signature = sign(rooms, message=DATA, user_id="alice@example.cn")
    assert verify(rooms, signature=signature, message=DATA, signer="approval", user_id="alice@example.cn").valid
    with pytest.raises(InvalidSignature):
        verify(rooms, signature=signature, message=DATA, signer="approval")


def test_a_raw_signature_without_za_is_refused(rooms: Rooms) -> None:
    secret = sm2.generate_private_key()
    signature = sm2.sign_digest(secret, sm3.digest(DATA))
    with pytest.raises(InvalidSignature):
        verify(rooms, signature=signature, message=DATA, public_key=sm2_spki(sm2.public_key(secret)))


@pytest.mark.parametrize("signature", [b"", b"\x30\x00", b"\x30\x06\x02\x01\x00\x02\x01\x00", bytes(64)])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_rubbish_is_an_invalid_signature_and_nothing_else(rooms: Rooms, algorithm: str, signature: bytes) -> None:
    signer_of(rooms, algorithm)
    for data in ({"message": DATA}, {"digest": bytes(32)}):
        with pytest.raises(InvalidSignature):
            verify(rooms, signature=signature, signer="approval", **data)


def test_a_right_signature_of_a_revoked_certificate_says_so(rooms: Rooms) -> None:
    signer = signer_of(rooms)
    signature = sign(rooms, message=DATA)
    asyncio.run(rooms.signature.retire_signer(call(rooms), m.RefSigner(signer="approval")))
    view = verify(rooms, signature=signature, message=DATA, signer="approval")
    assert (view.valid, [reason.code for reason in view.reasons]) == (False, ["revoked"])
    rooms.clock.advance(days=400)
    view = verify(rooms, signature=signature, message=DATA, certificate=signer.certificate_pem)
    assert [reason.code for reason in view.reasons] == ["expired"]


@pytest.mark.parametrize(
    "fields",
    [
        {"signer": "approval"},
        {"signer": "approval", "message": b"x", "digest": bytes(32)},
        {"message": b"x"},
        {"message": b"x", "signer": "approval", "public_key": b"x"},
        {"message": b"x", "public_key": b"\x30\x00"},
        {"message": b"x", "certificate": "nonsense!"},
        {"message": b"x", "certificate": "MAA="},
    ],
)
def test_contradictory_questions_are_refused(rooms: Rooms, fields: dict[str, object]) -> None:
    signer_of(rooms)
    with pytest.raises(InvalidArgument):
        verify(rooms, signature=b"x", **fields)


def test_the_example_verifies_for_everybody(rooms: Rooms) -> None:
    values = {name: base64.b64decode(value) for name, value in VERIFIES.items()}
    assert verify(rooms, **values).valid


def test_a_locked_machine_signs_nothing(rooms: Rooms) -> None:
    signer_of(rooms)
    rooms.machine.locked = True
    # The key directory maps the machine's errors to the platform's own.
    with pytest.raises((MachineLocked, Locked)):
        sign(rooms, message=DATA)


# --- CMS -------------------------------------------------------------------------------------------------------------


def sign_cms(rooms: Rooms, **fields: object) -> m.CmsView:
    request = m.SignCmsRequest(**{"signer": "approval", **fields})  # type: ignore[arg-type]
    return asyncio.run(rooms.signature.sign_cms(call(rooms), request))


def verify_cms(rooms: Rooms, message: bytes, **fields: object) -> m.VerifyCmsView:
    request = m.VerifyCmsRequest(cms=message, **fields)  # type: ignore[arg-type]
    return asyncio.run(rooms.signature.verify_cms(call(rooms), request))


def codes(view: m.VerifyCmsView) -> list[str]:
    found = [reason.code for reason in view.reasons]
    found += [reason.code for signer in view.signers for reason in signer.reasons]
    assert view.valid is (not found)
    return found


@pytest.mark.parametrize(
    ("algorithm", "dialect", "used"),
    [
        ("SM2", "", "GB/T 35275"),
        ("SM2", "RFC 5652", "RFC 5652"),
        ("EC-P256", "", "RFC 5652"),
        ("RSA-3072", "RFC 5652", "RFC 5652"),
    ],
)
def test_messages_attached_and_detached(rooms: Rooms, algorithm: str, dialect: str, used: str) -> None:
    signer = signer_of(rooms, algorithm)
    attached = sign_cms(rooms, content=DATA, dialect=dialect)
    view = verify_cms(rooms, attached.cms, return_content=True)
    assert codes(view) == []
    assert (view.content, view.dialect, view.detached) == (DATA, used, False)
    [who] = view.signers
    assert who.serial == signer.certificate_serial
    assert who.signing_time == rooms.clock.now()
    detached = sign_cms(rooms, content=DATA, dialect=dialect, detached=True)
    assert codes(verify_cms(rooms, detached.cms, content=DATA)) == []
    assert codes(verify_cms(rooms, detached.cms, content=b"other")) == ["digest"]
    assert codes(verify_cms(rooms, detached.cms)) == ["no_content"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_detached_message_over_a_digest(rooms: Rooms, algorithm: str) -> None:
    signer_of(rooms, algorithm)
    digest = sm3.digest(DATA) if algorithm == "SM2" else hashlib.sha256(DATA).digest()
    made = sign_cms(rooms, digest=digest, detached=True)
    assert codes(verify_cms(rooms, made.cms, content=DATA)) == []
    assert codes(verify_cms(rooms, made.cms, digest=digest)) == []
    assert codes(verify_cms(rooms, made.cms, digest=bytes(32))) == ["digest"]


def test_what_cannot_be_signed_as_cms(rooms: Rooms) -> None:
    signer_of(rooms, "EC-P256")
    for fields in (
        {},
        {"digest": bytes(32)},
        {"content": b"x", "digest": bytes(32), "detached": True},
        {"content": b"x", "dialect": "GB/T 35275"},
    ):
        with pytest.raises(InvalidArgument):
            sign_cms(rooms, **fields)


def test_every_flaw_of_a_message_has_its_reason(rooms: Rooms) -> None:
    signer_of(rooms)
    made = sign_cms(rooms, content=DATA).cms
    assert codes(verify_cms(rooms, b"\x30\x00")) == ["malformed"]
    assert codes(verify_cms(rooms, made[:-1])) == ["malformed"]
    assert codes(verify_cms(rooms, made, content=b"other")) == ["digest"]
    assert codes(verify_cms(rooms, made.replace(DATA, DATA[::-1]))) == ["digest"]
    assert codes(verify_cms(rooms, made[:-1] + bytes((made[-1] ^ 1,)))) == ["signature"]
    asyncio.run(rooms.signature.retire_signer(call(rooms), m.RefSigner(signer="approval")))
    assert codes(verify_cms(rooms, made)) == ["revoked"]
    rooms.clock.advance(days=500)
    assert codes(verify_cms(rooms, made)) == ["expired"]


def crafted(
    rooms: Rooms, *, without_za: bool = False, certificates: bool = True, template: str = "application"
) -> bytes:
    """A message by a key that the test holds, certified by our CA."""
    secret = sm2.generate_private_key()
    issued = asyncio.run(
        rooms.issuer.issue(
            "ten_a",
            template="application",
            subject={"CN": "x"},
            spki=sm2_spki(sm2.public_key(secret)),
            at=rooms.clock.now(),
        )
    )
    certificate = parse_certificate(issued.der)
    attributes = cms.signed_attributes_to_sign(sm3.digest(DATA), dialect=Dialect.GBT35275)
    signature = sm2.sign_digest(secret, sm3.digest(attributes)) if without_za else sm2.sign(secret, attributes)
    return cms.assemble(
        certificate=certificate,
        algorithm=SignatureAlgorithm.SM2_SM3,
        signature=signature,
        content=DATA,
        signed_attributes=attributes,
        dialect=Dialect.GBT35275,
        certificates=[certificate] if certificates else (),
    )


def test_a_message_signed_without_za_is_refused_by_name(rooms: Rooms) -> None:
    assert codes(verify_cms(rooms, crafted(rooms))) == []
    assert codes(verify_cms(rooms, crafted(rooms, without_za=True))) == ["no_za"]


def test_a_message_without_its_certificate_says_so(rooms: Rooms) -> None:
    assert codes(verify_cms(rooms, crafted(rooms, certificates=False))) == ["no_certificate"]


def test_paths_need_no_intermediates_from_the_client(rooms: Rooms) -> None:
    signer_of(rooms)
    made = sign_cms(rooms, content=DATA, include_chain=False)
    assert codes(verify_cms(rooms, made.cms)) == []


# --- batches ---------------------------------------------------------------------------------------------------------


def test_a_batch_signs_what_it_can_and_says_what_it_cannot(rooms: Rooms) -> None:
    signer = signer_of(rooms)
    items = [
        m.SignItem(message=b"one", reference="第一件"),
        m.SignItem(reference="空"),
        m.SignItem(digest=digest_of(signer, b"three"), reference="三"),
        m.SignItem(message=b"four", digest=bytes(32), reference="两样"),
        m.SignItem(message=b"", reference="空文"),
    ]
    asked = call(rooms)
    request = m.SignBatchRequest(signer="approval", items=items)
    view = asyncio.run(rooms.signature.sign_batch(asked, request))
    assert [item.reference for item in view.items] == ["第一件", "空", "三", "两样", "空文"]
    assert [item.error.code if item.error else None for item in view.items] == [
        None,
        "InvalidArgument",
        None,
        "InvalidArgument",
        None,
    ]
    assert (asked.units, items_in(request, None)) == (3, 5)
    for item, data in zip((view.items[0], view.items[2], view.items[4]), (b"one", b"three", b""), strict=True):
        assert verify(rooms, signature=item.signature, message=data, signer="approval").valid


def test_a_batch_of_messages(rooms: Rooms) -> None:
    signer_of(rooms, "EC-P256")
    items = [m.SignItem(message=b"one"), m.SignItem(digest=hashlib.sha256(b"two").digest())]
    request = m.SignBatchRequest(signer="approval", items=items, format="cms")
    view = asyncio.run(rooms.signature.sign_batch(call(rooms), request))
    for item, data in zip(view.items, (b"one", b"two"), strict=True):
        assert item.signature is not None
        assert codes(verify_cms(rooms, item.signature, content=data)) == []


def test_a_batch_verifies_each_on_its_own(rooms: Rooms) -> None:
    signer_of(rooms)
    good = sign(rooms, message=b"one")
    message = sign_cms(rooms, content=b"two").cms
    request = m.VerifyBatchRequest(
        signer="approval",
        items=[
            m.VerifyItem(signature=good, message=b"one", reference="a"),
            m.VerifyItem(signature=good, message=b"other", reference="b"),
            m.VerifyItem(signature=good, reference="c"),
            m.VerifyItem(cms=message, reference="d"),
            m.VerifyItem(cms=b"\x30\x00", reference="e"),
        ],
    )
    view = asyncio.run(rooms.signature.verify_batch(call(rooms), request))
    assert [(item.reference, item.valid, [r.code for r in item.reasons]) for item in view.items] == [
        ("a", True, []),
        ("b", False, ["signature"]),
        ("c", False, ["malformed"]),
        ("d", True, []),
        ("e", False, ["malformed"]),
    ]
    assert (view.valid, view.invalid) == (2, 3)


# --- the platform's own ----------------------------------------------------------------------------------------------


def test_the_platforms_evidence_signature_verifies_and_survives_a_new_key(rooms: Rooms) -> None:
    first = asyncio.run(rooms.evidence_signer.sign_detached(DATA))
    assert codes(verify_cms(rooms, first, content=DATA)) == []
    assert verify_cms(rooms, first, content=DATA).dialect == "GB/T 35275"
    rooms.clock.advance(days=2 * 365 + 1)
    asyncio.run(rooms.evidence_signer.bootstrap())
    second = asyncio.run(rooms.evidence_signer.sign_detached(DATA))
    serials = [verify_cms(rooms, item, content=DATA).signers[0].serial for item in (first, second)]
    assert serials[0] != serials[1]
    assert len(rooms.evidence_signer.certificates()) == 4


@pytest.mark.parametrize("detached", [True, False])
def test_a_message_that_holds_the_document_is_not_kept_for_a_repeat(rooms: Rooms, detached: bool) -> None:
    signer_of(rooms)
    asked = call(rooms)
    request = m.SignCmsRequest(signer="approval", content=DATA, detached=detached)
    asyncio.run(rooms.signature.sign_cms(asked, request))
    assert asked.private is not detached
