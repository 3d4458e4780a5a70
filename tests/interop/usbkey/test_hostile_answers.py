"""The library's reader of answers against a process that is no token: cut off, too long, lying about lengths."""

from __future__ import annotations

import os
import random
import socket
import struct
import subprocess
import threading
from pathlib import Path

import pytest
from tests.interop.usbkey.test_library import NATIVE, compiled

from miyun.hsm.token import frames
from miyun.wire.skf import Sar

pytestmark = pytest.mark.engine


def answer(chance: random.Random) -> bytes:
    """Whole answers with any fields, some of them damaged."""
    fields = [
        chance.choice([chance.randbytes(chance.choice([0, 1, 4, 4, 4, 16, 32, 64, 64, 96, 112, 300])), 1, 7])
        for _ in range(chance.randrange(5))
    ]
    code = chance.choice([Sar.OK, Sar.OK, Sar.OK, Sar.PIN_INCORRECT, Sar.BUFFER_TOO_SMALL])
    whole = bytearray(frames.answer(code, fields))
    for _ in range(chance.choice([0, 0, 1, 2])):
        whole[chance.randrange(len(whole))] = chance.choice([0, 1, 0x7F, 0x80, 0xFF])
    if chance.random() < 0.1:
        del whole[chance.randrange(len(whole)) :]
    if chance.random() < 0.05:
        whole[:4] = struct.pack("!I", chance.choice([0, 3, 0x7FFFFFFF, 0xFFFFFFFF]))
    return bytes(whole)


def serve(listener: socket.socket, chance: random.Random) -> None:
    """Answers every request of every connection; a connection that is left waiting is closed."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.settimeout(0.2)
            try:
                while connection.recv(1 << 16):
                    connection.sendall(answer(chance))
            except OSError:
                continue


@pytest.mark.parametrize("seed", range(3))
def test_no_answer_makes_the_library_stumble(tmp_path: Path, seed: int) -> None:
    sources = [str(path) for path in sorted(NATIVE.glob("*.c"))]
    sanitized = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    program = compiled(tmp_path, "hostile.c", *sanitized, *sources)
    (tmp_path / "tokens" / "key").mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listener:
        descriptor = os.open(tmp_path / "tokens" / "key", os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{descriptor}/token.sock")
        os.close(descriptor)
        listener.listen(8)
        threading.Thread(target=serve, args=(listener, random.Random(seed)), daemon=True).start()
        environ = {**os.environ, "MIYUN_TOKENS": str(tmp_path / "tokens")}
        done = subprocess.run([program], env=environ, capture_output=True, text=True, timeout=240)
    assert (done.stdout, done.stderr) == ("survived\n", "")
