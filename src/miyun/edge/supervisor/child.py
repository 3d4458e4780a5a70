"""What the supervisor runs, and when it starts it again."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One process. `stage` orders the start (low first) and the stop (high first); `socket` accepts when it is ready.

    `asked`: the socket on which it is asked whether it still works, by default the same; `question`: what is sent
    there. An answer is whatever comes back, or that it ends the connection: either takes an event loop that turns. None
    of the questions needs another process, so that a locked VSM or a busy ledger is not taken for a worker that hangs.

    `inherit` are descriptors it gets under the same numbers (one-time tokens): nothing secret is ever an argument.
    """

    name: str  # "web-0"
    module: str  # run as `python -m`
    arguments: tuple[str, ...] = ()
    stage: int = 0
    socket: Path | None = None
    stop_seconds: float = 10.0
    asked: Path | None = None
    question: bytes = b""
    hangs_after: float = 0.0  # seconds without an answer after which it is taken for hanging; 0: it is not asked
    token: bool = False  # gets the VSM's token on an inherited descriptor, named by `--token-fd`
    final_exits: frozenset[int] = frozenset()  # it says itself that starting again will not help
    environ: Mapping[str, str] = field(default_factory=dict)

    def command(self, lifeline: int, token: int | None) -> list[str]:
        arguments = [*self.arguments, *(("--token-fd", str(token)) if token is not None else ())]
        return [sys.executable, "-m", "miyun.edge.lifeline", str(lifeline), self.module, *arguments]

    def is_ready(self) -> bool:
        """Whether it accepts connections (True for a child that has no address)."""
        if self.socket is None:
            return True
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1.0)
            try:
                probe.connect(str(self.socket))
            except OSError:
                return False
        return True

    def answers(self, seconds: float) -> bool:
        """Whether its event loop still turns."""
        path = self.asked or self.socket
        assert path is not None
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
            asking.settimeout(seconds)
            try:
                asking.connect(str(path))
                asking.sendall(self.question)
                asking.recv(64)
            except OSError:
                return False
        return True


@dataclass(slots=True)
class BackOff:
    """Exponential: 0.2 s, 0.4 s … After `patience` quick ends in a row it is a crash loop, tried every `ceiling` s."""

    first: float = 0.2
    ceiling: float = 30.0
    patience: int = 6
    healthy_after: float = 30.0
    quick_ends: int = 0

    def ended(self, uptime: float) -> float:
        """Seconds to wait before the next start."""
        self.quick_ends = 0 if uptime >= self.healthy_after else self.quick_ends + 1
        if self.crash_looping:
            return self.ceiling
        return min(self.first * 2 ** max(self.quick_ends - 1, 0), self.ceiling)

    @property
    def crash_looping(self) -> bool:
        return self.quick_ends >= self.patience


def started_ticks(pid: int) -> int | None:
    """Start time in clock ticks since boot, so that a reused pid is not mistaken; None: no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()
    return None if fields[0] == b"Z" else int(fields[19])


def is_alive(pid: int, ticks: int | None) -> bool:
    """Whether the process recorded as (`pid`, `ticks`) still runs. Without /proc only the pid is compared."""
    if os.path.isdir("/proc/self"):
        return ticks is not None and started_ticks(pid) == ticks
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
