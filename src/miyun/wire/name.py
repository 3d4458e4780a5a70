"""Distinguished names (X.501, RFC 5280 4.1.2.4) and their text form (RFC 4514)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from miyun.wire import der, oid
from miyun.wire.der import Reader
from miyun.wire.errors import DecodeError, EncodeError

SHORT: Final = {
    "CN": oid.COMMON_NAME,
    "SN": oid.SURNAME,
    "SERIALNUMBER": oid.SERIAL_NUMBER,
    "C": oid.COUNTRY,
    "L": oid.LOCALITY,
    "ST": oid.STATE,
    "STREET": oid.STREET,
    "O": oid.ORGANIZATION,
    "OU": oid.ORGANIZATIONAL_UNIT,
    "T": oid.TITLE,
    "GN": oid.GIVEN_NAME,
    "UID": oid.USER_ID,
    "DC": oid.DOMAIN_COMPONENT,
    "E": oid.EMAIL_ADDRESS,
}
_ALIASES: Final = {**SHORT, "EMAILADDRESS": oid.EMAIL_ADDRESS, "EMAIL": oid.EMAIL_ADDRESS, "S": oid.STATE}
_LABEL: Final = {dotted: label for label, dotted in SHORT.items()} | {oid.SERIAL_NUMBER: "serialNumber"}
_PRINTABLE: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?")
_MAX_ATTRIBUTES: Final = 64
_KEPT_SIZE: Final = 1024
_SPECIAL: Final = ',+"\\<>;='
# Upper bounds of X.520 (RFC 5280 appendix A); what is not listed may have 255 characters.
_BOUNDS: Final = {oid.COMMON_NAME: 64, oid.ORGANIZATION: 64, oid.ORGANIZATIONAL_UNIT: 64, oid.SERIAL_NUMBER: 64}

Attribute = tuple[str, str]
"""(object identifier, value)."""


@dataclass(frozen=True, slots=True)
class Name:
    """A sequence of relative names, each one or more attributes. A parsed name keeps its octets in `der`.

    Equality compares values; `matches` compares as RFC 5280 7.1 does for chaining.
    """

    rdns: tuple[tuple[Attribute, ...], ...]
    der: bytes = field(default=b"", compare=False, repr=False)

    def __post_init__(self) -> None:
        if not self.der:
            object.__setattr__(self, "der", _encode(self.rdns))

    @classmethod
    def of(cls, *attributes: Attribute) -> Name:
        """From single attributes in order; a key is a short name (C, ST, L, O, OU, CN, serialNumber, E …) or an OID."""
        return cls(tuple(((_type_of(key), value),) for key, value in attributes))

    @classmethod
    def parse(cls, text: str) -> Name:
        """From RFC 4514 text, most specific first: "CN=张三,O=某局,C=CN". Raises DecodeError."""
        return cls(tuple(reversed([tuple(rdn) for rdn in _parse_text(text)])))

    @classmethod
    def decode(cls, encoded: bytes) -> Name:
        reader = der.Reader(encoded, field="Name", max_size=65536)
        name = cls.read(reader)
        reader.end()
        return name

    @classmethod
    def read(cls, reader: Reader, label: str = "Name") -> Name:
        """The next Name of a reader."""
        whole = reader.raw_of(der.SEQUENCE, label)
        return cls(_read_rdns(whole, label) if len(whole) > _KEPT_SIZE else _kept_rdns(whole, label), whole)

    def encode(self) -> bytes:
        return self.der

    def get(self, key: str) -> str | None:
        """First value of an attribute by short name or OID."""
        return next(iter(self.all(key)), None)

    def all(self, key: str) -> list[str]:
        """Every value of an attribute, as `get` finds the first."""
        wanted = _type_of(key)
        return [value for rdn in self.rdns for kind, value in rdn if kind == wanted]

    def matches(self, other: Name) -> bool:
        """Whether a certificate issued under this name chains to `other` (case and inner spaces do not count)."""
        if self.der == other.der:
            return True
        # Most names differ where they are most specific.
        pairs = zip(reversed(self.rdns), reversed(other.rdns), strict=False)
        return len(self.rdns) == len(other.rdns) and all(_canonical([a]) == _canonical([b]) for a, b in pairs)

    def starts_with(self, base: Name) -> bool:
        """Whether this name lies in the subtree `base` (RFC 5280 4.2.1.10)."""
        return _canonical(self.rdns[: len(base.rdns)]) == _canonical(base.rdns)

    def __str__(self) -> str:
        """RFC 4514 text, most specific first."""
        return ",".join("+".join(_pair_text(pair) for pair in rdn) for rdn in reversed(self.rdns))


def _read_rdns(whole: bytes, label: str) -> tuple[tuple[Attribute, ...], ...]:
    rdns: list[tuple[Attribute, ...]] = []
    count = 0
    sequence = der.Reader(whole, field=label).enter()
    while sequence.more:
        relative = sequence.enter(der.SET, label)
        attributes: list[Attribute] = []
        while relative.more:
            pair = relative.enter(der.SEQUENCE, label)
            attributes.append((pair.oid(label), pair.text(label)))
            pair.end()
            count += 1
            if count > _MAX_ATTRIBUTES:
                raise relative.fail("more attributes than any name has", label)
        if not attributes:
            raise relative.fail("empty relative name", label)
        rdns.append(tuple(attributes))
    return tuple(rdns)


_kept_rdns: Final = lru_cache(maxsize=512)(_read_rdns)  # issuers' names come again and again


def _type_of(key: str) -> str:
    if key[:1].isdigit():
        oid.encode(key)
        return key
    try:
        return _ALIASES[key.upper()]
    except KeyError:
        raise EncodeError(f"unknown attribute type {key!r}", field="Name") from None


def _canonical(rdns: Iterable[tuple[Attribute, ...]]) -> list[frozenset[Attribute]]:
    return [frozenset((kind, " ".join(value.split()).casefold()) for kind, value in rdn) for rdn in rdns]


def _encode(rdns: tuple[tuple[Attribute, ...], ...]) -> bytes:
    return der.sequence(*(der.set_of(*(_encode_attribute(*pair) for pair in rdn)) for rdn in rdns))


def _encode_attribute(kind: str, value: str) -> bytes:
    label = _LABEL.get(kind, kind)
    if not value or len(value) > _BOUNDS.get(kind, 255):
        raise EncodeError(f"1 to {_BOUNDS.get(kind, 255)} characters", field=label)
    if kind in (oid.COUNTRY, oid.SERIAL_NUMBER):
        if not _PRINTABLE.issuperset(value) or (kind == oid.COUNTRY and len(value) != 2):
            raise EncodeError("two letters" if kind == oid.COUNTRY else "printable characters only", field=label)
        text = der.tlv(der.PRINTABLE_STRING, value.encode())
    elif kind in (oid.EMAIL_ADDRESS, oid.DOMAIN_COMPONENT):
        if not value.isascii():
            raise EncodeError("ASCII characters only", field=label)
        text = der.tlv(der.IA5_STRING, value.encode())
    else:
        text = der.utf8(value)
    return der.sequence(der.oid(kind), text)


def _pair_text(pair: Attribute) -> str:
    kind, value = pair
    escaped = "".join("\\" + c if c in _SPECIAL else "\\00" if c == "\0" else c for c in value)
    if escaped[:1] in ("#", " "):
        escaped = "\\" + escaped
    if len(value) > 1 and value.endswith(" "):
        escaped = escaped[:-1] + "\\ "
    return f"{_LABEL.get(kind, kind)}={escaped}"


def _parse_text(text: str) -> list[list[Attribute]]:
    rdns: list[list[Attribute]] = []
    position = 0
    joined = False
    while position < len(text):
        equals = text.find("=", position)
        if equals < 0:
            raise DecodeError("attribute without '='", offset=position, field="Name")
        try:
            kind = _type_of(text[position:equals].strip())
        except EncodeError as error:
            raise DecodeError(error.message, offset=position, field="Name") from None
        value, position, separator = _parse_value(text, equals + 1)
        if joined:
            rdns[-1].append((kind, value))
        else:
            rdns.append([(kind, value)])
        joined = separator == "+"
        if separator and position >= len(text):
            raise DecodeError("text ends after a separator", offset=position, field="Name")
    return rdns


def _parse_value(text: str, position: int) -> tuple[str, int, str]:
    """(value, position after the separator, separator or "")."""
    out = bytearray()
    kept = 0  # octets that trailing-space trimming must not touch
    while position < len(text) and text[position] == " ":
        position += 1
    if text[position : position + 1] == "#":
        raise DecodeError("hexadecimal values are not read", offset=position, field="Name")
    while position < len(text):
        character = text[position]
        if character == "\\":
            following = text[position + 1 : position + 2]
            pair = text[position + 1 : position + 3]
            if following and following in _SPECIAL + " #":
                out += following.encode()
                position += 2
            elif len(pair) == 2 and all(c in "0123456789abcdefABCDEF" for c in pair):
                out.append(int(pair, 16))
                position += 3
            else:
                raise DecodeError("dangling escape", offset=position, field="Name")
            kept = len(out)
            continue
        if character in ",;+":
            return _finish(out, kept, position), position + 1, character
        if character in '"<>':
            raise DecodeError(f"{character} must be escaped", offset=position, field="Name")
        out += character.encode(errors="surrogatepass")
        position += 1
    return _finish(out, kept, position), position, ""


def _finish(out: bytearray, kept: int, position: int) -> str:
    body = bytes(out[:kept]) + bytes(out[kept:]).rstrip(b" ")
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise DecodeError("escaped octets are not UTF-8", offset=position, field="Name") from None
