"""A real VSM process for tests, in a directory of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Self

from miyun.hsm.soft import SoftMachine

OWN_USER = 60_021 if os.geteuid() == 0 else 0


class Vsm:
    """`with Vsm() as vsm:` starts it; `vsm.machine()` is a client (make it on the loop that uses it)."""

    def __init__(self, *, root: str = "keyfile", token: bytes = b"", arguments: tuple[str, ...] = ()) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="my", dir="/tmp"))  # socket paths must be short
        self.socket = self.home / "run" / "vsm-platform.sock"
        self._token = token
        self._arguments = ("--home", str(self.home), "--root", root, "--uid", str(OWN_USER), *arguments)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        token_read, token_write = os.pipe()
        os.write(token_write, self._token)
        os.close(token_write)
        log = (self.home / "vsm.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "miyun.hsm.soft", *self._arguments, "--token-fd", str(token_read)],
            pass_fds=(token_read,),
            stderr=log,
        )
        log.close()
        os.close(token_read)

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)

    def machine(self, *, token: bytes | None = None, patience: float = 60.0) -> SoftMachine:
        return SoftMachine(str(self.socket), token=self._token if token is None else token, patience=patience)

    @property
    def log(self) -> str:
        return (self.home / "vsm.log").read_text()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop(signal.SIGKILL)
        shutil.rmtree(self.home, ignore_errors=True)
