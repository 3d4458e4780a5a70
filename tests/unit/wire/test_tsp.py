from datetime import UTC, datetime, timedelta, timezone

import pytest
from tests.unit.wire.authority import ALGORITHMS, NOW, SM2, TSA_EXTENSIONS, key, make, pki

from miyun.gm import sm3
from miyun.gm.errors import InvalidSignature
from miyun.wire import cms, der, oid, tsp, x509
from miyun.wire.algorithm import DigestAlgorithm
from miyun.wire.errors import DecodeError, EncodeError
from miyun.wire.tsp import FailureInfo, Mismatch, PKIStatus

POLICY = "1.2.156.99999.1"
MESSAGE = b"a document"
IMPRINT = tsp.MessageImprint.of(DigestAlgorithm.SM3, sm3.digest(MESSAGE))


def token(
    algorithm=SM2,
    *,
    nonce: int | None = 7,
    include=True,
    signer=None,
    time=NOW,
    accuracy=None,
    tsa_name=None,
    ordering=False,
) -> bytes:
    signer = signer or pki(algorithm).tsa
    info = tsp.TstInfoTemplate(POLICY, accuracy, tsa_name, ordering).encode(42, time, IMPRINT, nonce)
    frame = tsp.TokenTemplate(algorithm, (signer.certificate, pki(algorithm).issuing.certificate))
    attributes = frame.to_be_signed(info)
    return frame.assemble(info, attributes, signer.key.sign(attributes), include)


def verify(made: bytes, algorithm=SM2, **more) -> tsp.TimeStampInfo:
    more.setdefault("message", MESSAGE)
    return tsp.verify_token(made, anchors=[pki(algorithm).root.certificate], **more)


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda a: a.name)
def test_token_verifies(algorithm):
    info = verify(token(algorithm), algorithm, policy=POLICY, nonce=7)
    assert (info.serial, info.gen_time, info.policy) == (42, NOW, POLICY)
    assert info.chain.leaf == pki(algorithm).tsa.certificate


def test_every_field_comes_back():
    shanghai = timezone(timedelta(hours=8))
    time = datetime(2026, 11, 21, 14, 0, 0, 120300, tzinfo=shanghai)
    subject = pki().tsa.certificate.subject
    made = token(time=time, accuracy=tsp.Accuracy(1, 500, 20), tsa_name=subject, ordering=True)
    info = verify(made).tst_info
    assert info.gen_time == datetime(2026, 11, 21, 6, 0, 0, 120300, tzinfo=UTC)
    assert b"20261121060000.1203Z" in made
    assert (info.accuracy, info.ordering, info.nonce) == (tsp.Accuracy(1, 500, 20), True, 7)
    assert info.tsa.value == subject


def test_attributes_are_in_der_order():
    frame = tsp.TokenTemplate(SM2, (pki().tsa.certificate,))
    for content in (b"", b"x", b"y"):
        encoded = frame.to_be_signed(content)
        reader = der.Reader(encoded).enter(der.SET)
        members = []
        while reader.more:
            members.append(reader.raw())
        assert members == sorted(members)
        assert sm3.digest(content) in encoded


def test_token_without_certificates_needs_them_from_outside():
    made = token(include=False)
    with pytest.raises(DecodeError, match="certificate"):
        verify(made)
    verify(made, certificates=[pki().tsa.certificate, pki().issuing.certificate])


@pytest.mark.parametrize(
    ("expected", "reason"),
    [
        ({"message": b"another"}, Mismatch.IMPRINT),
        ({"message": None, "digest": bytes(32)}, Mismatch.IMPRINT),
        ({"policy": "1.2.3"}, Mismatch.POLICY),
        ({"nonce": 8}, Mismatch.NONCE),
    ],
)
def test_token_for_something_else(expected, reason):
    with pytest.raises(tsp.TimeStampMismatch) as caught:
        verify(token(), **expected)
    assert caught.value.reason is reason


def test_token_without_nonce_does_not_answer_a_nonce():
    with pytest.raises(tsp.TimeStampMismatch):
        verify(token(nonce=None), nonce=7)
    verify(token(nonce=None))


def test_changed_time_is_refused():
    made = token()
    with pytest.raises(InvalidSignature):
        verify(made.replace(b"20261121060000Z", b"20261121050000Z"))


