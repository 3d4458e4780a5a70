"""Published certificates, requests and messages as conformance checks: what `gm` alone cannot read.

A vector that is not to be accepted holds when it is refused, by whatever step.
"""

from __future__ import annotations

from typing import Any

from miyun.gm import sm3
from miyun.gm.curve import decode_signature
from miyun.gm.errors import GmError, InvalidSignature
from miyun.gm.vectors import Checks
from miyun.wire.cms import verify_signed_data
from miyun.wire.errors import DecodeError
from miyun.wire.pkcs10 import parse_csr
from miyun.wire.x509 import parse_certificate


class Differs(GmError):
    """A value read from the structure is not the listed one."""


def certificate(vector: dict[str, Any]) -> None:
    """GB/T 20518: serial number, digest of what is signed, signature values, signature under the issuer's key."""

    def accepted() -> None:
        found = parse_certificate(bytes.fromhex(vector["cert_der"]))
        issuer = parse_certificate(bytes.fromhex(vector["issuer_cert_der"]))
        if "serial" in vector:
            _same(found.serial, int(vector["serial"], 16))
        if "tbs_sm3" in vector:
            _same(sm3.digest(found.tbs_der).hex(), vector["tbs_sm3"])
        _same_signature(vector, found.signature)
        found.verify_signed_by(issuer)

    _verdict(vector, accepted)


def request(vector: dict[str, Any]) -> None:
    """PKCS#10: the public key, and that its holder signed."""

    def accepted() -> None:
        found = parse_csr(bytes.fromhex(vector["csr_der"]))
        point = b"\x04" + b"".join(int(vector[part], 16).to_bytes(32, "big") for part in ("px", "py"))
        _same(found.public_key.point, point)
        found.verify()

    _verdict(vector, accepted)


def message(vector: dict[str, Any]) -> None:
    """GB/T 35275 SignedData: content, signer and signature."""
    try:
        found = verify_signed_data(bytes.fromhex(vector["der"]))
    except DecodeError as error:
        raise InvalidSignature from error
    _same(found.content, bytes.fromhex(vector["content"]))
    signer = found.signers[0]
    _same(signer.certificate.der if signer.certificate else b"", bytes.fromhex(vector["signer_cert"]))
    _same_signature(vector, signer.signature)


CHECKS: Checks = (
    (frozenset({"cert_der", "issuer_cert_der"}), certificate),
    (frozenset({"csr_der"}), request),
    (frozenset({"signer_cert", "der"}), message),
)


def _verdict(vector: dict[str, Any], accepted: Any) -> None:
    try:
        accepted()
    except (GmError, DecodeError):
        if vector["signature_valid"]:
            raise InvalidSignature from None
        return
    if not vector["signature_valid"]:
        raise Differs("accepted, although it is to be refused")


def _same(got: object, expected: object) -> None:
    if got != expected:
        raise Differs("a value differs from the listed one")


def _same_signature(vector: dict[str, Any], signature: bytes) -> None:
    if "r" in vector and "s" in vector:
        _same(decode_signature(signature), (int(vector["r"], 16), int(vector["s"], 16)))
