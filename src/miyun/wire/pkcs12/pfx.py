"""PFX (RFC 7292, GM/T 0093): private keys and certificates in safes, the whole under a MAC.

A file without a MAC is refused: nothing in it could be relied upon. The MAC is checked before anything is deciphered.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from miyun.gm import sm3
from miyun.gm.errors import DecryptionFailed
from miyun.wire import der, oid
from miyun.wire.ber import ber_to_der
from miyun.wire.cms.dialect import Dialect, dialect_of
from miyun.wire.pkcs12.pbes2 import MAX_ITERATIONS, Pbes2, read_pbes2
from miyun.wire.x509.certificate import Certificate, parse_certificate

MAX_SIZE: Final = 1024 * 1024
_MAX_BAGS: Final = 256
_MAX_MAC_ITERATIONS: Final = 100_000
_MAC_KEY: Final = 3  # RFC 7292 B.3: the purpose of what is derived

_ENCRYPTED_DATA: Final = {Dialect.RFC5652: "1.2.840.113549.1.7.6", Dialect.GBT35275: "1.2.156.10197.6.1.4.2.5"}
_BAGS: Final = "1.2.840.113549.1.12.10.1."
KEY_BAG: Final = _BAGS + "1"
SHROUDED_KEY_BAG: Final = _BAGS + "2"
CERTIFICATE_BAG: Final = _BAGS + "3"
_X509: Final = "1.2.840.113549.1.9.22.1"
FRIENDLY_NAME: Final = "1.2.840.113549.1.9.20"
LOCAL_KEY_ID: Final = "1.2.840.113549.1.9.21"

_HASHES: Final[dict[str, tuple[int, int, Callable[[bytes], bytes]]]] = {
    # octets of a digest, octets of a block, function
    oid.SM3: (32, 64, sm3.digest),
    "2.16.840.1.101.3.4.2.1": (32, 64, lambda data: hashlib.sha256(data).digest()),
    "2.16.840.1.101.3.4.2.2": (48, 128, lambda data: hashlib.sha384(data).digest()),
    "2.16.840.1.101.3.4.2.3": (64, 128, lambda data: hashlib.sha512(data).digest()),
    "1.3.14.3.2.26": (20, 64, lambda data: hashlib.sha1(data, usedforsecurity=False).digest()),
}
_NAMES: Final = {
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
    "1.3.14.3.2.26": "sha1",
}


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """`info` is a PrivateKeyInfo in the clear; `local_id` is that of the certificate it belongs to."""

    info: bytes = field(repr=False)
    name: str = ""
    local_id: bytes = b""


@dataclass(frozen=True, slots=True)
class Bag:
    certificate: Certificate
    name: str = ""
    local_id: bytes = b""


@dataclass(frozen=True, slots=True)
class Pfx:
    keys: tuple[PrivateKey, ...]
    certificates: tuple[Bag, ...]


@dataclass(frozen=True, slots=True)
class Protection:
    """What makes a password's file its own: fresh salts and initial vectors, and how much work a guess is."""

    scheme: Callable[[], Pbes2]
    mac_salt: bytes
    mac_iterations: int = 2048


def make_pfx(
    password: str,
    keys: Sequence[PrivateKey],
    certificates: Sequence[Bag],
    protection: Protection,
    *,
    dialect: Dialect = Dialect.RFC5652,
) -> bytes:
    """PFX DER. `dialect` chooses the content types: those of RFC 7292, which every program reads, or GB/T 35275's."""
    shrouded = b"".join(_key_bag(password, key, protection.scheme()) for key in keys)
    certified = der.sequence(*(_certificate_bag(item) for item in certificates))
    scheme = protection.scheme()
    encrypted = der.sequence(
        der.integer(0),
        der.sequence(der.oid(dialect.data), scheme.encode(), der.implicit(0, scheme.encrypt(password, certified))),
    )
    safes = der.sequence(
        der.sequence(der.oid(_ENCRYPTED_DATA[dialect]), der.explicit(0, encrypted)),
        der.sequence(der.oid(dialect.data), der.explicit(0, der.octet_string(der.sequence(shrouded)))),
    )
    return sealed(password, safes, protection, dialect)


