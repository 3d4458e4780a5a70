"""Certification requests (RFC 2986, GM/T 0092), and CFCA's form with two private attributes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from miyun.wire import der, oid, pem, signed, spki
from miyun.wire.algorithm import SignatureAlgorithm
from miyun.wire.errors import DecodeError, EncodeError
from miyun.wire.name import Name
from miyun.wire.signed import Signer, assemble
from miyun.wire.spki import PublicKey
from miyun.wire.x509 import extension
from miyun.wire.x509.extension import Extension

__all__ = ["CertificationRequest", "CertificationRequestInfo", "assemble", "parse_csr"]

MAX_SIZE: Final = 64 * 1024
_MAX_ATTRIBUTES: Final = 64
# CFCA's temporary key is a C structure: version and bit length in little endian, then x and y in 64-octet slots.
_CFCA_KEY_HEAD: Final = bytes.fromhex("00b4000000010000")
_CFCA_KEY_SIZE: Final = 136


@dataclass(frozen=True, slots=True)
class CertificationRequestInfo:
    """What the applicant signs.

    `temporary_point` (04‖x‖y) asks CFCA's way for the encryption key to be returned under that key, together with
    `challenge_password`; both or none of them make CFCA's form, whose attribute values are not wrapped in a SET.
    """

    subject: Name
    spki: bytes
    extensions: tuple[Extension, ...] = ()
    challenge_password: str | None = None
    temporary_point: bytes | None = None

    def encode(self) -> bytes:
        """CertificationRequestInfo DER: the message to be signed. Raises EncodeError."""
        return der.sequence(
            der.integer(0), self.subject.encode(), self.spki, der.explicit(0, b"".join(self._attributes()))
        )

    def sign(self, algorithm: SignatureAlgorithm, signer: Signer) -> bytes:
        """The request, where a synchronous signer is at hand; otherwise `encode`, sign, `assemble`."""
        info = self.encode()
        return assemble(info, algorithm, signer(info))

    def _attributes(self) -> list[bytes]:
        if self.temporary_point is not None:
            if self.extensions:
                raise EncodeError("CFCA's form carries no extensions", field="extensions")
            if len(self.temporary_point) != 65 or self.temporary_point[0] != 4:
                raise EncodeError("65 octets 04‖x‖y", field="temporary_point")
            if not self.challenge_password:
                raise EncodeError("CFCA's form needs it", field="challenge_password")
            x, y = self.temporary_point[1:33], self.temporary_point[33:]
            key = _CFCA_KEY_HEAD + x + bytes(32) + y + bytes(32)
            held = der.octet_string(der.sequence(der.integer(1), der.octet_string(key)))
            return [
                der.sequence(der.oid(oid.CHALLENGE_PASSWORD), _password(self.challenge_password)),
                der.sequence(der.oid(oid.CFCA_TEMPORARY_PUBLIC_KEY), held),
            ]
        attributes = []
        if self.extensions:
            request = der.sequence(*(item.encode() for item in self.extensions))
            attributes.append(der.sequence(der.oid(oid.EXTENSION_REQUEST), der.set_of(request)))
        if self.challenge_password is not None:
            password = der.set_of(_password(self.challenge_password))
            attributes.append(der.sequence(der.oid(oid.CHALLENGE_PASSWORD), password))
        return sorted(attributes)


def _password(text: str) -> bytes:
    if not 0 < len(text) <= 255:
        raise EncodeError("1 to 255 characters", field="challenge_password")
    if text.isascii() and text.replace(" ", "").isalnum():
        return der.tlv(der.PRINTABLE_STRING, text.encode())
    return der.utf8(text)


@dataclass(frozen=True, slots=True)
class CertificationRequest:
    """A request as read, nothing verified yet."""

    der: bytes = field(repr=False)
    info_der: bytes = field(repr=False)
    subject: Name
    spki_der: bytes = field(repr=False)
    public_key: PublicKey
    extensions: tuple[Extension, ...]
    challenge_password: str | None = field(repr=False)
    temporary_point: bytes | None
    """04‖x‖y of CFCA's temporary SM2 key, under which the encryption key is to be returned. None for an RSA one."""
    algorithm: SignatureAlgorithm
    signature: bytes = field(repr=False)

    def verify(self) -> None:
        """Raises InvalidSignature unless the request is signed by its own key (proof of possession)."""
        spki.verify(self.spki_der, self.algorithm, self.info_der, self.signature)

    def extension(self, dotted: str) -> Extension | None:
        return next((item for item in self.extensions if item.oid == dotted), None)

    def to_pem(self) -> str:
        return pem.encode(pem.CERTIFICATE_REQUEST, self.der)


def parse_csr(encoded: bytes | str) -> CertificationRequest:
    """Reads one request of at most 64 KiB, DER or PEM. Raises DecodeError."""
    if isinstance(encoded, str) or encoded[:1] != b"\x30":
        encoded = pem.decode(encoded, pem.CERTIFICATE_REQUEST)
    info, _, algorithm, signature = signed.read(encoded, "CertificationRequest", MAX_SIZE)
    reader = der.Reader(info, field="CertificationRequestInfo").enter()
    if reader.integer("version") != 0:
        raise reader.fail("must be 0", "version")
    subject = Name.read(reader, "subject")
    key = reader.raw_of(der.SEQUENCE, "subjectPKInfo")
    extensions: tuple[Extension, ...] = ()
    password = point = None
    seen: set[str] = set()
    attributes = reader.enter_if(0xA0, "attributes")
    while attributes is not None and attributes.more:
        attribute = attributes.enter(der.SEQUENCE, "attribute")
        kind = attribute.oid("attribute type")
        if kind in seen or len(seen) >= _MAX_ATTRIBUTES:
            raise attributes.fail(f"attribute {kind} twice, or too many", "attributes")
        seen.add(kind)
        # CFCA leaves out the SET around the value.
        values = attribute.enter(der.SET, "attribute values") if attribute.peek() == der.SET else attribute
        if kind == oid.EXTENSION_REQUEST:
            extensions = extension.read_extensions(values)
        elif kind == oid.CHALLENGE_PASSWORD:
            password = values.text("challengePassword")
        elif kind == oid.CFCA_TEMPORARY_PUBLIC_KEY:
            point = _read_temporary_key(values.octet_string("temporary public key"))
        else:
            values.rest()
        values.end()
        attribute.end()
    reader.end()
    return CertificationRequest(
        der=encoded,
        info_der=info,
        subject=subject,
        spki_der=key,
        public_key=spki.parse_spki(key),
        extensions=extensions,
        challenge_password=password,
        temporary_point=point,
        algorithm=algorithm,
        signature=signature,
    )


def _read_temporary_key(held: bytes) -> bytes | None:
    """CFCA's own programs put version and key in a SEQUENCE; others only the key. RSA keys are passed over."""
    field = "temporary public key"
    if held[:1] == b"\x30":
        outer = der.Reader(held, field=field)
        inner = outer.enter()
        outer.end()
        inner.integer()
        held = inner.octet_string()
        inner.end()
        if held[:1] == b"\x30":
            return None
    if len(held) != _CFCA_KEY_SIZE or held[40:72] != bytes(32) or held[104:] != bytes(32):
        raise DecodeError("not the 136-octet structure that CFCA uses", field=field)
    return b"\x04" + held[8:40] + held[72:104]
