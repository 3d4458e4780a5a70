"""The container of envelopes and streams: a wrapped data key, then segments that can be checked one by one.

Header, big-endian:

    "MYSEG" ‖ u8 format = 1 ‖ u8 n ‖ key identifier (n octets, UTF-8) ‖ u32 key version
    ‖ u8 n ‖ wrapped data key (n octets: iv ‖ ciphertext ‖ tag) ‖ nonce prefix (7 octets) ‖ u32 segment size

Each segment is SM4-GCM of `segment size` octets of plaintext (the last one: 0 to `segment size`) with its 16-octet tag,
under the data key, without associated data, and with the nonce of the STREAM construction (Hoang, Reyhanitabar,
Rogaway, Vizár 2015): prefix ‖ u32 number of the segment, from 0 ‖ u8 (1 for the last segment, else 0). So a segment
that is lost, repeated, put elsewhere or left off at the end is noticed. The magic, the prefix, the segment size and the
caller's associated data are the associated data of the data key's wrapping (`wrapping_aad`); another key or version
does not unwrap it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from miyun.gm import rand, sm4

SEGMENT: Final = 64 * 1024
DATA_KEY: Final = 16
TAG: Final = 16
_MAGIC: Final = b"MYSEG\x01"
_PREFIX: Final = 7
_MAX_SEGMENT: Final = 1024 * 1024
_MAX_NUMBER: Final = 0xFFFFFFFF
MAX_HEADER: Final = len(_MAGIC) + 1 + 255 + 4 + 1 + 255 + _PREFIX + 4


class BadHeader(ValueError):
    """Not a header of this format."""


class Incomplete(Exception):
    """More octets are needed to read the header."""


@dataclass(frozen=True, slots=True)
class Header:
    key: str
    version: int
    wrapped: bytes = field(repr=False)
    prefix: bytes
    segment: int

    def encode(self) -> bytes:
        name = self.key.encode()
        return b"".join(
            (
                _MAGIC,
                bytes((len(name),)),
                name,
                self.version.to_bytes(4, "big"),
                bytes((len(self.wrapped),)),
                self.wrapped,
                self.prefix,
                self.segment.to_bytes(4, "big"),
            )
        )


def new_prefix() -> bytes:
    return rand.token(_PREFIX)


def wrapping_aad(prefix: bytes, segment: int, associated_data: bytes) -> bytes:
    """Associated data under which the data key is wrapped."""
    return _MAGIC + prefix + segment.to_bytes(4, "big") + associated_data


def parse_header(data: bytes | bytearray) -> tuple[Header, int]:
    """(header, its size). Raises Incomplete or BadHeader."""
    view = bytes(data[:MAX_HEADER])
    if view[: len(_MAGIC)] != _MAGIC[: len(view)]:
        raise BadHeader
    position = len(_MAGIC)

    def take(count: int) -> bytes:
        nonlocal position
        part = view[position : position + count]
        if len(part) < count:
            raise Incomplete
        position += count
        return part

    name = take(take(1)[0])
    version = int.from_bytes(take(4), "big")
    wrapped = take(take(1)[0])
    prefix = take(_PREFIX)
    segment = int.from_bytes(take(4), "big")
    try:
        key = name.decode()
    except UnicodeDecodeError:
        raise BadHeader from None
    if not key or not 1 <= version <= 0x7FFFFFFF or not 1 <= segment <= _MAX_SEGMENT or len(wrapped) < 28:
        raise BadHeader
    return Header(key, version, wrapped, prefix, segment), position


class Segments:
    """The cipher of one container. `close` overwrites the data key; nothing can be done after it."""

    def __init__(self, data_key: bytes, prefix: bytes) -> None:
        self._key = bytearray(data_key)
        self._prefix = prefix
        self._number = 0

    def encrypt(self, plains: Sequence[bytes], *, last: bool) -> bytes:
        """The next segments; `last` says that the last of them ends the container."""
        return b"".join(sm4.gcm_encrypt_many(self._key, self._items(plains, last)))

    def decrypt(self, segments: Sequence[bytes], *, last: bool) -> bytes | None:
        """The plaintext of the next segments, each with its tag; None when any of them is not what was written."""
        if any(len(segment) < TAG for segment in segments):
            return None
        plains = sm4.gcm_decrypt_many(self._key, self._items(segments, last))
        whole = [plain for plain in plains if plain is not None]
        return b"".join(whole) if len(whole) == len(plains) else None

    def close(self) -> None:
        self._key[:] = bytes(len(self._key))

    def _items(self, parts: Sequence[bytes], last: bool) -> list[tuple[bytes, bytes, bytes]]:
        first, self._number = self._number, self._number + len(parts)
        if self._number > _MAX_NUMBER:
            raise OverflowError("a container has at most 2^32 - 1 segments")
        end = len(parts) - 1
        return [
            (
                self._prefix + (first + index).to_bytes(4, "big") + (b"\x01" if last and index == end else b"\x00"),
                part,
                b"",
            )
            for index, part in enumerate(parts)
        ]
