"""What is fuzzed: a decoder, messages that it takes, and how it may refuse others."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from miyun.wire.errors import DecodeError

_LENGTHS = (b"\x80", b"\x84\xff\xff\xff\xff", b"\x81\x01", b"\xff", b"\x00")


@dataclass(frozen=True, eq=False)
class Target:
    name: str
    decode: Callable[[bytes], object]
    messages: Callable[[], list[bytes]]
    refusals: tuple[type[Exception], ...] = (DecodeError,)
    prefixes_refused: bool = True
    """whether every truncation of a message has to be refused"""

    @cached_property
    def samples(self) -> tuple[bytes, ...]:
        return tuple(self.messages())

    def attempt(self, data: bytes) -> None:
        with contextlib.suppress(*self.refusals):
            self.decode(data)

    def mutation(self, rng: random.Random) -> bytes:
        """A message with a few octets changed, inserted, left out or repeated, or a length that lies."""
        data = bytearray(rng.choice(self.samples))
        for _ in range(rng.randrange(1, 5)):
            at, size = rng.randrange(len(data) + 1), rng.randrange(7)
            match rng.randrange(6):
                case 0 | 1:
                    data[at : at + 1] = bytes([rng.randrange(256)])
                case 2:
                    data[at:at] = rng.randbytes(size)
                case 3:
                    del data[at : at + size]
                case 4:
                    data[at:at] = data[at : at + 8 * size]
                case _:
                    data[at : at + 1] = rng.choice(_LENGTHS)
        return bytes(data)
