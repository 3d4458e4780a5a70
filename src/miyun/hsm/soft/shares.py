"""Shamir's secret sharing over GF(2^8), byte by byte, for the VSM's root key.

A share is one line that an operator keeps: `MIYUN-SHARE-1-<set>-<threshold>-<index>-<payload>-<check>`, set, payload
and check in hexadecimal. `check` is the first 4 octets of SM3 over what stands before it, so that a slip of the pen is
noticed before the share is used; that the shares together give the right root is checked against the root's own check
value.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from miyun.gm import rand, sm3

MAX_SHARES: Final = 16
_SHAPE: Final = re.compile(r"(MIYUN-SHARE-1-([0-9a-f]{8})-([0-9]{1,2})-([0-9]{1,2})-([0-9a-f]{2,128}))-([0-9a-f]{8})")


@dataclass(frozen=True, slots=True)
class Share:
    """`set_id` names the splitting, so that shares of different splittings are not mixed. `index` counts from 1."""

    set_id: str
    threshold: int
    index: int
    payload: bytes = field(repr=False)

    def text(self) -> str:
        body = f"MIYUN-SHARE-1-{self.set_id}-{self.threshold}-{self.index}-{self.payload.hex()}"
        return f"{body}-{_check(body)}"


def _check(body: str) -> str:
    return sm3.digest(body.encode())[:4].hex()


def parse(text: str) -> Share:
    """Reads a share as an operator typed it (blanks around it are ignored). Raises ValueError."""
    match = _SHAPE.fullmatch(text.strip())
    if match is None:
        raise ValueError("not a share of this system")
    body, set_id, threshold, index, payload, check = match.groups()
    if _check(body) != check:
        raise ValueError("the share has a typing error")
    if len(payload) % 2 or not 1 <= int(index) <= MAX_SHARES or not 2 <= int(threshold) <= MAX_SHARES:
        raise ValueError("not a share of this system")
    return Share(set_id, int(threshold), int(index), bytes.fromhex(payload))


def split(secret: bytes, threshold: int, count: int) -> list[Share]:
    """`count` shares, any `threshold` of which give `secret` back; fewer tell nothing. 2 ≤ threshold ≤ count ≤ 16."""
    if not 2 <= threshold <= count <= MAX_SHARES:
        raise ValueError(f"2 to {MAX_SHARES} shares, and a threshold between 2 and their number")
    polynomials = [bytes((octet,)) + rand.token(threshold - 1) for octet in secret]
    set_id = rand.token(4).hex()
    return [
        Share(set_id, threshold, index, bytes(_evaluate(polynomial, index) for polynomial in polynomials))
        for index in range(1, count + 1)
    ]


def combine(shares: Sequence[Share]) -> bytes:
    """The secret, by Lagrange interpolation at 0. Raises ValueError for too few, repeated or unrelated shares."""
    if not shares or len(shares) < shares[0].threshold:
        raise ValueError("too few shares")
    first = shares[0]
    if any(
        (s.set_id, s.threshold, len(s.payload)) != (first.set_id, first.threshold, len(first.payload)) for s in shares
    ):
        raise ValueError("the shares do not belong together")
    used = shares[: first.threshold]
    points = [share.index for share in used]
    if len(set(points)) != len(points):
        raise ValueError("the same share was given twice")
    secret = bytearray(len(first.payload))
    for share in used:
        weight = 1
        for other in points:
            if other != share.index:
                weight = _multiply(weight, _multiply(other, _inverse(other ^ share.index)))
        for position, octet in enumerate(share.payload):
            secret[position] ^= _multiply(octet, weight)
    return bytes(secret)


def _evaluate(polynomial: bytes, x: int) -> int:
    value = 0
    for coefficient in reversed(polynomial):
        value = _multiply(value, x) ^ coefficient
    return value


def _multiply(a: int, b: int) -> int:
    """In GF(2^8) modulo x^8+x^4+x^3+x+1, without branches or tables that depend on the operands."""
    product = 0
    for _ in range(8):
        product ^= -(b & 1) & a
        a = (a << 1) ^ (-(a >> 7) & 0x11B)
        b >>= 1
    return product


def _inverse(a: int) -> int:
    """a^254; indices are public, so this need not hide its operand."""
    result = 1
    for _ in range(254):
        result = _multiply(result, a)
    return result
