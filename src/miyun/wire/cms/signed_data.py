"""SignedData (RFC 5652 5, GB/T 35275): to assemble and to read."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from miyun.wire import der, oid
from miyun.wire.algorithm import (
    DigestAlgorithm,
    SignatureAlgorithm,
    read_cms_signature_algorithm,
    read_digest,
)
from miyun.wire.ber import ber_to_der
from miyun.wire.cms.attribute import read_attributes, single
from miyun.wire.cms.dialect import Dialect, dialect_of
from miyun.wire.errors import DecodeError, EncodeError
from miyun.wire.name import Name
from miyun.wire.x509.certificate import Certificate, parse_certificate

MAX_SIGNERS: Final = 64
MAX_CERTIFICATES: Final = 256


def assemble(
    *,
    certificate: Certificate,
    algorithm: SignatureAlgorithm,
    signature: bytes,
    content: bytes | None,
    signed_attributes: bytes | None = None,
    dialect: Dialect = Dialect.RFC5652,
    content_type: str | None = None,
    certificates: Iterable[Certificate] = (),
    crls: Iterable[bytes] = (),
    unsigned_attributes: Iterable[bytes] = (),
) -> bytes:
    """A ContentInfo with one signer.

    `certificate` is the signer's, `certificates` are those to include (the signer's must be named there to be in);
    `content` None makes a detached signature; `signed_attributes` is what `signed_attributes_to_sign` gave, None when
    the content itself was signed; `unsigned_attributes` are whole ones (`timestamp_attribute`).
    """
    kind = content_type or dialect.data
    if signed_attributes is None and kind != dialect.data:
        raise EncodeError("content other than data needs signed attributes (RFC 5652 5.3)", field="signedAttrs")
    if signed_attributes is not None and signed_attributes[:1] != b"\x31":
        raise EncodeError("the SET that was signed", field="signedAttrs")
    digest = algorithm.digest_algorithm.identifier
    signer = der.sequence(
        der.integer(1),
        certificate.issuer_and_serial(),
        digest,
        b"\xa0" + signed_attributes[1:] if signed_attributes is not None else b"",
        dialect.signature_identifier(algorithm),
        der.octet_string(signature),
        der.explicit(1, b"".join(sorted(unsigned))) if (unsigned := tuple(unsigned_attributes)) else b"",
    )
    encapsulated = der.explicit(0, der.octet_string(content)) if content is not None else b""
    included = b"".join(sorted({item.der for item in certificates}))
    revocation = b"".join(sorted(crls))
    signed_data = der.sequence(
        der.integer(3 if kind != dialect.data and dialect is Dialect.RFC5652 else 1),
        der.set_of(digest),
        der.sequence(der.oid(kind), encapsulated),
        der.explicit(0, included) if included else b"",
        der.explicit(1, revocation) if revocation else b"",
        der.set_of(signer),
    )
    return der.sequence(der.oid(dialect.signed_data), der.explicit(0, signed_data))


@dataclass(frozen=True, slots=True)
class SignerInfo:
    """One signer as read. Either `issuer` and `serial` or `key_identifier` say who."""

    issuer: Name | None
    serial: int | None
    key_identifier: bytes | None
    digest_algorithm: DigestAlgorithm
    algorithm: SignatureAlgorithm
    signature: bytes = field(repr=False)
    signed_attributes: bytes | None = field(repr=False)
    """The DER SET that was signed."""
    attributes: dict[str, tuple[bytes, ...]] = field(repr=False)
    unsigned_attributes: dict[str, tuple[bytes, ...]] = field(repr=False)
    message_digest: bytes | None
    content_type: str | None
    signing_time: datetime | None
    certificate: Certificate | None
    """Found among the message's certificates or those given to verification; None when missing."""

    def is_signed_by(self, certificate: Certificate) -> bool:
        """Whether the signer identifier names this certificate."""
        if self.key_identifier is not None:
            return certificate.subject_key_identifier == self.key_identifier
        return certificate.serial == self.serial and (
            self.issuer is not None and certificate.issuer.matches(self.issuer)
        )


@dataclass(frozen=True, slots=True)
class SignedDataInfo:
    """A SignedData as read. `content` is None when detached."""

    dialect: Dialect
    content_type: str
    content: bytes | None = field(repr=False)
    certificates: tuple[Certificate, ...] = field(repr=False)
    crls: tuple[bytes, ...] = field(repr=False)
    signers: tuple[SignerInfo, ...]


