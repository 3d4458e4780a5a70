"""Encodings of SM9 in DER (GM/T 0080), by shape only; whether a point lies in its group is the provider's to check.

SM9Signature  ::= SEQUENCE { h OCTET STRING, S BIT STRING }
SM9Cipher     ::= SEQUENCE { enType INTEGER, C1 BIT STRING, C3 OCTET STRING, cipherText OCTET STRING }
SM9KeyPackage ::= SEQUENCE { K OCTET STRING, C BIT STRING }
A public key, and an encapsulation alone, is a BIT STRING. Points are 04‖x‖y; of G2, each coordinate has the coefficient
of u first.
"""

from miyun.gm import _check
from miyun.gm._der import read, tlv
from miyun.gm.errors import InvalidInput
from miyun.gm.providers.port import Buffer

_SEQUENCE, _INTEGER, _BITS, _OCTETS = 0x30, 0x02, 0x03, 0x04


def encode_point(point: Buffer) -> bytes:
    """A public key or an encapsulation as BIT STRING."""
    return tlv(_BITS, b"\0" + bytes(_check.data(point, "point")))


def _point(data: bytes, start: int, malformed: str) -> tuple[bytes, int]:
    body, end = read(data, start, _BITS, malformed)
    if len(body) not in (66, 130) or body[:2] != b"\0\4":
        raise InvalidInput(malformed)
    return body[1:], end


def decode_point(der: Buffer) -> bytes:
    """The 65 or 129 bytes of a point in a BIT STRING; InvalidInput otherwise."""
    malformed = "an SM9 point is a BIT STRING of 04, x and y"
    data = bytes(_check.data(der, "point"))
    point, end = _point(data, 0, malformed)
    if end != len(data):
        raise InvalidInput(malformed)
    return point


def _sequence(der: Buffer, malformed: str) -> bytes:
    data = bytes(_check.data(der))
    body, end = read(data, 0, _SEQUENCE, malformed)
    if end != len(data):
        raise InvalidInput(malformed)
    return body


def encode_signature(h: bytes, s: bytes) -> bytes:
    """SM9Signature of h (32 bytes) and S (65 bytes)."""
    return tlv(_SEQUENCE, tlv(_OCTETS, h) + encode_point(s))


def decode_signature(der: Buffer) -> tuple[bytes, bytes]:
    """h and S of a strict SM9Signature; InvalidInput otherwise."""
    malformed = "the SM9 signature is malformed"
    body = _sequence(der, malformed)
    h, position = read(body, 0, _OCTETS, malformed)
    s, position = _point(body, position, malformed)
    if position != len(body) or len(h) != 32 or len(s) != 65:
        raise InvalidInput(malformed)
    return h, s


def encode_ciphertext(kind: int, c1: bytes, c3: bytes, c2: bytes) -> bytes:
    """SM9Cipher; `kind` is the number of the cipher, C1 has 65 bytes."""
    return tlv(_SEQUENCE, tlv(_INTEGER, bytes([kind])) + encode_point(c1) + tlv(_OCTETS, c3) + tlv(_OCTETS, c2))


def decode_ciphertext(der: Buffer) -> tuple[int, bytes, bytes, bytes]:
    """The number of the cipher, C1, C3 and C2 of a strict SM9Cipher; InvalidInput otherwise."""
    malformed = "the SM9 ciphertext is malformed"
    body = _sequence(der, malformed)
    kind, position = read(body, 0, _INTEGER, malformed)
    c1, position = _point(body, position, malformed)
    c3, position = read(body, position, _OCTETS, malformed)
    c2, position = read(body, position, _OCTETS, malformed)
    if position != len(body) or len(kind) != 1 or len(c1) != 65 or len(c3) != 32:
        raise InvalidInput(malformed)
    return kind[0], c1, c3, c2


def encode_key_package(key: bytes, c: bytes) -> bytes:
    """SM9KeyPackage: what `encapsulate` gave, the key in the clear beside its encapsulation."""
    return tlv(_SEQUENCE, tlv(_OCTETS, key) + encode_point(c))


def decode_key_package(der: Buffer) -> tuple[bytes, bytes]:
    """The key and its encapsulation of 65 bytes; InvalidInput otherwise."""
    malformed = "the SM9 key package is malformed"
    body = _sequence(der, malformed)
    key, position = read(body, 0, _OCTETS, malformed)
    c, position = _point(body, position, malformed)
    if position != len(body) or not key or len(c) != 65:
        raise InvalidInput(malformed)
    return key, c
