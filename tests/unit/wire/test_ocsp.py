"""OCSP messages, ours and those of `cryptography` (which speaks ECDSA and RSA), and whom a response is believed of."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509 as their_x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key
from cryptography.x509 import ocsp as theirs
from tests.unit.wire.authority import ECDSA, NOW, RSA, SM2, Identity, key, make, pki

from miyun.gm.errors import InvalidSignature
from miyun.wire import der, ocsp, oid, x509
from miyun.wire.algorithm import SignatureAlgorithm
from miyun.wire.crl import Reason
from miyun.wire.errors import DecodeError

RESPONDER = (
    x509.basic_constraints(False),
    x509.key_usage("digitalSignature"),
    x509.ext_key_usage(oid.KP_OCSP_SIGNING),
)
LATER = NOW + timedelta(hours=1)


def responder(algorithm: SignatureAlgorithm = SM2, **changes: object) -> Identity:
    return make("Responder", *RESPONDER, issuer=pki(algorithm).issuing, key=key(algorithm, 8), serial=80, **changes)  # type: ignore[arg-type]


def answer(
    *singles: ocsp.SingleResponse, by: Identity, nonce: bytes | None = None, carry: bool = True
) -> ocsp.BasicResponse:
    data = ocsp.ResponseData(ocsp.responder_key_hash(by.certificate), NOW, singles, nonce).encode()
    encoded = ocsp.assemble_response(data, by.key.algorithm, by.key.sign(data), [by.certificate] if carry else [])
    status, found = ocsp.parse_response(encoded)
    assert status is ocsp.Status.SUCCESSFUL and found is not None
    return found


def question(algorithm: SignatureAlgorithm = SM2, serial: int = 3, hash_oid: str = oid.SHA1) -> ocsp.CertId:
    return ocsp.CertId.of(pki(algorithm).issuing.certificate, serial, hash_oid)


@pytest.mark.parametrize("hash_oid", [oid.SHA1, oid.SHA256, oid.SM3])
def test_what_is_asked_comes_back_octet_by_octet(hash_oid: str) -> None:
    asked = ocsp.OcspRequest((question(hash_oid=hash_oid), question(serial=1 << 126, hash_oid=hash_oid)), b"n" * 16)
    read = ocsp.parse_request(asked.encode())
    assert read == asked and read.encode() == asked.encode()
    assert read.questions[0].is_by(pki().issuing.certificate) and not read.questions[0].is_by(pki().root.certificate)


@pytest.mark.parametrize("algorithm", [ECDSA, RSA])
@pytest.mark.parametrize(("digest", "hash_oid"), [(hashes.SHA1(), oid.SHA1), (hashes.SHA256(), oid.SHA256)])
def test_requests_are_those_of_cryptography(
    algorithm: SignatureAlgorithm, digest: hashes.HashAlgorithm, hash_oid: str
) -> None:
    house = pki(algorithm)
    leaf, issuer = (their_x509.load_der_x509_certificate(i.certificate.der) for i in (house.leaf, house.issuing))
    built = theirs.OCSPRequestBuilder().add_certificate(leaf, issuer, digest)  # type: ignore[arg-type]
    encoded = built.add_extension(their_x509.OCSPNonce(b"12345678"), critical=False).build().public_bytes(Encoding.DER)
    read = ocsp.parse_request(encoded)
    [asked] = read.questions
    assert asked.is_by(house.issuing.certificate) and asked.serial == house.leaf.certificate.serial
    assert read.nonce == b"12345678" and asked.hash_oid == hash_oid


@pytest.mark.parametrize("algorithm", [ECDSA, RSA])
def test_cryptography_reads_and_verifies_our_answers(algorithm: SignatureAlgorithm) -> None:
    by = responder(algorithm)
    single = ocsp.SingleResponse(
        question(algorithm), NOW, LATER, revoked_at=NOW - timedelta(days=2), reason=Reason.KEY_COMPROMISE
    )
    data = ocsp.ResponseData(ocsp.responder_key_hash(by.certificate), NOW, (single,), b"n" * 8).encode()
    encoded = ocsp.assemble_response(data, algorithm, by.key.sign(data), [by.certificate])
    read = theirs.load_der_ocsp_response(encoded)
    assert read.certificate_status is theirs.OCSPCertStatus.REVOKED
    assert read.revocation_reason is their_x509.ReasonFlags.key_compromise
    assert read.next_update_utc == LATER and read.tbs_response_bytes == data
    assert read.extensions.get_extension_for_class(their_x509.OCSPNonce).value.nonce == b"n" * 8
    assert read.responder_key_hash == ocsp.responder_key_hash(by.certificate)
    assert theirs.load_der_ocsp_response(ocsp.error_response(ocsp.Status.TRY_LATER)).response_status is (
        theirs.OCSPResponseStatus.TRY_LATER
    )


@pytest.mark.parametrize("status", list(theirs.OCSPCertStatus))
def test_answers_of_cryptography_are_read_and_verified(status: theirs.OCSPCertStatus) -> None:
    house, by = pki(ECDSA), responder(ECDSA)
    leaf, issuer, signer = (
        their_x509.load_der_x509_certificate(i.certificate.der) for i in (house.leaf, house.issuing, by)
    )
    revoked = status is theirs.OCSPCertStatus.REVOKED
    built = theirs.OCSPResponseBuilder().add_response(
        leaf, issuer, hashes.SHA256(), status, NOW, LATER,
        NOW - timedelta(days=1) if revoked else None,
        their_x509.ReasonFlags.superseded if revoked else None,
    )  # fmt: skip
    for encoding in theirs.OCSPResponderEncoding:
        signed = built.responder_id(encoding, signer).certificates([signer])
        private = load_der_private_key(by.key.private, None)
        encoded = signed.sign(private, hashes.SHA256()).public_bytes(  # type: ignore[arg-type]
            Encoding.DER
        )
        _, read = ocsp.parse_response(encoded)
        assert read is not None and read.verify(house.issuing.certificate, NOW) == by.certificate
        found = read.status_of(house.issuing.certificate, house.leaf.certificate.serial, NOW)
        assert found.good is (status is theirs.OCSPCertStatus.GOOD)
        assert found.known is (status is not theirs.OCSPCertStatus.UNKNOWN)
        assert found.reason is (Reason.SUPERSEDED if revoked else Reason.UNSPECIFIED)


def test_the_issuer_and_whom_it_authorised_are_believed_and_nobody_else() -> None:
    issuing = pki().issuing
    single = ocsp.SingleResponse(question(), NOW, LATER)
    assert answer(single, by=issuing, carry=False).verify(issuing.certificate, NOW) == issuing.certificate
    delegate = responder()
    assert answer(single, by=delegate).verify(issuing.certificate, NOW) == delegate.certificate

    def refused(by: Identity, field: str, **options: bool) -> None:
        with pytest.raises(DecodeError) as error:
            answer(single, by=by, **options).verify(issuing.certificate, NOW)
        assert error.value.field == field

    refused(responder(), "responderID", carry=False)
    refused(pki().leaf, "extKeyUsage")
    refused(make("Responder", *RESPONDER, issuer=pki().root, key=key(number=8)), "issuer")
    refused(responder(not_after=NOW - timedelta(seconds=1)), "validity")
    forged = responder(sign=key(number=9).sign)
    refused(forged, "signature")
    right = answer(single, by=issuing)
    tampered = right.data_der[:-1] + bytes((right.data_der[-1] ^ 1,))
    with pytest.raises(InvalidSignature):
        replace(right, data_der=tampered).verify(issuing.certificate, NOW)


def test_an_answer_counts_for_its_certificate_while_it_is_fresh() -> None:
    issuing = pki().issuing.certificate
    found = answer(ocsp.SingleResponse(question(), NOW, LATER), by=pki().issuing)
    assert found.status_of(issuing, 3, LATER).good
    for serial, at, field in (
        (4, NOW, "responses"),
        (3, NOW - timedelta(seconds=1), "thisUpdate"),
        (3, LATER + timedelta(seconds=1), "nextUpdate"),
    ):
        with pytest.raises(DecodeError) as error:
            found.status_of(issuing, serial, at)
        assert error.value.field == field
    with pytest.raises(DecodeError):
        found.status_of(pki().root.certificate, 3, NOW)


def test_what_is_too_much_or_not_understood_is_refused() -> None:
    many = ocsp.OcspRequest(tuple(question(serial=n) for n in range(1, ocsp.MAX_QUESTIONS + 2))).encode()
    critical = x509.Extension("1.2.3.4", True, der.NULL).encode()
    unknown = der.sequence(
        der.sequence(der.sequence(der.sequence(question().der)), der.explicit(2, der.sequence(critical)))
    )
    for encoded, field in (
        (many, "requestList"),
        (unknown, "extensions"),
        (ocsp.OcspRequest(()).encode(), "requestList"),
        (ocsp.OcspRequest((question(),), b"n" * 129).encode(), "nonce"),
    ):
        with pytest.raises(DecodeError) as error:
            ocsp.parse_request(encoded)
        assert error.value.field == field
