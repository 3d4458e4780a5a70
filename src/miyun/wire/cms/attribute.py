"""Signed attributes (RFC 5652 11, RFC 5035)."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Final

from miyun.wire import der, oid
from miyun.wire.algorithm import DigestAlgorithm, read_digest
from miyun.wire.cms.dialect import Dialect
from miyun.wire.x509.certificate import Certificate

MAX_ATTRIBUTES: Final = 64


def attribute(kind: str, value: bytes) -> bytes:
    """One attribute with one value."""
    return der.sequence(der.oid(kind), der.set_of(value))


def signing_certificate_v2(certificate: Certificate, digest: DigestAlgorithm) -> bytes:
    """SigningCertificateV2 with one ESSCertIDv2, issuer and serial included (RFC 5035 3).

    SHA-256 is the hash's default and therefore left out.
    """
    issuer = der.sequence(der.explicit(4, certificate.issuer.encode()))
    identifier = der.sequence(
        b"" if digest is DigestAlgorithm.SHA256 else digest.identifier,
        der.octet_string(digest.digest(certificate.der)),
        der.sequence(issuer, der.integer(certificate.serial)),
    )
    return der.sequence(der.sequence(identifier))


def signed_attributes_to_sign(
    content_digest: bytes,
    *,
    dialect: Dialect = Dialect.RFC5652,
    content_type: str | None = None,
    signing_time: datetime | None = None,
    signing_certificate: Certificate | None = None,
    certificate_digest: DigestAlgorithm = DigestAlgorithm.SHA256,
) -> bytes:
    """The DER SET that the signer signs (for SM2 through Z_A, as any message), and that `assemble` takes back.

    `content_digest` is the plain hash of the content; `content_type` defaults to the dialect's data.
    """
    attributes = [
        attribute(oid.CONTENT_TYPE, der.oid(content_type or dialect.data)),
        attribute(oid.MESSAGE_DIGEST, der.octet_string(content_digest)),
    ]
    if signing_time is not None:
        attributes.append(attribute(oid.SIGNING_TIME, der.time(signing_time)))
    if signing_certificate is not None:
        value = signing_certificate_v2(signing_certificate, certificate_digest)
        attributes.append(attribute(oid.SIGNING_CERTIFICATE_V2, value))
    return der.set_of(*attributes)


def timestamp_attribute(token: bytes) -> bytes:
    """The unsigned attribute that proves when a signature was there: a token over its value (RFC 3161 appendix A)."""
    return attribute(oid.TIME_STAMP_TOKEN, token)


def read_attributes(content: bytes, field: str) -> tuple[bytes, dict[str, tuple[bytes, ...]]]:
    """From the content of an attribute SET: (the SET as DER sorts it, values by type). Raises DecodeError."""
    reader = der.Reader(content, field=field)
    encoded: list[bytes] = []
    values: dict[str, tuple[bytes, ...]] = {}
    while reader.more:
        whole = reader.raw_of(der.SEQUENCE)
        encoded.append(whole)
        inner = der.Reader(whole, field=field).enter()
        kind = inner.oid()
        if kind in values or len(values) >= MAX_ATTRIBUTES:
            raise reader.fail(f"attribute {kind} twice, or too many")
        members = inner.enter(der.SET)
        inner.end()
        found: list[bytes] = []
        while members.more:
            found.append(members.raw())
        values[kind] = tuple(found)
    return der.set_of(*encoded), values


def single(values: dict[str, tuple[bytes, ...]], kind: str, field: str) -> der.Reader | None:
    """A reader over an attribute's only value; None when the attribute is missing."""
    if kind not in values:
        return None
    if len(values[kind]) != 1:
        raise der.Reader(b"", field=field).fail("must have exactly one value")
    return der.Reader(values[kind][0], field=field)


def names_certificate(values: dict[str, tuple[bytes, ...]], certificate: Certificate) -> bool | None:
    """Whether a signing-certificate attribute (v2, or v1 with its SHA-1) names this certificate; None without one."""
    reader = single(values, oid.SIGNING_CERTIFICATE_V2, "signingCertificateV2")
    if reader is not None:
        first = reader.enter().enter().enter()
        digest = DigestAlgorithm.SHA256
        if first.peek() == der.SEQUENCE:
            digest = read_digest(first, "hashAlgorithm")
        expected = digest.digest(certificate.der)
    else:
        reader = single(values, oid.SIGNING_CERTIFICATE, "signingCertificate")
        if reader is None:
            return None
        first = reader.enter().enter().enter()
        expected = hashlib.sha1(certificate.der, usedforsecurity=False).digest()
    if first.octet_string("certHash") != expected:
        return False
    return not first.more or _same_issuer_serial(first, certificate)


def _same_issuer_serial(reader: der.Reader, certificate: Certificate) -> bool:
    holder = reader.enter(der.SEQUENCE, "issuerSerial")
    names = holder.raw("issuer")
    return names == der.sequence(der.explicit(4, certificate.issuer.encode())) and (
        holder.integer("serialNumber") == certificate.serial
    )
