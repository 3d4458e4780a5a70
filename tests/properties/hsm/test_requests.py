"""Whatever bodies a process that is let in sends: the VSM answers or hangs up, and goes on serving."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.vsm import Vsm

from miyun.hsm.port import CipherMode, KeyAlgorithm, SignScheme
from miyun.hsm.soft import frames
from miyun.hsm.soft.frames import HEADER, Opcode

HARMLESS = [op for op in Opcode if op not in (Opcode.PROVISION, Opcode.LOCK)]


@pytest.fixture(scope="module")
def vsm() -> Iterator[Vsm]:
    with Vsm() as running:
        asyncio.run(alive(running))
        yield running


async def alive(vsm: Vsm) -> None:
    machine = vsm.machine()
    assert len(await machine.random(8)) == 8
    await machine.aclose()


words = st.sampled_from([*KeyAlgorithm, *SignScheme, *CipherMode, "asn1", "session", "enabled", ""])
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 2**40), st.binary(max_size=80), words, st.text(max_size=10)
)
binding = st.fixed_dictionaries(
    {"tenant": st.text(max_size=3), "key": st.text(max_size=3), "version": st.integers(-1, 5), "state": words}
)
wrapped = st.fixed_dictionaries(
    {
        "algorithm": words,
        "binding": binding,
        "blob": st.binary(max_size=80),
        "public": st.none() | st.binary(max_size=9),
    }
)
lists = st.lists(leaves, max_size=4)
values = st.one_of(leaves, binding, wrapped, lists, st.lists(lists, max_size=3))
handles = st.binary(min_size=32, max_size=32)
requests = st.one_of(st.lists(values, max_size=9), st.tuples(handles, st.none() | wrapped, words, lists, leaves))
bodies = st.one_of(st.binary(max_size=200), requests.map(msgspec.msgpack.encode))


def ask(vsm: Vsm, opcode: Opcode, body: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(10)
        peer.connect(str(vsm.socket))
        hello = frames.encode(frames.Hello(b""))
        for code, number, content in ((Opcode.HELLO, 0, hello), (opcode, 1, body)):
            peer.sendall(HEADER.pack(HEADER.size - 4 + len(content), frames.VERSION, code, number) + content)
        answer = b""
        deadline = time.monotonic() + 10
        while answer.count(b"\x00\x00\x00\x01") == 0 and time.monotonic() < deadline:
            try:
                part = peer.recv(65536)
            except ConnectionError:
                break
            if not part:
                break
            answer += part
        return answer


@settings(max_examples=400)
@given(st.sampled_from(HARMLESS), bodies)
def test_no_body_brings_the_machine_down(vsm: Vsm, opcode: Opcode, body: bytes) -> None:
    ask(vsm, opcode, body)
    assert vsm.process is not None and vsm.process.poll() is None


def test_afterwards_it_still_serves_and_nothing_failed_inside(vsm: Vsm) -> None:
    asyncio.run(alive(vsm))
    assert "a request failed" not in vsm.log, vsm.log
