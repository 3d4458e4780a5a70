"""chronyd as a time server on loopback, which sets no clock; with a false time by libfaketime."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.platform import free_port

CHRONYD = shutil.which("chronyd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
# Debian has one folder for each architecture, e.g. /usr/lib/x86_64-linux-gnu/faketime
_FAKETIME = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)


def require_chronyd() -> None:
    if CHRONYD is None or _FAKETIME is None:
        why = "chronyd or libfaketime is missing"
        pytest.fail(why) if os.environ.get("CI") == "true" else pytest.skip(why)


@contextmanager
def time_server(*, ahead: float = 0.0, synchronised: bool = True) -> Iterator[str]:
    """`127.0.0.1:port` of a server whose time is `ahead` seconds ahead of this machine's."""
    require_chronyd()
    assert CHRONYD is not None
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="chronyd") as folder, ExitStack() as stack:
        lines = [
            f"port {port}",
            "bindaddress 127.0.0.1",
            "allow 127.0.0.1",
            "cmdport 0",
            "bindcmdaddress /",
            f"pidfile {folder}/pid",
            *(["local stratum 8"] if synchronised else []),
        ]
        file = Path(folder) / "chrony.conf"
        file.write_text("\n".join(lines) + "\n", "utf-8")
        environ = dict(os.environ)
        if ahead:
            environ |= {"LD_PRELOAD": str(_FAKETIME), "FAKETIME": f"{ahead:+}s"}
        process = subprocess.Popen(
            [CHRONYD, "-x", "-d", "-U", "-u", pwd.getpwuid(os.geteuid()).pw_name, "-f", str(file)],
            env=environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        stack.callback(process.wait, 60)
        stack.callback(process.kill)
        _await_answer(process, port)
        yield f"127.0.0.1:{port}"


def _await_answer(process: subprocess.Popen[str], port: int) -> None:
    deadline = time.monotonic() + 60
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.connect(("127.0.0.1", port))
        asking.settimeout(0.2)
        while time.monotonic() < deadline:
            if process.poll() is not None:
                assert process.stderr is not None
                raise AssertionError(f"chronyd ended: {process.stderr.read()}")
            try:
                asking.send(b"\x23" + bytes(47))
                asking.recv(100)
            except OSError:
                time.sleep(0.05)
                continue
            return
    raise AssertionError("chronyd does not answer")
