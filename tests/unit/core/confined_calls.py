"""What readers of files do, well and badly; run in a process of their own by `test_confinement`."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass

from miyun.core.confinement import Refused


@dataclass(frozen=True)
class Told:
    size: int
    kind: str | None


def tell(octets: bytes, kind: str | None) -> Told:
    print("what a parser prints is no answer")
    return Told(len(octets), kind)


def refuse(octets: bytes) -> None:
    raise Refused("unreadable", "at octet 7")


def burn() -> None:
    while True:
        pass


def hoard() -> int:
    return len(bytes(1 << 40))


def fail(octets: bytes) -> None:
    raise LookupError(octets.decode())


def crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def say_half() -> None:
    """Of an answer, in the reader's own channel."""
    channels = [int(name) for name in os.listdir("/proc/self/fd") if int(name) > 2]
    channel = next(item for item in channels if os.readlink(f"/proc/self/fd/{item}").startswith("pipe:"))
    os.write(channel, (20).to_bytes(4, "big") + b"half")
    os.kill(os.getpid(), signal.SIGKILL)


def surroundings() -> dict[str, str]:
    return dict(os.environ)


def parent() -> int:
    return os.getppid()


_SEEN: list[int] = []


def remember() -> int:
    _SEEN.append(1)
    return len(_SEEN)


def wait_for(file: str) -> int:
    while not os.path.exists(file):
        time.sleep(0.01)
    return os.getppid()


def write(file: str) -> int:
    with open(file, "wb", buffering=0) as opened:
        return opened.write(b"x")
