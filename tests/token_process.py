"""A real token process for tests, in a directory of its own, and a client that speaks its frames."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from miyun.gm import sm4
from miyun.hsm.skf import Library, connected
from miyun.hsm.token import frames
from miyun.hsm.token.frames import Function
from miyun.wire.skf import Sar

AUTHENTICATION_KEY = bytes(range(16))


class TokenClient:
    """`ask` answers (code, fields)."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(60)
        self._socket.connect(str(path))

    def ask(self, function: Function, *arguments: int | bytes | str) -> tuple[Sar, list[bytes]]:
        self._socket.sendall(frames.request(function, *arguments))
        return self.answer()

    def done(self, function: Function, *arguments: int | bytes | str) -> list[bytes]:
        code, fields = self.ask(function, *arguments)
        assert code is Sar.OK, code
        return fields

    def send(self, octets: bytes) -> None:
        self._socket.sendall(octets)

    def answer(self) -> tuple[Sar, list[bytes]]:
        (size,) = frames.LENGTH.unpack(self._exactly(4))
        body = self._exactly(size)
        return Sar(int.from_bytes(body[:4], "big")), frames.parse_fields(body[4:])

    def _exactly(self, size: int) -> bytes:
        read = b""
        while len(read) < size:
            more = self._socket.recv(size - len(read))
            if not more:
                raise ConnectionResetError
            read += more
        return read

    def authenticate(self, key: bytes = AUTHENTICATION_KEY) -> Sar:
        (drawn,) = self.done(Function.GEN_RANDOM, 8)
        return self.ask(Function.DEV_AUTH, sm4.encrypt_ecb(key, drawn.ljust(16, b"\0")))[0]

    def close(self) -> None:
        self._socket.close()


class TokenProcess:
    """`with TokenProcess() as token:` makes and starts it as the token `name` of `tokens` (for MIYUN_TOKENS)."""

    def __init__(self, name: str = "key", serial: str = "T0001") -> None:
        self.tokens = Path(tempfile.mkdtemp(prefix="mt", dir="/tmp"))
        self.name = name
        self.folder = self.tokens / name
        self.process: subprocess.Popen[bytes] | None = None
        read, write = os.pipe()
        os.write(write, AUTHENTICATION_KEY)
        os.close(write)
        made = ["--folder", str(self.folder), "--make", "--serial", serial, "--key-fd", str(read)]
        subprocess.run([sys.executable, "-m", "miyun.hsm.token", *made], pass_fds=(read,), check=True)
        os.close(read)

    def start(self) -> None:
        with (self.folder / "token.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "miyun.hsm.token", "--folder", str(self.folder)], stderr=log
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                self.client().close()
                return
            except OSError:
                assert self.process.poll() is None and time.monotonic() < deadline, self.log
                time.sleep(0.02)

    def client(self) -> TokenClient:
        return TokenClient(self.folder / "token.sock")

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)

    def personalise(self, container: str, certify: Callable[[bytes], bytes], *, pin: str = "12345678") -> None:
        """An application with a container, its signing key, and the certificate that `certify` makes of its point.
        MIYUN_TOKENS has to be `tokens`."""
        with connected(Library(), self.name) as token:
            token.authenticate(AUTHENTICATION_KEY)
            application = token.create_application("MIYUN", admin_pin="admin-pin-1", user_pin=pin)
            application.verify_pin(pin)
            made = application.create_container(container)
            made.import_certificate(certify(made.generate()))

    @property
    def log(self) -> str:
        return (self.folder / "token.log").read_text()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop(signal.SIGKILL)
        shutil.rmtree(self.tokens, ignore_errors=True)