def sealed(password: str, safes: bytes, protection: Protection, dialect: Dialect = Dialect.RFC5652) -> bytes:
    """An AuthenticatedSafe under its MAC."""
    mac = _mac(oid.SM3, password, protection.mac_salt, protection.mac_iterations, safes)
    return der.sequence(
        der.integer(3),
        der.sequence(der.oid(dialect.data), der.explicit(0, der.octet_string(safes))),
        der.sequence(
            der.sequence(der.sequence(der.oid(oid.SM3), der.NULL), der.octet_string(mac)),
            der.octet_string(protection.mac_salt),
            der.integer(protection.mac_iterations),
        ),
    )


def parse_pfx(encoded: bytes, password: str) -> Pfx:
    """Raises DecodeError for what is no PFX of the kinds that are taken, DecryptionFailed for a wrong password or a
    changed file: the two cannot be told apart."""
    outer = der.Reader(ber_to_der(encoded, max_size=MAX_SIZE), field="PFX")
    pfx = outer.enter()
    outer.end()
    if pfx.integer("version") != 3:
        raise pfx.fail("must be 3", "version")
    content = pfx.enter(der.SEQUENCE, "authSafe")
    kind = content.oid("contentType")
    dialect = dialect_of(kind)
    if dialect is None or kind != dialect.data:
        raise content.fail("signed by a key, not by a password", "authSafe")
    safes = _content(content, "authSafe")
    if not pfx.more:
        raise pfx.fail("without it nothing here could be relied upon", "macData")
    _check_mac(pfx, password, safes)
    pfx.end()
    return _Safes(password).read(safes)


class _Safes:
    """Bags of all safes, with the iterations spent on them bounded together."""

    def __init__(self, password: str) -> None:
        self._password = password
        self._left = MAX_ITERATIONS
        self._count = 0
        self._keys: list[PrivateKey] = []
        self._certificates: list[Bag] = []

    def read(self, encoded: bytes) -> Pfx:
        outer = der.Reader(encoded, field="AuthenticatedSafe", max_size=MAX_SIZE)
        safes = outer.enter()
        outer.end()
        while safes.more:
            safe = safes.enter(der.SEQUENCE, "ContentInfo")
            kind = safe.oid("contentType")
            if kind in (dialect.data for dialect in Dialect):
                self._bags(_content(safe, "SafeContents"))
            elif kind in _ENCRYPTED_DATA.values():
                self._bags(self._decrypted(safe))
            else:
                raise safe.fail(f"{kind} is not under the password", "contentType")
        return Pfx(tuple(self._keys), tuple(self._certificates))

    def _decrypted(self, safe: der.Reader) -> bytes:
        holder = safe.enter(0xA0, "EncryptedData")
        safe.end()
        data = holder.enter()
        holder.end()
        data.integer("version")
        info = data.enter(der.SEQUENCE, "encryptedContentInfo")
        info.oid("contentType")
        scheme = self._scheme(info)
        encrypted = info.read(0x80, "encryptedContent")
        info.end()
        return scheme.decrypt(self._password, encrypted)

    def _scheme(self, reader: der.Reader) -> Pbes2:
        scheme = read_pbes2(reader)
        self._left -= scheme.iterations
        if self._left < 0:
            raise reader.fail(f"more than {MAX_ITERATIONS} in one file", "iterationCount")
        return scheme

    def _bags(self, encoded: bytes) -> None:
        outer = der.Reader(encoded, field="SafeContents", max_size=MAX_SIZE)
        bags = outer.enter()
        outer.end()
        while bags.more:
            self._count += 1
            if self._count > _MAX_BAGS:
                raise bags.fail(f"more than {_MAX_BAGS} bags", "SafeContents")
            bag = bags.enter(der.SEQUENCE, "SafeBag")
            kind = bag.oid("bagId")
            value = bag.enter(0xA0, "bagValue")
            name, local_id = _attributes(bag)
            if kind == SHROUDED_KEY_BAG:
                shrouded = value.enter(der.SEQUENCE, "EncryptedPrivateKeyInfo")
                scheme = self._scheme(shrouded)
                info = scheme.decrypt(self._password, shrouded.octet_string("encryptedData"))
                shrouded.end()
                self._keys.append(PrivateKey(info, name, local_id))
            elif kind == KEY_BAG:
                self._keys.append(PrivateKey(value.raw_of(der.SEQUENCE, "PrivateKeyInfo"), name, local_id))
            elif kind == CERTIFICATE_BAG:
                held = value.enter(der.SEQUENCE, "CertBag")
                if held.oid("certId") == _X509:
                    inner = held.enter(0xA0, "certValue")
                    certificate = parse_certificate(inner.octet_string("certValue"))
                    self._certificates.append(Bag(certificate, name, local_id))


