"""EnvelopedData with key transport (RFC 5652 6, GB/T 35275): the frame around an encrypted key and content.

Nothing is encrypted here: the builder takes what the key's holder made, the reader hands it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from miyun.wire import der, oid
from miyun.wire.algorithm import read_identifier
from miyun.wire.ber import ber_to_der, join_octet_strings
from miyun.wire.cms.dialect import Dialect, dialect_of
from miyun.wire.errors import EncodeError
from miyun.wire.name import Name
from miyun.wire.x509.certificate import Certificate

MAX_RECIPIENTS: Final = 256

# Where others write key agreement, or the curve, they mean encryption (trap T6).
SM2_ENCRYPTION_OIDS: Final = frozenset({oid.SM2_ENCRYPT, oid.SM2_KEY_EXCHANGE, oid.SM2_CURVE})
_BLOCK: Final = 16


@dataclass(frozen=True, slots=True)
class KeyTransRecipient:
    """One recipient. `encrypted_key` for SM2 is the DER SM2Cipher of GM/T 0009, for RSA the raw ciphertext."""

    issuer: Name | None
    serial: int | None
    key_identifier: bytes | None
    key_algorithm: str
    """OID; SM2's other spellings are read as …301.3."""
    key_parameters: bytes = field(repr=False)
    encrypted_key: bytes = field(repr=False)

    @classmethod
    def sm2(cls, certificate: Certificate, encrypted_key: bytes) -> KeyTransRecipient:
        return cls(certificate.issuer, certificate.serial, None, oid.SM2_ENCRYPT, b"", encrypted_key)

    @classmethod
    def rsa(cls, certificate: Certificate, encrypted_key: bytes) -> KeyTransRecipient:
        """PKCS#1 v1.5 key transport, what openssl and others read by default."""
        return cls(certificate.issuer, certificate.serial, None, oid.RSA_ENCRYPTION, der.NULL, encrypted_key)

    def encode(self) -> bytes:
        if self.key_identifier is not None:
            version, who = 2, der.implicit(0, self.key_identifier)
        elif self.issuer is not None and self.serial is not None:
            version, who = 0, der.sequence(self.issuer.encode(), der.integer(self.serial))
        else:
            raise EncodeError("issuer and serial, or a key identifier", field="RecipientIdentifier")
        algorithm = der.sequence(der.oid(self.key_algorithm), self.key_parameters)
        return der.sequence(der.integer(version), who, algorithm, der.octet_string(self.encrypted_key))

    def is_for(self, certificate: Certificate) -> bool:
        if self.key_identifier is not None:
            return certificate.subject_key_identifier == self.key_identifier
        return certificate.serial == self.serial and (
            self.issuer is not None and certificate.issuer.matches(self.issuer)
        )


@dataclass(frozen=True, slots=True)
class EnvelopedDataInfo:
    """A message as read. `content_algorithm` is an OID, `iv` the 16-octet initial vector of its CBC mode."""

    dialect: Dialect
    recipients: tuple[KeyTransRecipient, ...]
    content_type: str
    content_algorithm: str
    iv: bytes
    ciphertext: bytes = field(repr=False)


def build_enveloped_data(
    recipients: Sequence[KeyTransRecipient],
    ciphertext: bytes,
    iv: bytes,
    *,
    dialect: Dialect = Dialect.GBT35275,
    content_algorithm: str = oid.SM4_CBC,
    content_type: str | None = None,
) -> bytes:
    """A ContentInfo with EnvelopedData. `ciphertext` is the padded CBC encryption of the content under `iv`."""
    if not recipients:
        raise EncodeError("at least one", field="recipientInfos")
    if len(iv) != _BLOCK:
        raise EncodeError("16 octets", field="iv")
    if not ciphertext or len(ciphertext) % _BLOCK:
        raise EncodeError("whole blocks of 16 octets", field="encryptedContent")
    content = der.sequence(
        der.oid(content_type or dialect.data),
        der.sequence(der.oid(content_algorithm), der.octet_string(iv)),
        der.implicit(0, ciphertext),
    )
    gm = dialect is Dialect.GBT35275
    plain = all(item.key_identifier is None for item in recipients)
    version = 1 if gm else 0 if plain else 2
    infos = [item.encode() for item in recipients]
    if gm:
        # GB/T 35275 numbers a RecipientInfo 1 where RFC 5652 has 0.
        infos = [_gm_version(item) for item in infos]
    body = der.sequence(der.integer(version), der.set_of(*infos), content)
    return der.sequence(der.oid(dialect.enveloped_data), der.explicit(0, body))


