"""SEQUENCE {tbs, AlgorithmIdentifier, BIT STRING}: the shell that certificates, CRLs and requests share."""

from __future__ import annotations

from collections.abc import Callable

from miyun.wire import der
from miyun.wire.algorithm import SignatureAlgorithm, read_signature_algorithm

Signer = Callable[[bytes], bytes]
"""Message in, signature value out: DER for SM2 and ECDSA, raw octets for RSA."""


def assemble(tbs: bytes, algorithm: SignatureAlgorithm, signature: bytes) -> bytes:
    """The signed structure from its to-be-signed part and the signature over that part."""
    return der.sequence(tbs, algorithm.identifier, der.bit_string(signature))


def read(encoded: bytes, field: str, max_size: int) -> tuple[bytes, bytes, SignatureAlgorithm, bytes]:
    """(tbs, outer AlgorithmIdentifier's octets, algorithm, signature). Raises DecodeError."""
    outer = der.Reader(encoded, field=field, max_size=max_size)
    reader = outer.enter()
    outer.end()
    tbs = reader.raw_of(der.SEQUENCE, f"tbs of {field}")
    identifier = reader.raw_of(der.SEQUENCE, "signatureAlgorithm")
    algorithm = read_signature_algorithm(der.Reader(identifier))
    signature = reader.bit_string("signatureValue")
    reader.end()
    return tbs, identifier, algorithm, signature