def _content(info: der.Reader, field: str) -> bytes:
    """The octets of a ContentInfo of the type data, after its type."""
    holder = info.enter(0xA0, field)
    info.end()
    octets = holder.octet_string(field)
    holder.end()
    return octets


def _attributes(bag: der.Reader) -> tuple[str, bytes]:
    name, local_id = "", b""
    attributes = bag.enter_if(der.SET, "bagAttributes")
    while attributes is not None and attributes.more:
        attribute = attributes.enter(der.SEQUENCE, "attribute")
        kind = attribute.oid("attrId")
        values = attribute.enter(der.SET, "attrValues")
        if kind == FRIENDLY_NAME:
            name = values.text("friendlyName")
        elif kind == LOCAL_KEY_ID:
            local_id = values.octet_string("localKeyId")
    return name, local_id


def _key_bag(password: str, key: PrivateKey, scheme: Pbes2) -> bytes:
    shrouded = der.sequence(scheme.encode(), der.octet_string(scheme.encrypt(password, key.info)))
    return der.sequence(
        der.oid(SHROUDED_KEY_BAG), der.explicit(0, shrouded), _encoded_attributes(key.name, key.local_id)
    )


def _certificate_bag(item: Bag) -> bytes:
    held = der.sequence(der.oid(_X509), der.explicit(0, der.octet_string(item.certificate.der)))
    return der.sequence(der.oid(CERTIFICATE_BAG), der.explicit(0, held), _encoded_attributes(item.name, item.local_id))


def _encoded_attributes(name: str, local_id: bytes) -> bytes:
    found = []
    if name:
        text = der.tlv(0x1E, name.encode("utf-16-be"))
        found.append(der.sequence(der.oid(FRIENDLY_NAME), der.set_of(text)))
    if local_id:
        found.append(der.sequence(der.oid(LOCAL_KEY_ID), der.set_of(der.octet_string(local_id))))
    return der.set_of(*found) if found else b""


def _check_mac(pfx: der.Reader, password: str, safes: bytes) -> None:
    data = pfx.enter(der.SEQUENCE, "macData")
    info = data.enter(der.SEQUENCE, "mac")
    identifier = info.enter(der.SEQUENCE, "digestAlgorithm")
    digest = identifier.oid("digestAlgorithm")
    if digest not in _HASHES:
        raise identifier.fail(f"{digest} is not taken", "digestAlgorithm")
    if identifier.more:
        identifier.null("digestAlgorithm")
    identifier.end()
    given = info.octet_string("digest")
    info.end()
    salt = data.octet_string("macSalt")
    iterations = data.integer("iterations") if data.more else 1
    data.end()
    if not 1 <= iterations <= _MAX_MAC_ITERATIONS or not 1 <= len(salt) <= 1024:
        raise data.fail(f"1 to {_MAX_MAC_ITERATIONS}", "iterations")
    if not hmac.compare_digest(_mac(digest, password, salt, iterations, safes), given):
        raise DecryptionFailed


def _mac(digest: str, password: str, salt: bytes, iterations: int, data: bytes) -> bytes:
    key = _derive(digest, password, salt, iterations)
    if digest == oid.SM3:
        return sm3.hmac(key, data)
    return hmac.digest(key, data, _NAMES[digest])


def _derive(digest: str, password: str, salt: bytes, iterations: int) -> bytes:
    """The MAC key by RFC 7292 B.2; one block of output is as long as the digest."""
    _, block, function = _HASHES[digest]
    secret = password.encode("utf-16-be") + b"\0\0"
    value = bytes([_MAC_KEY]) * block + _filled(salt, block) + _filled(secret, block)
    for _ in range(iterations):
        value = function(value)
    return value


def _filled(octets: bytes, block: int) -> bytes:
    """Repeated to whole blocks."""
    size = -(-len(octets) // block) * block
    return (octets * (size // len(octets) + 1))[:size] if octets else b""
