"""Files of any size through the container, in constant memory: about a megabyte is worked on at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Final

from miyun.core.errors import DecryptionFailed, InvalidArgument
from miyun.core.i18n import Text
from miyun.core.ports import KeyDirectory, KeyInfo, KeyRef
from miyun.offerings.encryption.errors import not_a_container
from miyun.offerings.encryption.model import DEFAULT_MODES
from miyun.offerings.encryption.segments import (
    DATA_KEY,
    SEGMENT,
    TAG,
    BadHeader,
    Header,
    Incomplete,
    Segments,
    new_prefix,
    parse_header,
    wrapping_aad,
)

_AT_ONCE: Final = 1024 * 1024


async def begin(keys: KeyDirectory, ref: KeyRef, info: KeyInfo, associated_data: bytes) -> tuple[Header, Segments]:
    """A new container under the key and version of `ref`, which `info` is about."""
    if info.algorithm not in DEFAULT_MODES:
        raise InvalidArgument("key", Text("需要 SM4 或 AES-256 密钥", "an SM4 or AES-256 key is needed"))
    prefix = new_prefix()
    plain, wrapped = await keys.data_key(
        ref,
        size=DATA_KEY,
        aad=wrapping_aad(prefix, SEGMENT, associated_data),
        with_plaintext=True,
    )
    assert plain is not None
    return Header(info.key, info.version, wrapped, prefix, SEGMENT), Segments(plain, prefix)


async def resume(
    keys: KeyDirectory, ref: KeyRef, header: Header, associated_data: bytes, *, passes: int = 1
) -> tuple[KeyInfo, list[Segments]]:
    """The cipher of an existing container, one for each of `passes` over it. `ref` names the header's key, or one that
    was restored under another identifier. Raises DecryptionFailed for a changed header or other associated data."""
    info = await keys.info(ref)
    mode = DEFAULT_MODES.get(info.algorithm)
    if mode is None:
        raise DecryptionFailed
    aad = wrapping_aad(header.prefix, header.segment, associated_data)
    (plain,) = await keys.decrypt(ref, mode, [(header.wrapped, aad)])
    if plain is None or len(plain) != DATA_KEY:
        raise DecryptionFailed
    return info, [Segments(plain, header.prefix) for _ in range(passes)]


async def read_header(body: AsyncIterator[bytes], *, field: str) -> tuple[Header, bytearray]:
    """The header of a stream, and what was read beyond it. Raises InvalidArgument."""
    arrived = bytearray()
    while True:
        try:
            header, size = parse_header(arrived)
        except BadHeader:
            raise not_a_container(field) from None
        except Incomplete:
            chunk = await anext(body, None)
            if chunk is None:
                raise not_a_container(field) from None
            arrived += chunk
        else:
            del arrived[:size]
            return header, arrived


async def encrypt_stream(header: Header, segments: Segments, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The container's octets."""
    try:
        yield header.encode()
        async for parts, last in _gather(body, bytearray(), header.segment):
            yield await asyncio.to_thread(segments.encrypt, parts, last=last)
    finally:
        segments.close()


async def decrypt_stream(
    header: Header, segments: Segments, rest: bytearray, body: AsyncIterator[bytes]
) -> AsyncIterator[bytes]:
    """The plaintext. Each piece was checked before it is given out, but only the end shows that nothing is missing."""
    async for _, plain in _checked(header, segments, rest, body):
        yield plain


async def verified_stream(
    header: Header, segments: Segments, rest: bytearray, body: AsyncIterator[bytes]
) -> AsyncIterator[bytes]:
    """The segments themselves, as they came, each of them checked. Raises DecryptionFailed."""
    async for parts, _ in _checked(header, segments, rest, body):
        yield b"".join(parts)


async def _checked(
    header: Header, segments: Segments, rest: bytearray, body: AsyncIterator[bytes]
) -> AsyncIterator[tuple[list[bytes], bytes]]:
    try:
        async for parts, last in _gather(body, rest, header.segment + TAG):
            plain = await asyncio.to_thread(segments.decrypt, parts, last=last)
            if plain is None:
                raise DecryptionFailed
            yield parts, plain
    finally:
        segments.close()


def encrypt_whole(header: Header, segments: Segments, data: bytes) -> bytes:
    """A container of data in memory."""
    try:
        return header.encode() + segments.encrypt(_cut(data, header.segment) or [b""], last=True)
    finally:
        segments.close()


def decrypt_whole(header: Header, segments: Segments, data: bytes) -> bytes:
    """`data` is what follows the header. Raises DecryptionFailed."""
    try:
        plain = segments.decrypt(_cut(data, header.segment + TAG), last=True) if data else None
    finally:
        segments.close()
    if plain is None:
        raise DecryptionFailed
    return plain


def _cut(data: bytes | bytearray, size: int) -> list[bytes]:
    return [bytes(data[start : start + size]) for start in range(0, len(data), size)]


async def _gather(body: AsyncIterator[bytes], waiting: bytearray, size: int) -> AsyncIterator[tuple[list[bytes], bool]]:
    """Runs of whole segments, and whether the run ends the stream. The last segment is known only when the body has
    ended, so at least one octet is always held back until then."""
    at_once = max(_AT_ONCE // size, 1) * size
    async for chunk in body:
        for piece in _pieces(chunk):
            waiting += piece
            while len(waiting) > at_once:
                yield _cut(waiting[:at_once], size), False
                del waiting[:at_once]
    yield _cut(waiting, size) or [b""], True


def _pieces(chunk: bytes) -> Iterator[bytes]:
    for start in range(0, len(chunk), _AT_ONCE):
        yield chunk[start : start + _AT_ONCE]
