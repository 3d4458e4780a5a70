"""SM9 key exchange (GB/T 38635.2, GM/T 0044.3) between an initiator A and a responder B, with optional confirmation.

A sends R_A; B answers R_B and, to confirm, S_B; A answers S_A. One object serves one exchange: its ephemeral secret is
made inside, never leaves it and is dropped with the first use. Both sides have keys for the purpose "exchange" of one
master key.
"""

from miyun.gm import _check, kdf
from miyun.gm.errors import InvalidInput
from miyun.gm.providers import provider
from miyun.gm.providers.port import Buffer
from miyun.gm.sm2_exchange import Agreed, confirm
from miyun.gm.sm9 import identity, master_public_form, user_key_form


class _Side:
    """The state of one side before the other's ephemeral point arrives."""

    _initiator: bool

    def __init__(self, master: Buffer, key: Buffer, user_id: Buffer, peer_id: Buffer, length: int) -> None:
        self._master = bytes(master_public_form("exchange", master))
        self._key = bytes(user_key_form("exchange", key))
        if not isinstance(length, int) or length < 1:
            raise InvalidInput("the length of the agreed key is at least 1 byte")
        self._ids, self._length = (identity("exchange", user_id)[:-1], identity("exchange", peer_id)[:-1]), length
        self._start(None)

    def _start(self, r: bytes | None) -> None:
        peer = identity("exchange", self._ids[1])
        secret, self._ephemeral = provider().sm9_ephemeral(self._master, peer, r)
        self._r: bytes | None = secret

    @property
    def ephemeral(self) -> bytes:
        """R_A or R_B, 65 bytes (04‖x‖y), to send to the other side."""
        return self._ephemeral

    def _agree(self, peer_ephemeral: Buffer) -> Agreed:
        r, self._r = self._r, None
        if r is None:
            raise InvalidInput("this exchange is over; every exchange needs a new ephemeral point")
        peer = bytes(_check.sized(peer_ephemeral, 65, "ephemeral point"))
        paired, own, both = provider().sm9_agree(self._master, self._key, r, peer)
        ids, points = self._ids, (self._ephemeral[1:], peer[1:])
        g1, g2 = own, paired
        if not self._initiator:
            ids, points, g1, g2 = ids[::-1], points[::-1], paired, own
        parties = b"".join(ids + points)
        sm3 = provider().sm3
        inner = sm3(g2 + both + parties)
        key = kdf.sm2_kdf(parties + g1 + g2 + both, self._length)
        return Agreed(key, sm3(b"\x83" + g1 + inner), sm3(b"\x82" + g1 + inner))


class Initiator(_Side):
    """Side A: send `ephemeral`, then `finish` with the answer."""

    _initiator = True

    def finish(self, peer_ephemeral: Buffer, s_b: Buffer | None) -> tuple[bytes, bytes]:
        """The key and S_A to send, from R_B and S_B; None for S_B gives up confirmation of the other side.

        InvalidSignature when S_B is wrong, InvalidKey when R_B is not a point of G1.
        """
        agreed = self._agree(peer_ephemeral)
        if s_b is not None:
            confirm(agreed.s_b, s_b)
        return agreed.key, agreed.s_a


class Responder(_Side):
    """Side B: `respond` to R_A, send `ephemeral` and S_B, then `finish` with S_A."""

    _initiator = False
    _agreed: Agreed | None = None

    def respond(self, peer_ephemeral: Buffer) -> bytes:
        """S_B for R_A; InvalidKey when R_A is not a point of G1."""
        self._agreed = self._agree(peer_ephemeral)
        return self._agreed.s_b

    def finish(self, s_a: Buffer | None) -> bytes:
        """The key, once; InvalidSignature when S_A is wrong. None gives up confirmation of the other side."""
        agreed, self._agreed = self._agreed, None
        if agreed is None:
            raise InvalidInput("respond to the other side's ephemeral point first, and finish once")
        if s_a is not None:
            confirm(agreed.s_a, s_a)
        return agreed.key


def start_kat(side: Initiator | Responder, r: bytes) -> None:
    """For known-answer tests: begin with the given ephemeral secret."""
    side._start(r)
