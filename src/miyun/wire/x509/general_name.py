"""GeneralName (RFC 5280 4.2.1.6)."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from miyun.wire import der
from miyun.wire.errors import EncodeError
from miyun.wire.name import Name

EMAIL: Final = "email"
DNS: Final = "dns"
DIRECTORY: Final = "directory"
URI: Final = "uri"
IP: Final = "ip"
OTHER: Final = "other"

_TEXT: Final = {0x81: EMAIL, 0x82: DNS, 0x86: URI}
_TAG: Final = {kind: tag for tag, kind in _TEXT.items()}
_MAX_NAMES: Final = 1000
_LABEL: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class GeneralName:
    """One name. `value` is text for email, dns, uri and ip, a Name for directory, octets for the rest.

    An ip of a name constraint is a network ("10.0.0.0/8").
    """

    kind: str
    value: str | Name | bytes


def encode_text(kind: str, value: str) -> bytes:
    """An email, dns or uri name."""
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise EncodeError("non-empty ASCII without spaces; international domains in their xn-- form", field=kind)
    return der.tlv(_TAG[kind], value.encode())


def encode_ip(value: str) -> bytes:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        raise EncodeError("not an IP address", field=IP) from None
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id:
        raise EncodeError("a zone is not part of an address", field=IP)
    return der.implicit(7, address.packed)


def is_dns(name: str) -> bool:
    """A name of a host, with a wildcard for the whole first label at most."""
    return len(name) <= 253 and all(map(is_label, name.removeprefix("*.").split(".")))


def is_label(label: str) -> bool:
    """Letters, digits and hyphens (RFC 1123 2.1). Hyphens in the third and fourth place are for international names
    alone (RFC 5890 2.3.1)."""
    return _LABEL.fullmatch(label) is not None and (label[2:4] != "--" or _is_international(label.lower()))


def _is_international(label: str) -> bool:
    """What Punycode makes of a text that can be read, in the one form that it has."""
    try:
        text = label[4:].encode().decode("punycode")
        again = text.encode("punycode").decode()
    except (ValueError, OverflowError):
        return False
    usual = text.isprintable() and unicodedata.normalize("NFC", text.lower()) == text
    return label.startswith("xn--") and not text.isascii() and usual and again == label[4:]


def encode_network(value: str) -> bytes:
    """An IP range of a name constraint: address and mask."""
    try:
        network = ipaddress.ip_network(value)
    except ValueError:
        raise EncodeError("not an IP network", field=IP) from None
    return der.implicit(7, network.network_address.packed + network.netmask.packed)


def encode_directory(name: Name) -> bytes:
    return der.explicit(4, name.encode())


def read(reader: der.Reader, *, network: bool = False) -> GeneralName:
    """The next GeneralName; kinds that are not known are kept as octets."""
    tag = reader.peek()
    if tag in _TEXT:
        content = reader.read(tag)
        if not content.isascii():
            raise reader.fail("IA5String with other characters", "GeneralName")
        return GeneralName(_TEXT[tag], content.decode())
    if tag == 0xA4:
        inner = reader.enter(tag, "directoryName")
        name = Name.read(inner, "directoryName")
        inner.end()
        return GeneralName(DIRECTORY, name)
    if tag == 0x87:
        return GeneralName(IP, _read_ip(reader, network))
    if tag not in (0xA0, 0xA3, 0xA5, 0x88):
        raise reader.fail("no such choice", "GeneralName")
    return GeneralName(OTHER, reader.raw())


def _read_ip(reader: der.Reader, network: bool) -> str:
    octets = reader.read(0x87, "iPAddress")
    if len(octets) not in ((8, 32) if network else (4, 16)):
        raise reader.fail("wrong number of octets", "iPAddress")
    if not network:
        return str(ipaddress.ip_address(octets))
    half = len(octets) // 2
    mask = int.from_bytes(octets[half:], "big")
    prefix = mask.bit_count()
    if mask != ((1 << prefix) - 1) << (half * 8 - prefix):
        raise reader.fail("mask with holes", "iPAddress")
    return str(ipaddress.ip_network((octets[:half], prefix), strict=False))


def read_all(reader: der.Reader) -> tuple[GeneralName, ...]:
    """GeneralNames: every name up to the reader's end."""
    names: list[GeneralName] = []
    while reader.more:
        if len(names) >= _MAX_NAMES:
            raise reader.fail("too many names", "GeneralNames")
        names.append(read(reader))
    return tuple(names)


def encode_all(
    dns: Iterable[str] = (),
    ip: Iterable[str] = (),
    email: Iterable[str] = (),
    uri: Iterable[str] = (),
    directory: Iterable[Name] = (),
) -> bytes:
    """GeneralNames' content from names by kind."""
    return b"".join(
        [
            *(encode_text(DNS, value) for value in dns),
            *(encode_ip(value) for value in ip),
            *(encode_text(EMAIL, value) for value in email),
            *(encode_text(URI, value) for value in uri),
            *(encode_directory(value) for value in directory),
        ]
    )
