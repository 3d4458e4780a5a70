"""What a signature in a PDF file says about the file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

MAX_PDF: Final = 16 * 1024 * 1024
MAX_SIGNATURES: Final = 32
RESERVED: Final = 16 * 1024
"""Octets for the message: certificates and a time-stamp need about eight thousand."""

Coverage = Literal["file", "revision", "none"]
PdfFormat = Literal["pades", "pkcs7"]


@dataclass(frozen=True, slots=True)
class Appearance:
    """Where a visible signature stands: page from 0, corners in points; `text` in Latin letters."""

    page: int
    box: tuple[int, int, int, int]
    text: str


@dataclass(frozen=True, slots=True)
class Placed:
    """A file that waits for its signature: `octets` with a gap from `start` to `end`."""

    octets: bytes = field(repr=False)
    start: int
    end: int
    name: str

    @property
    def signed(self) -> bytes:
        """What the signature is over."""
        return self.octets[: self.start] + self.octets[self.end :]

    def filled(self, message: bytes) -> bytes:
        """With the message in its gap."""
        return self.octets[: self.start + 1] + self.padded(message).hex().encode() + self.octets[self.end - 1 :]

    def padded(self, message: bytes) -> bytes:
        """What stands in the gap. Raises ValueError when it does not fit."""
        room = (self.end - self.start - 2) // 2
        if len(message) > room:
            raise ValueError("the message is larger than the room that was left for it")
        return message.ljust(room, b"\0")


@dataclass(frozen=True, slots=True)
class Found:
    """A signature in a file. `signed`: the octets that it is over; `coverage`: how much of the file these are, where
    "revision" allows what came later only when `modified` is empty."""

    name: str
    kind: str  # the SubFilter, or DocTimeStamp
    message: bytes = field(repr=False)
    signed: bytes = field(repr=False)
    coverage: Coverage
    modified: str = ""
