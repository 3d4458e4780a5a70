"""Certificates (RFC 5280 4.1, GB/T 20518): to build in two steps, to read, and as PEM."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Final, TypeVar

from miyun.gm import sm3
from miyun.wire import der, oid, pem, signed, spki
from miyun.wire.algorithm import SignatureAlgorithm
from miyun.wire.errors import EncodeError
from miyun.wire.name import Name
from miyun.wire.signed import Signer, assemble
from miyun.wire.spki import PublicKey
from miyun.wire.x509 import extension
from miyun.wire.x509.extension import BasicConstraints, Extension, NameConstraints
from miyun.wire.x509.general_name import GeneralName

MAX_SIZE: Final = 64 * 1024
T = TypeVar("T")
_KEPT_SIZE: Final = 512
_V3: Final = der.explicit(0, der.integer(2))


@dataclass(frozen=True, slots=True)
class TbsCertificate:
    """What a CA signs. Times are aware; `spki` is a whole SubjectPublicKeyInfo; serial has at most 20 octets."""

    serial: int
    issuer: Name
    subject: Name
    not_before: datetime
    not_after: datetime
    spki: bytes
    signature_algorithm: SignatureAlgorithm
    extensions: tuple[Extension, ...] = ()

    def encode(self, *, encoded: bytes = b"") -> bytes:
        """TBSCertificate DER: the message to be signed. `encoded`: further extensions, as a CA keeps them that are in
        all its certificates of a kind. Raises EncodeError."""
        if not 0 < self.serial < 1 << 159:
            raise EncodeError("positive and at most 20 octets", field="serialNumber")
        if self.not_before > self.not_after:
            raise EncodeError("ends before it begins", field="validity")
        if len({item.oid for item in self.extensions}) != len(self.extensions):
            raise EncodeError("the same extension twice", field="extensions")
        extensions = der.explicit(3, der.sequence(encoded, *(item.encode() for item in self.extensions)))
        return der.sequence(
            _V3,
            der.integer(self.serial),
            self.signature_algorithm.identifier,
            self.issuer.encode(),
            der.sequence(der.time(self.not_before), der.time(self.not_after)),
            self.subject.encode(),
            self.spki,
            extensions if self.extensions or encoded else b"",
        )

    def sign(self, signer: Signer) -> bytes:
        """The certificate, where a synchronous signer is at hand; otherwise `encode`, sign, `assemble`."""
        tbs = self.encode()
        return assemble(tbs, self.signature_algorithm, signer(tbs))


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate as read. Equality is equality of `der`. Nothing in it is verified yet."""

    der: bytes = field(repr=False)
    tbs_der: bytes = field(repr=False, compare=False)
    version: int = field(compare=False)
    serial: int = field(compare=False)
    issuer: Name = field(compare=False)
    subject: Name = field(compare=False)
    not_before: datetime = field(compare=False)
    not_after: datetime = field(compare=False)
    spki_der: bytes = field(repr=False, compare=False)
    extensions: tuple[Extension, ...] = field(repr=False, compare=False)
    algorithm: SignatureAlgorithm = field(compare=False)
    signature: bytes = field(repr=False, compare=False)
    basic_constraints: BasicConstraints | None = field(repr=False, compare=False)
    key_usage: frozenset[str] | None = field(repr=False, compare=False)
    ext_key_usage: tuple[str, ...] | None = field(repr=False, compare=False)
    subject_alt_names: tuple[GeneralName, ...] = field(repr=False, compare=False)
    subject_key_identifier: bytes | None = field(repr=False, compare=False)
    authority_key_identifier: bytes | None = field(repr=False, compare=False)
    name_constraints: NameConstraints | None = field(repr=False, compare=False)

    @property
    def public_key(self) -> PublicKey:
        """Raises DecodeError when the key's kind is not accepted."""
        return spki.parse_spki(self.spki_der)

    @property
    def fingerprint(self) -> bytes:
        """SM3 over the whole certificate, 32 octets."""
        return sm3.digest(self.der)

    @property
    def is_ca(self) -> bool:
        return self.basic_constraints is not None and self.basic_constraints.ca

    @property
    def self_issued(self) -> bool:
        return self.subject.matches(self.issuer)

    def extension(self, dotted: str) -> Extension | None:
        return next((item for item in self.extensions if item.oid == dotted), None)

    @property
    def crl_urls(self) -> tuple[str, ...]:
        found = self.extension(oid.CRL_DISTRIBUTION_POINTS)
        return _kept(extension.read_crl_distribution_points, found.value) if found else ()

    @property
    def authority_info_access(self) -> tuple[tuple[str, str], ...]:
        """(access method OID, URI) pairs."""
        found = self.extension(oid.AUTHORITY_INFO_ACCESS)
        return _kept(extension.read_authority_info_access, found.value) if found else ()

    @property
    def policies(self) -> tuple[str, ...]:
        found = self.extension(oid.CERTIFICATE_POLICIES)
        return extension.read_certificate_policies(found.value) if found else ()

    def verify_signed_by(self, issuer: Certificate) -> None:
        """Raises InvalidSignature unless the issuer's key made this signature. Names and dates are not looked at."""
        spki.verify(issuer.spki_der, self.algorithm, self.tbs_der, self.signature)

    def issuer_and_serial(self) -> bytes:
        """IssuerAndSerialNumber (RFC 5652 10.2.4)."""
        return der.sequence(self.issuer.encode(), der.integer(self.serial))

    def to_pem(self) -> str:
        return pem.encode(pem.CERTIFICATE, self.der)


