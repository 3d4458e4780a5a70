"""Stored answers of idempotent operations, kept a day beside the journal: one append-only file per clock hour.

An answer is 32 bytes SM3 of it and then itself. The journal record of the operation says where its answer lies.
"""

from __future__ import annotations

import os
from pathlib import Path

from miyun.core.digest import digest
from miyun.core.ledger.journal import sync_directory
from miyun.core.ledger.record import HOUR, hour_of

LARGEST = 64 * 1024
KEEP_SECONDS = 24 * HOUR


class Answers:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(mode=0o700, exist_ok=True)
        self._hour = -1
        self._fd = -1
        self._end = 0
        self._pending = bytearray()

    def place(self, answer: bytes, now: float) -> tuple[int, int, int] | None:
        """Where the answer will lie after the next `write`; None when it is too large to keep."""
        if len(answer) > LARGEST:
            return None
        hour = hour_of(now)
        if hour != self._hour and not self._pending:
            self._open(hour)
        offset = self._end + len(self._pending)
        self._pending += digest(answer) + answer
        return self._hour, offset, len(answer)

    def write(self) -> None:
        """Make the placed answers durable. Raises OSError; then call `undo`."""
        view, position = memoryview(bytes(self._pending)), self._end
        if not view:
            return
        while view:
            done = os.pwrite(self._fd, view, position)
            position, view = position + done, view[done:]
        os.fdatasync(self._fd)
        self._end = position
        self._pending.clear()

    def undo(self) -> None:
        self._pending.clear()
        if self._fd >= 0:
            os.ftruncate(self._fd, self._end)

    def read(self, where: tuple[int, int, int]) -> bytes | None:
        """None when it is no longer there or not what was written."""
        hour, offset, length = where
        try:
            with (self._directory / f"{hour}.bin").open("rb") as file:
                file.seek(offset)
                data = file.read(32 + length)
        except FileNotFoundError:
            return None
        answer = data[32:]
        return answer if len(answer) == length and digest(answer) == data[:32] else None

    def prune(self, now: float) -> None:
        for path in self._directory.glob("*.bin"):
            if path.stem.isdigit() and int(path.stem) + HOUR + KEEP_SECONDS < now:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self, hour: int) -> None:
        self.close()
        path = self._directory / f"{hour}.bin"
        fresh = not path.exists()
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if fresh:
            sync_directory(self._directory)
        self._hour, self._end = hour, os.fstat(self._fd).st_size
