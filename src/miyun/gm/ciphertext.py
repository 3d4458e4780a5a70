"""Encodings of an SM2 ciphertext.

asn1    SM2Cipher ::= SEQUENCE { x INTEGER, y INTEGER, hash OCTET STRING, cipher OCTET STRING } in DER (GM/T 0009)
c1c3c2  04‖x‖y‖C3‖C2 (GB/T 32918.4 of 2016)
c1c2c3  04‖x‖y‖C2‖C3 (the draft of 2010, still met)
"""

from typing import Literal, get_args

from miyun.gm import _check
from miyun.gm._der import read, tlv
from miyun.gm.curve import on_curve
from miyun.gm.errors import InvalidInput
from miyun.gm.providers.port import Buffer

Encoding = Literal["asn1", "c1c3c2", "c1c2c3"]
_MALFORMED = "the SM2 ciphertext is malformed"


def check_encoding(encoding: str) -> None:
    if encoding not in get_args(Encoding):
        raise InvalidInput(f"an SM2 ciphertext encoding is one of {', '.join(get_args(Encoding))}, not {encoding!r}")


def convert_ciphertext(data: Buffer, from_: Encoding, to: Encoding) -> bytes:
    """Re-encode a ciphertext. Only its form is checked: InvalidInput when it is malformed."""
    check_encoding(from_)
    check_encoding(to)
    raw = bytes(_check.data(data, "ciphertext"))
    x, y, c3, c2 = _read_asn1(raw) if from_ == "asn1" else _read_raw(raw, from_)
    if to == "asn1":
        body = _integer(x) + _integer(y) + tlv(4, c3) + tlv(4, c2)
        return tlv(0x30, body)
    return b"\4" + x + y + (c3 + c2 if to == "c1c3c2" else c2 + c3)


def _read_raw(data: bytes, encoding: Encoding) -> tuple[bytes, bytes, bytes, bytes]:
    """x, y, C3, C2. A first byte 04 is the prefix, unless the rest is then too short to be a ciphertext.

    Without the prefix x may itself begin with 04 (1 in 256); only the curve equation tells the two readings apart.
    """
    body = _strip_prefix(data)
    if len(body) < 97:
        raise InvalidInput(_MALFORMED)
    x, y, rest = body[:32], body[32:64], body[64:]
    return (x, y, rest[:32], rest[32:]) if encoding == "c1c3c2" else (x, y, rest[-32:], rest[:-32])


def _strip_prefix(data: bytes) -> bytes:
    if data[:1] != b"\4":
        return data
    if on_curve(data[1:65]) or not on_curve(data[:64]):
        return data[1:]
    return data


def _integer(value: bytes) -> bytes:
    body = value.lstrip(b"\0") or b"\0"
    return tlv(2, b"\0" + body if body[0] & 0x80 else body)


def _coordinate(data: bytes, start: int) -> tuple[bytes, int]:
    body, end = read(data, start, 2, _MALFORMED)
    minimal = body and not body[0] & 0x80 and not (len(body) > 1 and body[0] == 0 and not body[1] & 0x80)
    value = body.lstrip(b"\0")
    if not minimal or len(value) > 32:
        raise InvalidInput(_MALFORMED)
    return value.rjust(32, b"\0"), end


def _read_asn1(data: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    body, end = read(data, 0, 0x30, _MALFORMED)
    if end != len(data):
        raise InvalidInput(_MALFORMED)
    x, position = _coordinate(body, 0)
    y, position = _coordinate(body, position)
    c3, position = read(body, position, 4, _MALFORMED)
    c2, position = read(body, position, 4, _MALFORMED)
    if position != len(body) or len(c3) != 32 or not c2:
        raise InvalidInput(_MALFORMED)
    return x, y, c3, c2
