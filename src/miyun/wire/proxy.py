"""The header of the PROXY protocol, version 2 (HAProxy, proxy-protocol.txt): who is at the other end of a connection
that somebody else accepted, and the certificate whose key they have shown to hold.

signature (12) ‖ 0x21 ‖ family ‖ u16 length ‖ source, destination, ports ‖ TLVs. The destination is left unspecified.
A PP2_TYPE_SSL vector says that the connection is TLS; PP2_SUBTYPE_SSL_CLIENT_CERT inside it that the client was asked
for a certificate, and holds the one that it gave, in DER.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass, field
from typing import Final

from miyun.wire.errors import DecodeError, EncodeError

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
HEAD: Final = 16  # octets after which the length of the whole is known
MAX_CERTIFICATE: Final = 32 * 1024  # all of it has to fit a length of 16 bits

_PROXY: Final = 0x21  # version 2, a connection of somebody else's
_FAMILIES: Final = {4: 0x11, 6: 0x21}  # TCP over IPv4, over IPv6
_SIZES: Final = {family: version for version, family in _FAMILIES.items()}
_SSL: Final = 0x20
_CLIENT_CERTIFICATE: Final = 0x28
_CLIENT_SSL: Final = 0x01
_CLIENT_CERT_CONN: Final = 0x02
_CLIENT_CERT_SESS: Final = 0x04
_NOT_VERIFIED: Final = 1  # whether it is to be relied upon is not for the sender to say


@dataclass(frozen=True, slots=True)
class Origin:
    """`certificate`: None when the client was not asked for one, empty when it gave none. `tls` False: in the clear."""

    address: str
    port: int
    certificate: bytes | None = field(default=None, repr=False)
    tls: bool = True


def encode(origin: Origin) -> bytes:
    """Raises EncodeError."""
    try:
        address = ipaddress.ip_address(origin.address)
    except ValueError:
        raise EncodeError("an IP address is wanted", field="source") from None
    octets = address.packed
    body = octets + bytes(len(octets)) + struct.pack("!HH", origin.port, 0)
    certificate = origin.certificate
    if certificate is not None and len(certificate) > MAX_CERTIFICATE:
        raise EncodeError(f"at most {MAX_CERTIFICATE} octets", field="certificate")
    if origin.tls:
        client = _CLIENT_SSL | (_CLIENT_CERT_CONN | _CLIENT_CERT_SESS if certificate else 0)
        inside = _vector(_CLIENT_CERTIFICATE, certificate) if certificate is not None else b""
        body += _vector(_SSL, struct.pack("!BI", client, _NOT_VERIFIED) + inside)
    return SIGNATURE + struct.pack("!BBH", _PROXY, _FAMILIES[address.version], len(body)) + body


def size_of(begin: bytes | bytearray) -> int | None:
    """Octets of the whole header that begins so; None until HEAD octets are there. Raises DecodeError as soon as it
    cannot become one."""
    if not SIGNATURE.startswith(begin[: len(SIGNATURE)]):
        raise DecodeError("not a header of the PROXY protocol, version 2", field="signature")
    if len(begin) < HEAD:
        return None
    return HEAD + int.from_bytes(begin[14:16])


def decode(header: bytes) -> Origin:
    """Of a whole header. Raises DecodeError; vectors of other types are passed over."""
    size = size_of(header)
    if size is None or size != len(header):
        raise DecodeError("the header's length is another", offset=14, field="length")
    if header[12] != _PROXY or header[13] not in _SIZES:
        raise DecodeError("only TCP connections of clients are known", offset=12, field="family")
    octets = 4 if _SIZES[header[13]] == 4 else 16
    at = HEAD + 2 * octets + 4
    if at > size:
        raise DecodeError("the addresses are cut off", offset=HEAD, field="source")
    address = str(ipaddress.ip_address(header[HEAD : HEAD + octets]))
    [port] = struct.unpack_from("!H", header, HEAD + 2 * octets)
    tls = _vectors(header[at:], at).get(_SSL)
    if tls is None:
        return Origin(address, port, tls=False)
    return Origin(address, port, _certificate(tls, at + 3))


def _certificate(tls: bytes, offset: int) -> bytes | None:
    if len(tls) < 5 or not tls[0] & _CLIENT_SSL:
        raise DecodeError("the vector is cut off, or says nothing of TLS", offset=offset, field="PP2_TYPE_SSL")
    certificate = _vectors(tls[5:], offset + 5).get(_CLIENT_CERTIFICATE)
    if bool(tls[0] & _CLIENT_CERT_CONN) is not bool(certificate):
        raise DecodeError("the certificate and what is said of it do not agree", offset=offset, field="client")
    return certificate


def _vector(kind: int, value: bytes) -> bytes:
    return struct.pack("!BH", kind, len(value)) + value


def _vectors(octets: bytes, offset: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at < len(octets):
        end = at + 3 + int.from_bytes(octets[at + 1 : at + 3])
        if end > len(octets) or len(octets) - at < 3:
            raise DecodeError("a vector is cut off", offset=offset + at, field="TLV")
        if octets[at] in found:
            raise DecodeError("a vector comes twice", offset=offset + at, field="TLV")
        found[octets[at]] = octets[at + 3 : end]
        at = end
    return found
