"""Certificate revocation lists (RFC 5280 section 5)."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from miyun.wire import der, oid, pem, signed, spki
from miyun.wire.algorithm import SignatureAlgorithm
from miyun.wire.errors import DecodeError, EncodeError
from miyun.wire.name import Name
from miyun.wire.revoked import PackedEntries, Reason, RevokedEntry, read_entries
from miyun.wire.signed import Signer, assemble
from miyun.wire.x509 import extension
from miyun.wire.x509.certificate import Certificate
from miyun.wire.x509.distribution import IssuingDistributionPoint, read_issuing_distribution_point
from miyun.wire.x509.extension import Extension

__all__ = [
    "CertificateList",
    "PackedEntries",
    "Reason",
    "RevokedEntry",
    "TbsCertificateList",
    "assemble",
    "parse_crl",
]

MAX_SIZE: Final = 64 * 1024 * 1024
_V2: Final = der.integer(1)
_ALL: Final = IssuingDistributionPoint()


@dataclass(frozen=True, slots=True)
class TbsCertificateList:
    """What a CA signs. `crl_number` grows by one with every list; times are aware."""

    issuer: Name
    this_update: datetime
    next_update: datetime
    entries: tuple[RevokedEntry, ...]
    crl_number: int
    authority_key_identifier: bytes
    signature_algorithm: SignatureAlgorithm
    base_number: int | None = None
    """Of a delta list: the complete list that it tells changes against (RFC 5280 5.2.4)."""
    scope: IssuingDistributionPoint = _ALL
    """Which certificates the list is about; all of the issuer's when nothing is said."""
    freshest: tuple[str, ...] = ()
    """Of a complete list: where its delta lists are (RFC 5280 5.2.6)."""

    def encode(self) -> bytes:
        """TBSCertList DER: the message to be signed. Raises EncodeError."""
        return encode_tbs(self, (item.encode() for item in self.entries))

    def sign(self, signer: Signer) -> bytes:
        """The list, where a synchronous signer is at hand; otherwise `encode`, sign, `assemble`."""
        tbs = self.encode()
        return assemble(tbs, self.signature_algorithm, signer(tbs))


def encode_tbs(head: TbsCertificateList, encoded_entries: Iterable[bytes]) -> bytes:
    """As `TbsCertificateList.encode`, with the entries already encoded: a CA keeps them from list to list."""
    if head.next_update <= head.this_update:
        raise EncodeError("not after thisUpdate", field="nextUpdate")
    if not 0 <= head.crl_number < 1 << 159:
        raise EncodeError("non-negative and at most 20 octets", field="cRLNumber")
    if head.base_number is not None and not 0 <= head.base_number < head.crl_number:
        raise EncodeError("not an earlier list", field="deltaCRLIndicator")
    if head.base_number is not None and head.freshest:
        raise EncodeError("not in a delta list", field="freshestCRL")
    entries = b"".join(encoded_entries)
    extensions = der.sequence(*(item.encode() for item in _extensions(head)))
    return der.sequence(
        _V2,
        head.signature_algorithm.identifier,
        head.issuer.encode(),
        der.time(head.this_update),
        der.time(head.next_update),
        der.sequence(entries) if entries else b"",
        der.explicit(0, extensions),
    )


def _extensions(head: TbsCertificateList) -> list[Extension]:
    found = [
        extension.authority_key_identifier(head.authority_key_identifier),
        extension.crl_number(head.crl_number),
    ]
    if head.base_number is not None:
        found.append(extension.delta_crl_indicator(head.base_number))
    if head.scope != _ALL:
        found.append(head.scope.encode())
    if head.freshest:
        found.append(extension.freshest_crl(head.freshest))
    return found


