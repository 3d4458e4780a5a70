"""The header of the PROXY protocol, version 2, by the octets that its specification gives."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miyun.wire.errors import DecodeError, EncodeError
from miyun.wire.proxy import HEAD, MAX_CERTIFICATE, SIGNATURE, Origin, decode, encode, size_of

# proxy-protocol.txt 2.2: signature, version 2 and PROXY, TCP over IPv4, 12 octets
SPECIFIED = bytes.fromhex("0D0A0D0A000D0A515549540A 21 11 000C CB007107 00000000 1267 0000")


def test_it_is_as_the_specification_draws_it() -> None:
    clear = Origin("203.0.113.7", 4711, tls=False)
    assert encode(clear) == SPECIFIED and decode(SPECIFIED) == clear


def test_it_says_that_a_connection_is_tls_and_that_a_certificate_was_asked_for() -> None:
    for origin, vector in (
        (Origin("203.0.113.7", 4711), "20 0005 01 00000001"),
        (Origin("203.0.113.7", 4711, b""), "20 0008 01 00000001 28 0000"),
    ):
        octets = bytes.fromhex(vector)
        assert encode(origin) == SPECIFIED[:14] + struct.pack("!H", 12 + len(octets)) + SPECIFIED[HEAD:] + octets
        assert decode(encode(origin)) == origin


def test_a_certificate_is_where_the_specification_puts_it() -> None:
    """PP2_TYPE_SSL 0x20 { client, verify, PP2_SUBTYPE_SSL_CLIENT_CERT 0x28 }."""
    header = encode(Origin("203.0.113.7", 4711, b"DER"))
    vector = bytes.fromhex("20 000B 07 00000001 28 0003") + b"DER"
    assert header == SIGNATURE + b"\x21\x11" + struct.pack("!H", 12 + len(vector)) + SPECIFIED[HEAD:] + vector


def test_vectors_of_other_types_are_passed_over() -> None:
    body = SPECIFIED[HEAD:] + bytes.fromhex("02 0003 612E62 20 0010 03 00000000 22 0002 434E 28 0003") + b"DER"
    assert decode(SPECIFIED[:14] + struct.pack("!H", len(body)) + body).certificate == b"DER"


@given(
    address=st.ip_addresses().map(str),
    port=st.integers(0, 65535),
    certificate=st.none() | st.binary(max_size=300),
    tls=st.booleans(),
)
def test_what_is_written_is_read(address: str, port: int, certificate: bytes | None, tls: bool) -> None:
    origin = Origin(address, port, certificate if tls else None, tls)
    header = encode(origin)
    assert decode(header) == origin
    for cut in range(len(header)):
        assert size_of(header[:cut]) == (len(header) if cut >= HEAD else None)
        with pytest.raises(DecodeError):
            decode(header[:cut])


@pytest.mark.parametrize(
    "header",
    [
        b"GET / HTTP/1.1\r\n",
        b"PROXY TCP4 127.0.0.1 0.0.0.0 1 0\r\n",
        SPECIFIED[:12] + b"\x20" + SPECIFIED[13:],  # LOCAL: nobody's connection
        SPECIFIED[:13] + b"\x12" + SPECIFIED[14:],  # UDP
        SPECIFIED + b"x",
        SPECIFIED[:15] + b"\x0b" + SPECIFIED[16:-1],
        SPECIFIED[:15] + b"\x0e" + SPECIFIED[16:] + b"\x20\x00",
        SPECIFIED[:15] + b"\x0f" + SPECIFIED[16:] + b"\x20\x00\x00",
        SPECIFIED[:15] + b"\x14" + SPECIFIED[16:] + bytes.fromhex("20 0005 07 00000001"),  # says that it is there
        SPECIFIED[:15] + b"\x14" + SPECIFIED[16:] + bytes.fromhex("20 0005 00 00000001"),  # of TLS, and is not
        SPECIFIED[:15] + b"\x24" + SPECIFIED[16:] + bytes.fromhex("20 0005 01 00000001") * 2 + b"\x04\0\0" + b"\4\0\1a",
    ],
)
def test_what_is_wrong_is_refused(header: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(header)


def test_what_does_not_fit_is_not_written() -> None:
    with pytest.raises(EncodeError, match="certificate"):
        encode(Origin("203.0.113.7", 1, bytes(MAX_CERTIFICATE + 1)))
    with pytest.raises(EncodeError, match="source"):
        encode(Origin("a name", 1))
