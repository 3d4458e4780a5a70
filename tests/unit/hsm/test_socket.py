"""Who is let in, and what happens to a peer that does not speak the protocol."""

from __future__ import annotations

import array
import asyncio
import os
import socket
import struct
import time
from collections.abc import Callable

import pytest
from tests.vsm import Vsm

from miyun.hsm import errors
from miyun.hsm.port import CipherItem, CipherMode, KeyAlgorithm, KeyBinding
from miyun.hsm.soft import frames
from miyun.hsm.soft.frames import HEADER, Opcode

TOKEN = b"token of this run"


def frame(code: int, body: bytes, *, version: int = frames.VERSION, request_id: int = 7) -> bytes:
    return HEADER.pack(HEADER.size - 4 + len(body), version, code, request_id) + body


HELLO = frame(Opcode.HELLO, frames.encode(frames.Hello(TOKEN)))


def dial(vsm: Vsm) -> socket.socket:
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    peer.settimeout(5)
    for _ in range(200):
        try:
            peer.connect(str(vsm.socket))
            return peer
        except OSError:
            time.sleep(0.05)
    raise AssertionError("the VSM does not listen")


def is_closed(peer: socket.socket) -> bool:
    try:
        while peer.recv(65536):
            pass
    except ConnectionError:
        return True
    return True


def with_descriptor(descriptor: Callable[[], int], size: int) -> Callable[[socket.socket], None]:
    def send(peer: socket.socket) -> None:
        passed = descriptor()
        body = frame(Opcode.RANDOM | frames.BULK, struct.pack("!Q", size))
        peer.sendmsg([body], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [passed]))])
        os.close(passed)

    return send


def unsealed() -> int:
    descriptor = os.memfd_create("t")
    os.ftruncate(descriptor, 100)
    return descriptor


@pytest.mark.parametrize(
    "misbehave",
    [
        lambda peer: peer.sendall(HELLO + frame(200 & 0x7F, b"")),
        lambda peer: peer.sendall(HELLO + frame(Opcode.STATUS, b"\x90", version=9)),
        lambda peer: peer.sendall(HELLO + struct.pack("!IBBI", 2, 1, 2, 3)),
        lambda peer: peer.sendall(HELLO + struct.pack("!IBBI", 1 << 31, 1, 2, 3)),
        lambda peer: peer.sendall(HELLO + b"GET / HTTP/1.1\r\n\r\n"),
        lambda peer: peer.sendall(HELLO + frame(Opcode.RANDOM | frames.BULK, struct.pack("!Q", 100))),
        lambda peer: peer.sendall(HELLO + frame(Opcode.RANDOM | frames.BULK, b"")),
        lambda peer: (peer.sendall(HELLO), with_descriptor(unsealed, 100)(peer)),
        lambda peer: (peer.sendall(HELLO), with_descriptor(lambda: os.open("/dev/zero", os.O_RDONLY), 100)(peer)),
        lambda peer: (peer.sendall(HELLO), with_descriptor(lambda: os.pipe()[0], 100)(peer)),
        lambda peer: peer.sendall(frame(Opcode.STATUS, b"\x90")),
        lambda peer: peer.sendall(frame(Opcode.HELLO, frames.encode(frames.Hello(b"guess")))),
    ],
    ids=[
        "unknown opcode",
        "other version",
        "length too short",
        "length too long",
        "another protocol",
        "bulk without descriptor",
        "bulk without size",
        "memfd not sealed",
        "descriptor of a device",
        "descriptor of a pipe",
        "no hello",
        "wrong token",
    ],
)
def test_its_connection_is_closed_and_others_are_served(vsm: Vsm, misbehave: Callable[[socket.socket], None]) -> None:
    with dial(vsm) as peer:
        misbehave(peer)
        assert is_closed(peer)

    async def others() -> None:
        machine = vsm.machine()
        assert len(await machine.random(8)) == 8
        await machine.aclose()

    asyncio.run(others())


def test_a_body_that_is_not_the_opcodes_is_refused_without_ending_the_connection(vsm: Vsm) -> None:
    with dial(vsm) as peer:
        peer.sendall(
            HELLO
            + frame(Opcode.SIGN, b"\xc1garbage")
            + frame(Opcode.RANDOM, frames.encode(frames.Random(4)), request_id=9)
        )
        answers = b""
        while len(answers) < 8 or frames.Outcome.OK not in answers[-20:]:
            answers += peer.recv(65536)
            if answers.count(b"\x00\x00\x00\x09"):
                break
        assert b"not a request SIGN" in answers


def test_a_process_without_the_token_gets_no_service(vsm: Vsm) -> None:
    async def scene() -> None:
        machine = vsm.machine(token=b"", patience=0.5)
        with pytest.raises(errors.MachineUnavailable):
            await machine.random(8)
        await machine.aclose()

    asyncio.run(scene())


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_a_process_of_another_user_gets_no_service(vsm: Vsm) -> None:
    dial(vsm).close()
    os.chmod(vsm.home, 0o711)
    os.chmod(vsm.socket.parent, 0o711)
    os.chmod(vsm.socket, 0o666)  # even where the file's mode would let it in
    child = os.fork()
    if child == 0:  # nothing may leave this block: it would run the rest of the tests
        code = 2
        try:
            os.setuid(60_099)
            with dial(vsm) as peer:
                code = 0
                peer.sendall(HELLO)
                code = 1 if peer.recv(100) else 0
        except ConnectionError:
            pass
        finally:
            os._exit(code)
    _, result = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(result) == 0
    assert "refused a connection" in vsm.log


def test_many_large_requests_at_once_all_come_back(vsm: Vsm) -> None:
    async def scene() -> None:
        machine = vsm.machine(patience=60)
        key = await machine.generate(KeyAlgorithm.AES_256, KeyBinding("t", "k", 1, "enabled"))
        blocks = [bytes((n,)) * (70_000 + n) for n in range(40)]
        encrypted = await asyncio.gather(
            *(machine.encrypt(key, CipherMode.AES_256_GCM, [CipherItem(block)]) for block in blocks)
        )
        decrypted = await asyncio.gather(
            *(machine.decrypt(key, CipherMode.AES_256_GCM, [CipherItem(e.data, e.iv)]) for (e,) in encrypted)
        )
        assert [plain for (plain,) in decrypted] == blocks
        await machine.aclose()

    asyncio.run(scene())


def test_a_peer_that_sends_and_never_reads_is_held_back(vsm: Vsm) -> None:
    with dial(vsm) as peer:
        peer.sendall(HELLO)
        peer.settimeout(1)
        ask = frame(Opcode.RANDOM, frames.encode(frames.Random(65_000)))
        with pytest.raises(TimeoutError):
            for _ in range(200_000):
                peer.sendall(ask)

        async def others() -> None:
            machine = vsm.machine()
            assert len(await machine.random(8)) == 8
            await machine.aclose()

        asyncio.run(others())