def test_signature_of_another_key_is_refused():
    impostor = make("TSA", *TSA_EXTENSIONS, issuer=pki().issuing, key=pki().tsa.key, serial=4)
    # Same issuer, serial and key, but not the certificate that the token names.
    frame = tsp.TokenTemplate(SM2, (pki().tsa.certificate,))
    info = tsp.TstInfoTemplate(POLICY).encode(1, NOW, IMPRINT, None)
    attributes = frame.to_be_signed(info)
    other = tsp.TokenTemplate(SM2, (impostor.certificate,))
    made = other.assemble(info, attributes, pki().tsa.key.sign(attributes), True)
    with pytest.raises(InvalidSignature):
        verify(made)


def test_signer_must_be_a_timestamping_certificate():
    with pytest.raises(x509.ChainError) as caught:
        verify(token(signer=pki().leaf))
    assert caught.value.reason is x509.ChainReason.PURPOSE


def test_path_is_checked_at_the_tokens_time():
    old = make("TSA", *TSA_EXTENSIONS, issuer=pki().issuing, key=key(number=8), not_after=NOW + timedelta(days=1))
    verify(token(signer=old))
    with pytest.raises(x509.ChainError):
        verify(token(signer=old), at=NOW + timedelta(days=2))


def test_named_tsa_must_be_the_signer():
    with pytest.raises(tsp.TimeStampMismatch) as caught:
        verify(token(tsa_name=pki().leaf.certificate.subject))
    assert caught.value.reason is Mismatch.SIGNER


def test_tsa_may_be_named_by_another_of_its_names():
    other = pki().leaf.certificate.subject
    known = x509.subject_alt_name(directory=[other])
    signer = make("TSA", *TSA_EXTENSIONS, known, issuer=pki().issuing, key=key(number=8))
    verify(token(signer=signer, tsa_name=other))


def signed_by_hand(content: bytes, *, content_type=oid.TST_INFO, named=True) -> bytes:
    signer = pki().tsa
    attributes = cms.signed_attributes_to_sign(
        sm3.digest(content), content_type=content_type, signing_certificate=signer.certificate if named else None
    )
    return cms.assemble(
        certificate=signer.certificate,
        algorithm=SM2,
        signature=signer.key.sign(attributes),
        content=content,
        signed_attributes=attributes,
        content_type=content_type,
        certificates=[signer.certificate, pki().issuing.certificate],
    )


def test_signer_must_be_named_in_the_token():
    info = tsp.TstInfoTemplate(POLICY).encode(1, NOW, IMPRINT, None)
    verify(signed_by_hand(info))
    with pytest.raises(tsp.TimeStampMismatch) as caught:
        verify(signed_by_hand(info, named=False))
    assert caught.value.reason is Mismatch.SIGNER


def test_signed_data_of_another_type_is_no_token():
    info = tsp.TstInfoTemplate(POLICY).encode(1, NOW, IMPRINT, None)
    with pytest.raises(DecodeError, match="TSTInfo"):
        verify(signed_by_hand(info, content_type=oid.DATA))


def test_token_has_one_signer():
    body = der.Reader(token()).enter()
    body.raw()
    signed = body.enter(0xA0).enter()
    parts = [signed.raw() for _ in range(4)]
    signer = signed.read(der.SET)
    for count in (0, 2):
        doubled = der.sequence(*parts, der.tlv(der.SET, signer * count))
        with pytest.raises(DecodeError, match="one signer"):
            verify(der.sequence(der.oid(oid.SIGNED_DATA), der.explicit(0, doubled)))


def test_same_hash_value_by_another_hash_function_is_not_the_request():
    other = tsp.MessageImprint.of(DigestAlgorithm.SHA256, IMPRINT.digest)
    asked = tsp.TimeStampReq(other, None, 7, True)
    with pytest.raises(tsp.TimeStampMismatch):
        tsp.verify_response(tsp.response_granted(token()), asked, anchors=[pki().root.certificate])


def test_either_digest_or_message():
    with pytest.raises(TypeError):
        verify(token(), digest=bytes(32))


def test_request_comes_back():
    asked = tsp.parse_request(tsp.build_request(IMPRINT, policy=POLICY, nonce=1 << 63, cert_req=True))
    assert asked == tsp.TimeStampReq(IMPRINT, POLICY, 1 << 63, True)
    assert tsp.parse_request(tsp.build_request(IMPRINT, cert_req=False)) == tsp.TimeStampReq(IMPRINT, None, None, False)


def imprint(dotted: str, digest: bytes, parameters: bytes = b"") -> bytes:
    return der.sequence(der.sequence(der.oid(dotted), parameters), der.octet_string(digest))


V1 = der.integer(1)
GOOD = imprint(oid.SM3, bytes(32))


