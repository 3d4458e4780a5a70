"""Checks of arguments, so that providers can trust them."""

from collections.abc import Sequence

from miyun.gm.curve import N
from miyun.gm.errors import InvalidInput, InvalidKey
from miyun.gm.providers.port import Buffer

_N_MINUS_1 = (N - 1).to_bytes(32, "big")
_ZERO = bytes(32)


def data(value: Buffer, name: str = "data") -> Buffer:
    """A byte string, or a contiguous view of bytes; InvalidInput names the argument otherwise."""
    if type(value) is bytes or isinstance(value, bytes | bytearray):  # the first test is the fast one
        return value
    if isinstance(value, memoryview):
        return value.cast("B") if value.c_contiguous else value.tobytes()
    raise InvalidInput(f"{name} must be bytes, bytearray or memoryview, not {type(value).__name__}")


PLAIN = frozenset((bytes, bytearray))
"""What needs no further look"""


def all_data(values: Sequence[Buffer], name: str = "item") -> Sequence[Buffer]:
    """`data` of each of them; costs little where all are plain."""
    return values if PLAIN.issuperset(map(type, values)) else [data(value, name) for value in values]


def sized(value: Buffer, size: int, name: str) -> Buffer:
    value = data(value, name)
    if len(value) != size:
        raise InvalidInput(f"{name} must be {size} bytes, not {len(value)}")
    return value


def private_key(d: Buffer) -> Buffer:
    """d in 1 … n-2 (GB/T 32918.1, 6.1) as 32 bytes; InvalidKey otherwise."""
    if type(d) is bytes and len(d) == 32 and _ZERO < d < _N_MINUS_1:
        return d
    d = data(d, "private key")
    if len(d) != 32:
        raise InvalidKey("an SM2 private key is 32 bytes")
    if not _ZERO < bytes(d) < _N_MINUS_1:
        raise InvalidKey("an SM2 private key lies in 1 … n-2")
    return d


def public_key(public: Buffer) -> Buffer:
    """The form 04‖x‖y; whether it lies on the curve is the provider's to check."""
    if type(public) is bytes and len(public) == 65 and public[0] == 4:
        return public
    public = data(public, "public key")
    if len(public) != 65 or public[0] != 4:
        raise InvalidKey("an SM2 public key is 65 bytes, 04 then x then y")
    return public