def _gm_version(encoded: bytes) -> bytes:
    reader = der.Reader(encoded).enter()
    version = reader.integer()
    return der.sequence(der.integer(version or 1), reader.rest())


def parse_enveloped_data(encoded: bytes, *, max_size: int = der.MAX_SIZE) -> EnvelopedDataInfo:
    """Reads a ContentInfo with EnvelopedData of either dialect, DER or BER. Raises DecodeError.

    Recipients of other kinds than key transport are passed over; one of key transport there must be.
    """
    outer = der.Reader(ber_to_der(encoded, max_size=max_size), field="ContentInfo")
    info = outer.enter()
    outer.end()
    kind = info.oid("contentType")
    dialect = dialect_of(kind)
    if dialect is None or kind != dialect.enveloped_data:
        raise info.fail(f"{kind} is not EnvelopedData", "contentType")
    holder = info.enter(0xA0, "content")
    info.end()
    reader = holder.enter(der.SEQUENCE, "EnvelopedData")
    holder.end()
    if reader.integer("version") not in (0, 1, 2, 3, 4):
        raise reader.fail("not known", "version")
    reader.read_if(0xA0, "originatorInfo")
    recipients = _read_recipients(reader.enter(der.SET, "recipientInfos"))
    content = reader.enter(der.SEQUENCE, "encryptedContentInfo")
    reader.read_if(0xA1, "unprotectedAttrs")
    reader.end()
    content_type = content.oid("contentType")
    algorithm, parameters = read_identifier(content, "contentEncryptionAlgorithm")
    vector = der.Reader(parameters, field="iv")
    iv = vector.octet_string("iv")
    vector.end()
    if len(iv) != _BLOCK:
        raise content.fail("16 octets", "iv")
    if content.peek() == 0xA0:
        # BER in pieces: OCTET STRINGs inside the implicit tag.
        ciphertext = join_octet_strings(content.read(0xA0, "encryptedContent"))
    else:
        ciphertext = content.read(0x80, "encryptedContent")
    content.end()
    return EnvelopedDataInfo(dialect, recipients, content_type, algorithm, iv, ciphertext)


def _read_recipients(reader: der.Reader) -> tuple[KeyTransRecipient, ...]:
    found: list[KeyTransRecipient] = []
    count = 0
    while reader.more:
        count += 1
        if count > MAX_RECIPIENTS:
            raise reader.fail("too many recipients")
        if reader.peek() != der.SEQUENCE:
            reader.raw()
            continue
        inner = reader.enter(der.SEQUENCE, "KeyTransRecipientInfo")
        inner.integer("version")
        issuer = serial = key_identifier = None
        if inner.peek() == 0x80:
            key_identifier = inner.read(0x80)
        else:
            who = inner.enter(der.SEQUENCE, "issuerAndSerialNumber")
            issuer, serial = Name.read(who, "issuer"), who.integer("serialNumber")
            who.end()
        algorithm, parameters = read_identifier(inner, "keyEncryptionAlgorithm")
        if algorithm in SM2_ENCRYPTION_OIDS:
            algorithm, parameters = oid.SM2_ENCRYPT, b""
        encrypted = inner.octet_string("encryptedKey")
        inner.end()
        found.append(KeyTransRecipient(issuer, serial, key_identifier, algorithm, parameters, encrypted))
    if not found:
        raise reader.fail("no key transport recipient")
    return tuple(found)
