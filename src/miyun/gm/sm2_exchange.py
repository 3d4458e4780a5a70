"""SM2 key exchange (GB/T 32918.3) between an initiator A and a responder B, with optional key confirmation.

A sends R_A; B answers R_B and, to confirm, S_B; A answers S_A. One object serves one exchange: its ephemeral key is
made inside, never leaves it and is dropped with the first use. Point multiplications with secrets are the provider's;
the scalar t = d + x̄·r is computed with Python's integers, whose time is not strictly independent of their values.
"""

import hmac
from dataclasses import dataclass, field

from miyun.gm import _check, kdf, sm2
from miyun.gm.curve import A, N, P, decode_point
from miyun.gm.errors import InvalidInput, InvalidKey, InvalidSignature
from miyun.gm.providers import provider
from miyun.gm.providers.port import Buffer

_W = 1 << 127  # 2^w of GB/T 32918.3, 6.1: w = ⌈⌈log2 n⌉ / 2⌉ - 1


@dataclass(frozen=True, slots=True)
class Agreed:
    """What both sides compute: the key, and the confirmations S_A and S_B of 32 bytes each."""

    key: bytes = field(repr=False)
    s_a: bytes = field(repr=False)
    s_b: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Party:
    """A side of the exchange as the other knows it: its public key 04‖x‖y and user ID."""

    public: Buffer
    user_id: Buffer = sm2.DEFAULT_ID


def _reduced(x: int) -> int:
    """x̄ = 2^w + (x mod 2^w)."""
    return _W + (x & (_W - 1))


def _sum(a: tuple[int, int], b: tuple[int, int]) -> bytes:
    """a + b as 04‖x‖y, of public points only; InvalidKey when it is the point at infinity."""
    (ax, ay), (bx, by) = a, b
    if ax == bx and (ay + by) % P == 0:
        raise InvalidKey("the keys of the other side give the point at infinity")
    slope = (3 * ax * ax + A) * pow(2 * ay, -1, P) if a == b else (by - ay) * pow(bx - ax, -1, P)
    x = (slope * slope - ax - bx) % P
    y = (slope * (ax - x) - ay) % P
    return b"\4" + x.to_bytes(32, "big") + y.to_bytes(32, "big")


def _agree(
    initiator: bool, d: Buffer, r: Buffer, ephemeral: bytes, peer: Party, peer_ephemeral: Buffer, z: bytes, length: int
) -> Agreed:
    """GB/T 32918.3, 6.1: steps A4 to A10, or B2 to B9; `z` is the own Z."""
    peer_ephemeral = bytes(_check.public_key(peer_ephemeral))
    peer_x, _ = decode_point(peer_ephemeral)
    own_x = int.from_bytes(ephemeral[1:33], "big")
    t = (int.from_bytes(d, "big") + _reduced(own_x) * int.from_bytes(r, "big")) % N
    if not t:
        raise InvalidKey("these keys cannot agree; start the exchange again")
    multiply = provider().sm2_multiply
    weighted = multiply(_reduced(peer_x).to_bytes(32, "big"), peer_ephemeral)
    shared = multiply(t.to_bytes(32, "big"), _sum(decode_point(peer.public), decode_point(weighted)))
    x, y = shared[1:33], shared[33:]
    peer_z = sm2.za(peer.public, peer.user_id)
    identities = z + peer_z if initiator else peer_z + z
    points = ephemeral[1:] + peer_ephemeral[1:] if initiator else peer_ephemeral[1:] + ephemeral[1:]
    sm3 = provider().sm3
    inner = sm3(x + identities + points)
    return Agreed(kdf.sm2_kdf(x + y + identities, length), sm3(b"\3" + y + inner), sm3(b"\2" + y + inner))