def parse_signed_data(encoded: bytes, *, max_size: int = der.MAX_SIZE) -> SignedDataInfo:
    """Reads a ContentInfo with SignedData of either dialect, DER or BER. Verifies nothing. Raises DecodeError."""
    outer = der.Reader(ber_to_der(encoded, max_size=max_size), field="ContentInfo")
    info = outer.enter()
    outer.end()
    kind = info.oid("contentType")
    dialect = dialect_of(kind)
    if dialect is None or kind != dialect.signed_data:
        raise info.fail(f"{kind} is not SignedData", "contentType")
    holder = info.enter(0xA0, "content")
    info.end()
    reader = holder.enter(der.SEQUENCE, "SignedData")
    holder.end()
    version = reader.integer("version")
    if version not in (1, 3, 4, 5):
        raise reader.fail(f"{version} is not known", "version")
    reader.read(der.SET, "digestAlgorithms")
    content_type, content = _read_content(reader.enter(der.SEQUENCE, "encapContentInfo"))
    certificates = _read_certificates(reader.enter_if(0xA0, "certificates"))
    crls: list[bytes] = []
    revocation = reader.enter_if(0xA1, "crls")
    while revocation is not None and revocation.more:
        crls.append(revocation.raw())
    signers: list[SignerInfo] = []
    members = reader.enter(der.SET, "signerInfos")
    reader.end()
    while members.more:
        if len(signers) >= MAX_SIGNERS:
            raise members.fail("too many signers")
        signers.append(_read_signer(members.enter(der.SEQUENCE, "SignerInfo"), certificates))
    return SignedDataInfo(dialect, content_type, content, certificates, tuple(crls), tuple(signers))


def _read_content(reader: der.Reader) -> tuple[str, bytes | None]:
    kind = reader.oid("eContentType")
    holder = reader.enter_if(0xA0, "eContent")
    reader.end()
    if holder is None:
        return kind, None
    content = holder.octet_string("eContent")
    holder.end()
    return kind, content


def _read_certificates(reader: der.Reader | None) -> tuple[Certificate, ...]:
    found: list[Certificate] = []
    count = 0
    while reader is not None and reader.more:
        count += 1
        if count > MAX_CERTIFICATES:
            raise reader.fail("too many certificates")
        kind = reader.peek()
        encoded = reader.raw()
        if kind != der.SEQUENCE:
            continue  # attribute certificates and other formats carry no key of ours
        # A certificate that is not readable here (an old root signed with SHA-1, say) must not spoil the others; should
        # it be the signer's, verification says that the signer's is missing.
        with suppress(DecodeError):
            found.append(parse_certificate(encoded))
    return tuple(found)


def _read_signer(reader: der.Reader, certificates: tuple[Certificate, ...]) -> SignerInfo:
    version = reader.integer("version")
    issuer = serial = key_identifier = None
    if version == 1:
        who = reader.enter(der.SEQUENCE, "issuerAndSerialNumber")
        issuer, serial = Name.read(who, "issuer"), who.integer("serialNumber")
        who.end()
    elif version == 3:
        key_identifier = reader.read(0x80, "subjectKeyIdentifier")
    else:
        raise reader.fail(f"{version} is not known", "version")
    digest = read_digest(reader)
    signed = attributes = None
    if reader.peek() == 0xA0:
        signed, attributes = read_attributes(reader.read(0xA0), "signedAttrs")
    algorithm = read_cms_signature_algorithm(reader, digest)
    if algorithm.digest_algorithm is not digest:
        raise reader.fail("another hash than digestAlgorithm", "signatureAlgorithm")
    signature = reader.octet_string("signature")
    unsigned: dict[str, tuple[bytes, ...]] = {}
    if reader.peek() == 0xA1:
        _, unsigned = read_attributes(reader.read(0xA1), "unsignedAttrs")
    reader.end()
    attributes = attributes or {}
    message_digest = content_type = signing_time = None
    if signed is not None:
        if (value := single(attributes, oid.MESSAGE_DIGEST, "messageDigest")) is None:
            raise reader.fail("missing", "messageDigest")
        message_digest = value.octet_string()
        value.end()
        if (value := single(attributes, oid.CONTENT_TYPE, "contentType")) is None:
            raise reader.fail("missing", "contentType")
        content_type = value.oid()
        value.end()
        if (value := single(attributes, oid.SIGNING_TIME, "signingTime")) is not None:
            signing_time = value.time()
            value.end()
    info = SignerInfo(
        issuer=issuer,
        serial=serial,
        key_identifier=key_identifier,
        digest_algorithm=digest,
        algorithm=algorithm,
        signature=signature,
        signed_attributes=signed,
        attributes=attributes,
        unsigned_attributes=unsigned,
        message_digest=message_digest,
        content_type=content_type,
        signing_time=signing_time,
        certificate=None,
    )
    return with_certificate(info, certificates)


def with_certificate(info: SignerInfo, certificates: Iterable[Certificate]) -> SignerInfo:
    """The same signer with its certificate looked up, when it is among `certificates`."""
    found = next((item for item in certificates if info.is_signed_by(item)), None)
    if found is None or info.certificate is not None:
        return info
    return replace(info, certificate=found)


def missing_certificate(info: SignerInfo) -> DecodeError:
    """The error for a signer whose certificate is nowhere, naming the signer."""
    who = f"{info.issuer}, serial {info.serial:x}" if info.serial is not None else "its key identifier"
    return DecodeError(f"the message holds no certificate of the signer named by {who}", field="certificates")
