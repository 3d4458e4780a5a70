"""Digest and signature algorithms with their AlgorithmIdentifiers (GM/T 0006, RFC 5754, RFC 5758, RFC 4055)."""

from __future__ import annotations

import hashlib
from enum import Enum
from typing import Final

from miyun.gm import sm3
from miyun.wire import der, oid
from miyun.wire.errors import DecodeError


class DigestAlgorithm(Enum):
    """A hash function: identifier, size in octets, and how to compute it."""

    SM3 = (oid.SM3, 32)
    SHA256 = (oid.SHA256, 32)
    SHA384 = (oid.SHA384, 48)
    SHA512 = (oid.SHA512, 64)

    def __init__(self, dotted: str, size: int) -> None:
        self.oid = dotted
        self.size = size
        # Parameters are left out, as RFC 5754 section 2 and GM/T 0006 want it.
        self.identifier = der.sequence(der.oid(dotted))

    def digest(self, data: bytes) -> bytes:
        if self is DigestAlgorithm.SM3:
            return sm3.digest(data)
        return hashlib.new(self.name.lower(), data).digest()


_DIGEST_BY_OID: Final = {item.oid: item for item in DigestAlgorithm}


def digest_by_oid(dotted: str, field: str = "digestAlgorithm") -> DigestAlgorithm:
    """Raises DecodeError for a hash function that is not accepted (SHA-1, MD5 and unknown ones)."""
    try:
        return _DIGEST_BY_OID[dotted]
    except KeyError:
        raise DecodeError(f"hash function {dotted} is not accepted", field=field) from None


def _pss(digest: DigestAlgorithm) -> bytes:
    """RSASSA-PSS-params (RFC 4055 3.1): the same hash in MGF1, salt as long as the hash."""
    return der.sequence(
        der.explicit(0, digest.identifier),
        der.explicit(1, der.sequence(der.oid(oid.MGF1), digest.identifier)),
        der.explicit(2, der.integer(digest.size)),
    )


class SignatureAlgorithm(Enum):
    """How a signature is made. `identifier` is the AlgorithmIdentifier of certificates, CRLs and requests."""

    SM2_SM3 = ("sm2", DigestAlgorithm.SM3, oid.SM2_WITH_SM3, b"")
    ECDSA_SHA256 = ("ecdsa", DigestAlgorithm.SHA256, oid.ECDSA_SHA256, b"")
    ECDSA_SHA384 = ("ecdsa", DigestAlgorithm.SHA384, oid.ECDSA_SHA384, b"")
    ECDSA_SHA512 = ("ecdsa", DigestAlgorithm.SHA512, oid.ECDSA_SHA512, b"")
    RSA_SHA256 = ("rsa", DigestAlgorithm.SHA256, oid.RSA_SHA256, der.NULL)
    RSA_SHA384 = ("rsa", DigestAlgorithm.SHA384, oid.RSA_SHA384, der.NULL)
    RSA_SHA512 = ("rsa", DigestAlgorithm.SHA512, oid.RSA_SHA512, der.NULL)
    RSA_PSS_SHA256 = ("rsa-pss", DigestAlgorithm.SHA256, oid.RSA_PSS, _pss(DigestAlgorithm.SHA256))
    RSA_PSS_SHA384 = ("rsa-pss", DigestAlgorithm.SHA384, oid.RSA_PSS, _pss(DigestAlgorithm.SHA384))
    RSA_PSS_SHA512 = ("rsa-pss", DigestAlgorithm.SHA512, oid.RSA_PSS, _pss(DigestAlgorithm.SHA512))

    def __init__(self, scheme: str, digest: DigestAlgorithm, dotted: str, parameters: bytes) -> None:
        self.scheme = scheme
        """"sm2", "ecdsa", "rsa" (PKCS#1 v1.5) or "rsa-pss"."""
        self.digest_algorithm = digest
        self.oid = dotted
        self.parameters = parameters
        self.identifier = der.sequence(der.oid(dotted), parameters)