@lru_cache(maxsize=512)
def parse_certificate(encoded: bytes) -> Certificate:
    """Reads one DER certificate of at most 64 KiB. Raises DecodeError. What is read again comes from memory."""
    return read_certificate(encoded)


def read_certificate(encoded: bytes) -> Certificate:
    """As `parse_certificate`, for what is read once."""
    tbs, outer_identifier, algorithm, signature = signed.read(encoded, "Certificate", MAX_SIZE)
    reader = der.Reader(tbs, field="TBSCertificate").enter()
    version = _read_version(reader)
    serial = reader.integer("serialNumber")
    if serial < 0 or serial.bit_length() > 168:
        raise reader.fail("negative or too long", "serialNumber")
    if reader.raw_of(der.SEQUENCE, "signature") != outer_identifier:
        raise reader.fail("differs from signatureAlgorithm", "signature")
    issuer = Name.read(reader, "issuer")
    validity = reader.enter(der.SEQUENCE, "validity")
    not_before, not_after = validity.time("notBefore"), validity.time("notAfter")
    validity.end()
    subject = Name.read(reader, "subject")
    key = reader.raw_of(der.SEQUENCE, "subjectPublicKeyInfo")
    for unique_identifier in (0x81, 0x82):
        reader.read_if(unique_identifier)
    extensions: tuple[Extension, ...] = ()
    if (holder := reader.enter_if(0xA3, "extensions")) is not None:
        if version != 3:
            raise reader.fail("only in version 3", "extensions")
        extensions = extension.read_extensions(holder)
        holder.end()
    reader.end()
    values: dict[str, bytes] = {}
    for item in extensions:
        values.setdefault(item.oid, item.value)

    def read(dotted: str, function: Callable[..., T], *arguments: str) -> T | None:
        if dotted not in values:
            return None
        value = values[dotted]
        # What certificates of a kind have in common is short and comes again and again.
        return _kept(function, value, *arguments) if len(value) <= _KEPT_SIZE else function(value, *arguments)

    return Certificate(
        der=encoded,
        tbs_der=tbs,
        version=version,
        serial=serial,
        issuer=issuer,
        subject=subject,
        not_before=not_before,
        not_after=not_after,
        spki_der=key,
        extensions=extensions,
        algorithm=algorithm,
        signature=signature,
        basic_constraints=read(oid.BASIC_CONSTRAINTS, extension.read_basic_constraints),
        key_usage=read(oid.KEY_USAGE, extension.read_key_usage),
        ext_key_usage=read(oid.EXT_KEY_USAGE, extension.read_oids, "extKeyUsage"),
        subject_alt_names=read(oid.SUBJECT_ALT_NAME, extension.read_general_names, "subjectAltName") or (),
        subject_key_identifier=read(oid.SUBJECT_KEY_IDENTIFIER, extension.read_subject_key_identifier),
        authority_key_identifier=read(oid.AUTHORITY_KEY_IDENTIFIER, extension.read_authority_key_identifier),
        name_constraints=read(oid.NAME_CONSTRAINTS, extension.read_name_constraints),
    )


@lru_cache(maxsize=1024)
def _kept(function: Callable[..., T], value: bytes, *arguments: str) -> T:
    return function(value, *arguments)


def _read_version(reader: der.Reader) -> int:
    holder = reader.enter_if(0xA0, "version")
    if holder is None:
        return 1
    version = holder.integer("version") + 1
    holder.end()
    if version not in (2, 3):
        raise reader.fail("1, 2 or 3 (and 1 is left out in DER)", "version")
    return version


def load_certificates(data: bytes | str) -> list[Certificate]:
    """Certificates of a PEM text (any number) or of one DER file."""
    if isinstance(data, bytes) and data[:1] == b"\x30":
        return [parse_certificate(data)]
    return [parse_certificate(body) for body in pem.decode_all(data, pem.CERTIFICATE)]


def certificates_pem(certificates: Iterable[Certificate]) -> str:
    """A bundle in the given order."""
    return "".join(item.to_pem() for item in certificates)
