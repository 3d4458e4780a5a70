"""The container's format: what goes in comes out, and no other octets do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miyun.core.errors import DecryptionFailed
from miyun.offerings.encryption import streaming
from miyun.offerings.encryption.segments import BadHeader, Header, Incomplete, Segments, parse_header

KEY, PREFIX = bytes(range(16)), b"7 bytes"


def header(segment: int) -> Header:
    return Header("key_x", 3, bytes(44), PREFIX, segment)


async def fed(data: bytes, cuts: list[int]) -> AsyncIterator[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, end in pairwise(edges):
        yield data[start:end]


async def joined(stream: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in stream])


async def there(data: bytes, cuts: list[int], segment: int) -> bytes:
    return await joined(streaming.encrypt_stream(header(segment), Segments(KEY, PREFIX), fed(data, cuts)))


async def back(container: bytes, cuts: list[int]) -> bytes:
    body = fed(container, cuts)
    found, rest = await streaming.read_header(body, field="body")
    return await joined(streaming.decrypt_stream(found, Segments(KEY, found.prefix), rest, body))


sizes = st.integers(1, 40)
cuts = st.lists(st.integers(0, 400), max_size=6)


@settings(max_examples=100)
@given(st.binary(max_size=300), cuts, cuts, sizes)
def test_any_data_in_any_pieces_comes_back(data: bytes, one: list[int], two: list[int], segment: int) -> None:
    async def scene() -> None:
        container = await there(data, one, segment)
        assert await back(container, two) == data
        assert container == streaming.encrypt_whole(header(segment), Segments(KEY, PREFIX), data)

    asyncio.run(scene())


@settings(max_examples=150)
@given(st.binary(max_size=120), sizes, st.data())
def test_a_changed_cut_or_lengthened_body_is_noticed(data: bytes, segment: int, draw: st.DataObject) -> None:
    whole = streaming.encrypt_whole(header(segment), Segments(KEY, PREFIX), data)
    start = len(header(segment).encode())
    kind = draw.draw(st.sampled_from(["change", "cut", "lengthen"]))
    if kind == "change":
        position = draw.draw(st.integers(start, len(whole) - 1))
        broken = whole[:position] + bytes((whole[position] ^ draw.draw(st.integers(1, 255)),)) + whole[position + 1 :]
    elif kind == "cut":
        broken = whole[: draw.draw(st.integers(start, len(whole) - 1))]
    else:
        broken = whole + draw.draw(st.binary(min_size=1, max_size=60))
    with pytest.raises(DecryptionFailed):
        asyncio.run(back(broken, []))
    with pytest.raises(DecryptionFailed):
        streaming.decrypt_whole(header(segment), Segments(KEY, PREFIX), broken[start:])


@settings(max_examples=100)
@given(
    st.from_regex(r"key_[0-9a-z]{1,40}", fullmatch=True),
    st.integers(1, 2**31 - 1),
    st.binary(min_size=28, max_size=255),
    st.binary(min_size=7, max_size=7),
    st.integers(1, 2**20),
    st.binary(max_size=20),
)
def test_headers_are_read_back(
    key: str, version: int, wrapped: bytes, prefix: bytes, segment: int, more: bytes
) -> None:
    written = Header(key, version, wrapped, prefix, segment)
    encoded = written.encode()
    assert parse_header(encoded + more) == (written, len(encoded))
    for end in (0, 3, len(encoded) // 2, len(encoded) - 1):
        with pytest.raises(Incomplete):
            parse_header(encoded[:end])


@settings(max_examples=200)
@given(st.one_of(st.binary(max_size=300), st.binary(max_size=300).map(lambda rest: b"MYSEG\x01" + rest)))
def test_any_octets_are_a_header_or_are_refused(data: bytes) -> None:
    try:
        found, size = parse_header(data)
    except (BadHeader, Incomplete):
        return
    assert found.encode() == data[:size]