_PLAIN: Final = {item.oid: item for item in SignatureAlgorithm if item.scheme != "rsa-pss"}
_PSS_BY_DIGEST: Final = {item.digest_algorithm: item for item in SignatureAlgorithm if item.scheme == "rsa-pss"}
_RSA_BY_DIGEST: Final = {item.digest_algorithm: item for item in SignatureAlgorithm if item.scheme == "rsa"}
_ECDSA_BY_DIGEST: Final = {item.digest_algorithm: item for item in SignatureAlgorithm if item.scheme == "ecdsa"}


def read_identifier(reader: der.Reader, field: str = "AlgorithmIdentifier") -> tuple[str, bytes]:
    """(identifier, parameters as a whole element or empty) of the next AlgorithmIdentifier."""
    inner = reader.enter(der.SEQUENCE, field)
    dotted = inner.oid(field)
    parameters = inner.raw(field) if inner.more else b""
    inner.end()
    return dotted, parameters


def read_digest(reader: der.Reader, field: str = "digestAlgorithm") -> DigestAlgorithm:
    """A hash function's AlgorithmIdentifier; parameters absent or NULL."""
    dotted, parameters = read_identifier(reader, field)
    if parameters not in (b"", der.NULL):
        raise reader.fail("unexpected parameters", field)
    return digest_by_oid(dotted, field)


def read_signature_algorithm(reader: der.Reader, field: str = "signatureAlgorithm") -> SignatureAlgorithm:
    """The signature algorithm of a certificate, CRL or request. Raises DecodeError for one not accepted."""
    dotted, parameters = read_identifier(reader, field)
    return _resolve(dotted, parameters, reader, field)


def read_cms_signature_algorithm(
    reader: der.Reader, digest: DigestAlgorithm, field: str = "signatureAlgorithm"
) -> SignatureAlgorithm:
    """SignerInfo names the scheme alone or scheme and hash, as its author liked; both are read (T6, RFC 5754 3)."""
    dotted, parameters = read_identifier(reader, field)
    empty = parameters in (b"", der.NULL)
    if dotted in (oid.SM2_SIGN, oid.SM2_CURVE) and empty and digest is DigestAlgorithm.SM3:
        return SignatureAlgorithm.SM2_SM3
    if dotted == oid.EC_PUBLIC_KEY and digest is DigestAlgorithm.SM3:
        return SignatureAlgorithm.SM2_SM3
    if dotted == oid.EC_PUBLIC_KEY and digest in _ECDSA_BY_DIGEST:
        return _ECDSA_BY_DIGEST[digest]
    if dotted == oid.RSA_ENCRYPTION and empty and digest in _RSA_BY_DIGEST:
        return _RSA_BY_DIGEST[digest]
    return _resolve(dotted, parameters, reader, field)


def _resolve(dotted: str, parameters: bytes, reader: der.Reader, field: str) -> SignatureAlgorithm:
    if dotted == oid.RSA_PSS:
        return _read_pss(parameters, reader, field)
    algorithm = _PLAIN.get(dotted)
    if algorithm is None:
        raise reader.fail(f"signature algorithm {dotted} is not accepted", field)
    if parameters not in (b"", der.NULL):
        raise reader.fail("unexpected parameters", field)
    return algorithm


def _read_pss(parameters: bytes, reader: der.Reader, field: str) -> SignatureAlgorithm:
    if not parameters:
        raise reader.fail("RSASSA-PSS without parameters means SHA-1, which is not accepted", field)
    outer = der.Reader(parameters, field=field)
    inner = outer.enter()
    hashed = inner.enter_if(0xA0)
    masked = inner.enter_if(0xA1)
    salt = inner.enter_if(0xA2)
    if hashed is None or masked is None or salt is None:
        raise reader.fail("RSASSA-PSS with SHA-1 or its salt length is not accepted", field)
    digest = read_digest(hashed, field)
    mgf = masked.enter()
    if mgf.oid() != oid.MGF1 or read_digest(mgf, field) is not digest:
        raise reader.fail("RSASSA-PSS mask generation must be MGF1 with the same hash", field)
    if salt.integer() != digest.size:
        raise reader.fail("RSASSA-PSS salt must be as long as the hash", field)
    algorithm = _PSS_BY_DIGEST.get(digest)
    if algorithm is None:
        raise reader.fail("RSASSA-PSS with this hash is not accepted", field)
    return algorithm
