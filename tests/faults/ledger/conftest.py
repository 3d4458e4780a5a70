from __future__ import annotations

import contextlib
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Node:
    """The real ledger process of a home directory."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        return self.home / "run" / "ledger.sock"

    @property
    def journal(self) -> Path:
        return self.home / "journal"

    @property
    def log(self) -> str:
        return (self.home / "ledger.log").read_text()

    def start(self, *, file_limit: int | None = None) -> None:
        def limit() -> None:
            if file_limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, resource.RLIM_INFINITY))

        self.home.mkdir(exist_ok=True)
        self.socket.unlink(missing_ok=True)
        with (self.home / "ledger.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "miyun.core.ledger", "--home", str(self.home)], stderr=log, preexec_fn=limit
            )

    def lift_file_limit(self) -> None:
        assert self.process is not None
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, unlimited)

    def wait_ready(self) -> None:
        assert self.process is not None
        deadline = time.monotonic() + 60
        while not self.socket.exists():
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.01)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def exit_code(self) -> int:
        assert self.process is not None
        return self.process.wait(60)


@pytest.fixture
def node() -> Iterator[Node]:
    node = Node(Path(tempfile.mkdtemp(prefix="my", dir="/tmp")))
    yield node
    if node.process is not None and node.process.poll() is None:
        node.kill()
    shutil.rmtree(node.home, ignore_errors=True)


@pytest.fixture
def small_disk(node: Node) -> Iterator[Path]:
    """A file system of 2 MiB as the journal's home; needs root."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(node.home)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a tmpfs needs root; the limit on file sizes is tested instead")
    yield node.home
    if node.process is not None and node.process.poll() is None:
        node.kill()
    with contextlib.suppress(subprocess.CalledProcessError):
        subprocess.run(["umount", "-l", str(node.home)], check=True)