@pytest.mark.parametrize(
    ("encoded", "failure", "field"),
    [
        (b"", FailureInfo.BAD_DATA_FORMAT, "TimeStampReq"),
        (b"\x30\x80", FailureInfo.BAD_DATA_FORMAT, "TimeStampReq"),
        (der.sequence(der.integer(2), GOOD), FailureInfo.BAD_REQUEST, "version"),
        (der.sequence(V1, imprint(oid.SHA1, bytes(20))), FailureInfo.BAD_ALG, "hashAlgorithm"),
        (der.sequence(V1, imprint("1.2.3", bytes(20))), FailureInfo.BAD_ALG, "hashAlgorithm"),
        (der.sequence(V1, imprint(oid.SM3, bytes(32), der.TRUE)), FailureInfo.BAD_ALG, "hashAlgorithm"),
        (der.sequence(V1, imprint(oid.SM3, bytes(31))), FailureInfo.BAD_DATA_FORMAT, "hashedMessage"),
        (der.sequence(V1, imprint(oid.SHA512, bytes(32))), FailureInfo.BAD_DATA_FORMAT, "hashedMessage"),
        (der.sequence(V1, GOOD, der.integer(1 << 256)), FailureInfo.BAD_DATA_FORMAT, "nonce"),
        (der.sequence(V1, GOOD, der.NULL), FailureInfo.BAD_DATA_FORMAT, "TimeStampReq"),
        (der.sequence(V1, GOOD) + b"\0", FailureInfo.BAD_DATA_FORMAT, "TimeStampReq"),
        (der.sequence(V1, GOOD, bytes(20000)), FailureInfo.BAD_DATA_FORMAT, "TimeStampReq"),
    ],
    ids=[
        "nothing",
        "indefinite length",
        "version 2",
        "SHA-1",
        "unknown hash",
        "hash with parameters",
        "short hash",
        "hash of another size",
        "long nonce",
        "unknown field",
        "trailing octet",
        "huge",
    ],
)
def test_request_that_is_refused(encoded, failure, field):
    with pytest.raises(tsp.RequestError) as caught:
        tsp.parse_request(encoded)
    assert (caught.value.failure_info, caught.value.field) == (failure, field)


def test_request_with_null_parameters_is_repeated_as_it_came():
    asked = tsp.parse_request(der.sequence(V1, imprint(oid.SHA256, bytes(32), der.NULL)))
    info = tsp.TstInfoTemplate(POLICY).encode(1, NOW, asked.message_imprint, None)
    assert imprint(oid.SHA256, bytes(32), der.NULL) in info


def test_request_extensions_are_read():
    item = x509.Extension("1.2.3", True, der.NULL)
    asked = tsp.parse_request(der.sequence(V1, GOOD, der.explicit(0, item.encode())))
    assert asked.extensions == (item,)


def test_granted_response():
    made = token()
    found = tsp.parse_response(tsp.response_granted(made))
    assert (found.status, found.token, found.failure_bits) == (PKIStatus.GRANTED, made, 0)


def test_rejected_response():
    found = tsp.parse_response(
        tsp.response_rejected(PKIStatus.REJECTION, FailureInfo.TIME_NOT_AVAILABLE, "时间源不可用")
    )
    assert (found.status, found.texts, found.failure_bits) == (
        PKIStatus.REJECTION,
        ("时间源不可用",),
        1 << FailureInfo.TIME_NOT_AVAILABLE,
    )


def test_granted_without_token_cannot_be_made_or_read():
    with pytest.raises(EncodeError):
        tsp.response_rejected(PKIStatus.GRANTED, None)
    with pytest.raises(DecodeError):
        tsp.parse_response(der.sequence(der.sequence(der.integer(0))))


def test_client_checks_the_response_against_its_request():
    asked = tsp.parse_request(tsp.build_request(IMPRINT, policy=POLICY, nonce=7))
    anchors = [pki().root.certificate]
    response = tsp.response_granted(token())
    assert tsp.verify_response(response, asked, anchors=anchors).serial == 42
    other = tsp.TimeStampReq(IMPRINT, POLICY, 8, True)
    with pytest.raises(tsp.TimeStampMismatch):
        tsp.verify_response(response, other, anchors=anchors)
    with pytest.raises(DecodeError, match="REJECTION"):
        tsp.verify_response(tsp.response_rejected(PKIStatus.REJECTION, None), asked, anchors=anchors)


def test_every_failure_has_a_number_of_gmt_0033():
    assert {tsp.StfError.of(item) for item in FailureInfo} <= set(tsp.StfError)
    assert tsp.StfError.of(FailureInfo.BAD_ALG) == 0x04000007


def test_naive_time_is_refused():
    with pytest.raises(EncodeError):
        tsp.TstInfoTemplate(POLICY).encode(1, datetime(2026, 1, 1), IMPRINT, None)
