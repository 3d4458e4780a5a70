"""Requests that are refused, each with its own error, and nothing left behind."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509 import CertificateSigningRequestBuilder
from cryptography.x509 import Name as XName
from tests.applicants import Holder, Office, der_text
from tests.rooms import Rooms

from miyun.core.errors import InvalidArgument
from miyun.offerings.certificate.applications.errors import RequestNotSelfSigned
from miyun.offerings.certificate.applications.requests import read_request
from miyun.offerings.certificate.errors import WeakKey
from miyun.offerings.certificate.store import CertificateStore
from miyun.wire import pem
from miyun.wire.pkcs10 import parse_csr

VECTORS = Path(__file__).parents[6] / "shared" / "vectors" / "sm2_csr.json"


def rsa_request(bits: int, exponent: int = 65537) -> str:
    key = rsa.generate_private_key(exponent, bits)
    made = CertificateSigningRequestBuilder().subject_name(XName([])).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


def one_off_the_curve() -> str:
    holder = Holder()
    encoded = bytearray(parse_csr(holder.csr()).der)
    at = encoded.index(holder.spki) + len(holder.spki) - 1
    encoded[at] ^= 1
    return der_text(bytes(encoded))


def one_with_a_guessable_key() -> str:
    return Holder(secret=(7).to_bytes(32, "big")).csr()


def one_signed_by_another() -> str:
    encoded = bytearray(parse_csr(Holder().csr()).der)
    encoded[-1] ^= 1
    return der_text(bytes(encoded))


@pytest.mark.parametrize(
    ("csr", "error"),
    [
        ("not base64 !", InvalidArgument),
        ("MAA=", InvalidArgument),
        ("-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n", InvalidArgument),
        (rsa_request(1024), WeakKey),
        (rsa_request(2048, 3), WeakKey),
        (one_off_the_curve(), WeakKey),
        (one_with_a_guessable_key(), WeakKey),
        (one_signed_by_another(), RequestNotSelfSigned),
    ],
    ids=["no text", "empty", "empty PEM", "1024 bits", "exponent 3", "off the curve", "guessable", "wrong signature"],
)
def test_a_bad_request_is_told_apart_and_leaves_nothing(
    rooms: Rooms, store: CertificateStore, csr: str, error: type[InvalidArgument]
) -> None:
    office = Office(rooms)
    with pytest.raises(error) as refused:
        asyncio.run(office.apply(csr, template="device", pair="escrow"))
    assert type(refused.value) is error and refused.value.field == "csr"
    assert asyncio.run(office.ask("list", office.call("sec"))).items == []


@pytest.mark.parametrize(
    ("request_of", "field"),
    [
        ({"template": "tsa"}, "template"),
        ({"template": "nothing"}, "template"),
        ({"days": 4000}, "days"),
        ({"names": ["app.example.cn"]}, "names"),
        ({"subject": {"O": "某局"}}, "subject"),
        ({"pair": "own"}, "encryption_public_key"),
        ({"encryption_public_key": b"\x30\x00"}, "encryption_public_key"),
        ({"pair": "escrow", "encryption_public_key": Holder().spki}, "encryption_public_key"),
    ],
)
def test_what_could_not_be_issued_is_refused_when_applied_for(
    rooms: Rooms, request_of: dict[str, object], field: str
) -> None:
    office = Office(rooms)
    with pytest.raises(InvalidArgument) as refused:
        asyncio.run(office.apply(Holder().csr(), **request_of))  # type: ignore[arg-type]
    assert refused.value.field == field
    assert asyncio.run(office.ask("list", office.call("sec"))).items == []


@pytest.mark.skipif(not VECTORS.exists(), reason="the larger vectors are not beside this checkout")
def test_tongsuos_requests_get_the_stated_verdicts() -> None:
    for vector in json.loads(VECTORS.read_text("utf-8"))["vectors"]:
        text = pem.encode(pem.CERTIFICATE_REQUEST, bytes.fromhex(vector["csr_der"]))
        if vector["signature_valid"]:
            assert read_request(text).subject.get("O")
        else:
            with pytest.raises(RequestNotSelfSigned):
                read_request(text)