class _Side:
    """The state of one side before the other's ephemeral key arrives."""

    _initiator: bool

    def __init__(self, d: Buffer, user_id: Buffer, peer: Party, length: int) -> None:
        self._d = bytes(_check.private_key(d))
        if not isinstance(length, int) or length < 1:
            raise InvalidInput("the length of the agreed key is at least 1 byte")
        self._z = sm2.za(sm2.public_key(d), user_id)
        sm2.check_public_key(peer.public)
        self._peer, self._length = peer, length
        ((r, self._ephemeral),) = sm2.generate_many(1)
        self._r: bytes | None = r

    @property
    def ephemeral(self) -> bytes:
        """R_A or R_B, 65 bytes (04‖x‖y), to send to the other side."""
        return self._ephemeral

    def _agree(self, peer_ephemeral: Buffer) -> Agreed:
        r, self._r = self._r, None
        if r is None:
            raise InvalidInput("this exchange is over; every exchange needs a new ephemeral key")
        return _agree(self._initiator, self._d, r, self._ephemeral, self._peer, peer_ephemeral, self._z, self._length)


class Initiator(_Side):
    """Side A: send `ephemeral`, then `finish` with the answer."""

    _initiator = True

    def finish(self, peer_ephemeral: Buffer, s_b: Buffer | None) -> tuple[bytes, bytes]:
        """The key and S_A to send, from R_B and S_B; None for S_B gives up confirmation of the other side.

        InvalidSignature when S_B is wrong, InvalidKey when R_B is not a point of the curve.
        """
        agreed = self._agree(peer_ephemeral)
        if s_b is not None:
            confirm(agreed.s_b, s_b)
        return agreed.key, agreed.s_a


class Opening:
    """Side A before it knows the other, as cryptographic modules have it (GM/T 0016, 0018): `ephemeral` goes out first,
    all else comes with `finish`, without confirmation. It serves one exchange."""

    def __init__(self) -> None:
        ((r, self._ephemeral),) = sm2.generate_many(1)
        self._r: bytes | None = r

    @property
    def ephemeral(self) -> bytes:
        """R_A, 65 bytes (04‖x‖y)."""
        return self._ephemeral

    @property
    def closed(self) -> bool:
        return self._r is None

    def close(self) -> None:
        """The ephemeral key is dropped."""
        self._r = None

    def finish(self, d: Buffer, user_id: Buffer, peer: Party, peer_ephemeral: Buffer, length: int) -> bytes:
        """The key, once; InvalidKey when the other side's keys are not points of the curve."""
        r, self._r = self._r, None
        if r is None:
            raise InvalidInput("this exchange is over; every exchange needs a new ephemeral key")
        d = bytes(_check.private_key(d))
        sm2.check_public_key(peer.public)
        z = sm2.za(sm2.public_key(d), user_id)
        return _agree(True, d, r, self._ephemeral, peer, peer_ephemeral, z, length).key


class Responder(_Side):
    """Side B: `respond` to R_A, send `ephemeral` and S_B, then `finish` with S_A."""

    _initiator = False
    _agreed: Agreed | None = None

    def respond(self, peer_ephemeral: Buffer) -> bytes:
        """S_B for R_A; InvalidKey when R_A is not a point of the curve."""
        self._agreed = self._agree(peer_ephemeral)
        return self._agreed.s_b

    def finish(self, s_a: Buffer | None) -> bytes:
        """The key, once; InvalidSignature when S_A is wrong. None gives up confirmation of the other side."""
        agreed, self._agreed = self._agreed, None
        if agreed is None:
            raise InvalidInput("respond to the other side's ephemeral key first, and finish once")
        if s_a is not None:
            confirm(agreed.s_a, s_a)
        return agreed.key


def confirm(expected: bytes, given: Buffer) -> None:
    """Raise InvalidSignature unless the given confirmation is the expected one. Constant time."""
    if not hmac.compare_digest(expected, bytes(_check.data(given, "confirmation"))):
        raise InvalidSignature


def agree_kat(
    initiator: bool, d: bytes, user_id: bytes, r: bytes, peer: Party, peer_ephemeral: bytes, length: int
) -> Agreed:
    """For known-answer tests: the ephemeral private key r is given."""
    ephemeral = provider().sm2_public_key(r)
    return _agree(initiator, d, r, ephemeral, peer, peer_ephemeral, sm2.za(sm2.public_key(d), user_id), length)
