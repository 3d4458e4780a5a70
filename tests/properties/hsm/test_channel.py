"""Frames arrive whole and in order however the kernel cuts the stream; anything else ends the channel, never more."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from hypothesis import given, settings
from hypothesis import strategies as st

from miyun.hsm.soft.channel import Channel
from miyun.hsm.soft.frames import BULK_FROM, HEADER

codes, numbers = st.integers(0, 127), st.integers(0, 2**32 - 1)
large = st.builds(lambda more, octet: bytes((octet,)) * (BULK_FROM + more), st.integers(-20, 20), st.integers(0, 255))
bodies = st.one_of(st.binary(max_size=50), large)


async def collect(send: list[tuple[int, int, bytes]], raw: bytes = b"", cut: int = 0) -> list[tuple[int, int, bytes]]:
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    received: list[tuple[int, int, bytes]] = []
    ended = asyncio.Event()
    receiver = Channel(
        right, on_frame=lambda code, number, body: received.append((code, number, body)), on_close=ended.set
    )
    if raw:
        left.setblocking(True)
        left.sendall(raw[:cut])
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        with contextlib.suppress(BrokenPipeError):  # the first part may have ended the channel already
            left.sendall(raw[cut:])
        left.shutdown(socket.SHUT_WR)
        await asyncio.wait_for(ended.wait(), 60)
        left.close()
        return received
    sender = Channel(left, on_frame=lambda *_: None, on_close=lambda: None)
    for code, number, body in send:
        sender.send(code, number, body)
    async with asyncio.timeout(60):
        while len(received) < len(send):
            await asyncio.sleep(0.001)
    sender.close()
    receiver.close()
    return received


@settings(max_examples=60)
@given(st.lists(st.tuples(codes, numbers, bodies), max_size=12))
def test_what_is_sent_arrives(frames: list[tuple[int, int, bytes]]) -> None:
    assert asyncio.run(collect(frames)) == frames


@settings(max_examples=100)
@given(st.data())
def test_a_cut_stream_gives_the_same_frames(data: st.DataObject) -> None:
    frames = data.draw(st.lists(st.tuples(codes, numbers, st.binary(max_size=40)), min_size=1, max_size=5))
    raw = b"".join(HEADER.pack(6 + len(body), 1, code, number) + body for code, number, body in frames)
    cut = data.draw(st.integers(0, len(raw)))
    assert asyncio.run(collect([], raw, cut)) == frames


@settings(max_examples=150)
@given(st.binary(min_size=1, max_size=200))
def test_any_octets_only_end_the_channel(raw: bytes) -> None:
    asyncio.run(collect([], raw, len(raw) // 2))