@dataclass(frozen=True, slots=True)
class CertificateList:
    """A list as read, nothing verified yet."""

    der: bytes = field(repr=False)
    tbs_der: bytes = field(repr=False)
    issuer: Name
    this_update: datetime
    next_update: datetime | None
    entries: PackedEntries = field(repr=False)
    """By serial number."""
    crl_number: int | None
    base_number: int | None
    """Of the complete list that a delta list goes with; None for a complete list."""
    scope: IssuingDistributionPoint
    authority_key_identifier: bytes | None
    extensions: tuple[Extension, ...] = field(repr=False)
    algorithm: SignatureAlgorithm
    signature: bytes = field(repr=False)

    def is_revoked(self, serial: int) -> RevokedEntry | None:
        """The entry of a revoked serial number, None when the list does not name it."""
        return self.entries.get(serial)

    def verify(
        self, issuer: Certificate, at: datetime | None = None, *, understood: Container[str] = frozenset()
    ) -> None:
        """Checks name, signature and key usage of `issuer`, unknown critical extensions and, with `at`, freshness.
        `understood`: further critical extensions that the caller heeds (`base_number`, `scope`).

        Raises InvalidSignature, or DecodeError naming what does not fit.
        """
        if not self.issuer.matches(issuer.subject):
            raise DecodeError("issued under another name", field="issuer")
        if issuer.key_usage is not None and "cRLSign" not in issuer.key_usage:
            raise DecodeError("the issuer's key may not sign lists", field="keyUsage")
        for item in self.extensions:
            known = item.oid in (oid.CRL_NUMBER, oid.AUTHORITY_KEY_IDENTIFIER) or item.oid in understood
            if item.critical and not known:
                raise DecodeError(f"unknown critical extension {item.oid}", field="crlExtensions")
        spki.verify(issuer.spki_der, self.algorithm, self.tbs_der, self.signature)
        if at is not None and at < self.this_update:
            raise DecodeError("not yet valid", field="thisUpdate")
        if at is not None and self.next_update is not None and at > self.next_update:
            raise DecodeError("out of date", field="nextUpdate")

    def to_pem(self) -> str:
        return pem.encode(pem.CRL, self.der)


def parse_crl(encoded: bytes) -> CertificateList:
    """Reads one DER list of at most 64 MiB. Raises DecodeError."""
    tbs, outer_identifier, algorithm, signature = signed.read(encoded, "CertificateList", MAX_SIZE)
    reader = der.Reader(tbs, field="TBSCertList").enter()
    version = reader.integer("version") + 1 if reader.peek() == der.INTEGER else 1
    if version not in (1, 2):
        raise reader.fail("1 or 2", "version")
    if reader.raw_of(der.SEQUENCE, "signature") != outer_identifier:
        raise reader.fail("differs from signatureAlgorithm", "signature")
    issuer = Name.read(reader, "issuer")
    this_update = reader.time("thisUpdate")
    next_update = reader.time("nextUpdate") if reader.peek() in (der.UTC_TIME, der.GENERALIZED_TIME) else None
    revoked = reader.enter_if(der.SEQUENCE, "revokedCertificates")
    entries = read_entries(revoked) if revoked is not None else PackedEntries(b"")
    extensions: tuple[Extension, ...] = ()
    if (holder := reader.enter_if(0xA0, "crlExtensions")) is not None:
        extensions = extension.read_extensions(holder)
        holder.end()
    reader.end()
    number = base_number = key_identifier = None
    scope = IssuingDistributionPoint()
    if len({item.oid for item in extensions}) != len(extensions):
        raise reader.fail("the same extension twice", "crlExtensions")
    for item in extensions:
        if item.oid == oid.CRL_NUMBER:
            number = _number(item, "cRLNumber")
        elif item.oid == oid.DELTA_CRL_INDICATOR:
            base_number = _number(item, "deltaCRLIndicator")
        elif item.oid == oid.ISSUING_DISTRIBUTION_POINT:
            scope = read_issuing_distribution_point(item.value)
        elif item.oid == oid.AUTHORITY_KEY_IDENTIFIER:
            key_identifier = extension.read_authority_key_identifier(item.value)
    return CertificateList(
        der=encoded,
        tbs_der=tbs,
        issuer=issuer,
        this_update=this_update,
        next_update=next_update,
        entries=entries,
        crl_number=number,
        base_number=base_number,
        scope=scope,
        authority_key_identifier=key_identifier,
        extensions=extensions,
        algorithm=algorithm,
        signature=signature,
    )


def _number(item: Extension, field: str) -> int:
    inner = der.Reader(item.value, field=field)
    number = inner.integer()
    inner.end()
    return number
