"""The curve sm2p256v1 of GB/T 32918.5: its numbers and the encodings of points and signatures."""

from miyun.gm.errors import InvalidInput, InvalidKey

P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
A = P - 3
B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
GX = 0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7
GY = 0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0

PARAMETERS = b"".join(value.to_bytes(32, "big") for value in (A, B, GX, GY))
"""a‖b‖xG‖yG, as Z_A hashes them (GB/T 32918.2, 5.5)."""


def on_curve(xy: bytes) -> bool:
    """Whether x‖y are 64 bytes that satisfy the curve equation with both coordinates below p."""
    x, y = int.from_bytes(xy[:32], "big"), int.from_bytes(xy[32:], "big")
    return len(xy) == 64 and x < P and y < P and (y * y - (x * x + A) * x - B) % P == 0


def decode_point(public: bytes | bytearray | memoryview) -> tuple[int, int]:
    """The coordinates of 04‖x‖y; InvalidKey unless it is a point of the curve other than infinity."""
    data = bytes(public)
    if len(data) != 65 or data[0] != 4:
        raise InvalidKey("an SM2 public key is 65 bytes, 04 then x then y")
    if not on_curve(data[1:]):
        raise InvalidKey("the SM2 public key is not a point of the curve")
    return int.from_bytes(data[1:33], "big"), int.from_bytes(data[33:], "big")


def _integer(value: int) -> bytes:
    body = value.to_bytes(value.bit_length() // 8 + 1, "big")
    return b"\x02" + bytes([len(body)]) + body


def encode_signature(r: int, s: int) -> bytes:
    """SM2Signature ::= SEQUENCE { r INTEGER, s INTEGER } in DER (GM/T 0009, 7.3)."""
    if not (0 < r < N and 0 < s < N):
        raise InvalidInput("r and s of an SM2 signature lie in 1 … n-1")
    body = _integer(r) + _integer(s)
    return b"\x30" + bytes([len(body)]) + body


def _read_integer(data: bytes, start: int) -> tuple[int, int]:
    if start + 2 > len(data) or data[start] != 2:
        raise InvalidInput("an INTEGER is expected in the SM2 signature")
    length = data[start + 1]
    body = data[start + 2 : start + 2 + length]
    if not 1 <= length <= 33 or len(body) != length:
        raise InvalidInput("an INTEGER of the SM2 signature has a wrong length")
    if body[0] & 0x80 or (length > 1 and body[0] == 0 and not body[1] & 0x80):
        raise InvalidInput("an INTEGER of the SM2 signature is negative or not minimal")
    return int.from_bytes(body, "big"), start + 2 + length


def decode_signature(der: bytes | bytearray | memoryview) -> tuple[int, int]:
    """r and s of a strict DER signature; InvalidInput otherwise. The range of r and s is checked by verifying."""
    data = bytes(der)
    if len(data) < 8 or data[0] != 0x30 or data[1] != len(data) - 2:
        raise InvalidInput("an SM2 signature is one DER SEQUENCE without anything after it")
    r, position = _read_integer(data, 2)
    s, position = _read_integer(data, position)
    if position != len(data):
        raise InvalidInput("the SM2 signature holds more than r and s")
    return r, s
