"""Log files of the children: bounded in size, owner only, one line one record."""

from __future__ import annotations

import os
import time
from pathlib import Path

MAX_LINE = 16 * 1024


class LogFile:
    """Appends bytes; at `max_bytes` the file becomes `.1`, `.1` becomes `.2` … and `keep` of them stay."""

    def __init__(self, path: Path, *, max_bytes: int = 8 * 1024 * 1024, keep: int = 4) -> None:
        self.path, self._max, self._keep = path, max_bytes, keep
        self._fd = self._open()
        self._size = os.fstat(self._fd).st_size

    def write(self, data: bytes) -> None:
        """A full disk loses log lines, never the platform: errors of the file system are swallowed here."""
        if self._size + len(data) > self._max:
            self._rotate()
        try:
            self._size += os.write(self._fd, data)
        except OSError:
            return

    def line(self, text: str) -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.write(f"{stamp} {text}\n".encode()[:MAX_LINE])

    def close(self) -> None:
        os.close(self._fd)

    def _open(self) -> int:
        return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def _rotate(self) -> None:
        try:
            for number in range(self._keep - 1, 0, -1):
                older = self.path.with_name(f"{self.path.name}.{number}")
                if older.exists():
                    older.replace(self.path.with_name(f"{self.path.name}.{number + 1}"))
            self.path.replace(self.path.with_name(f"{self.path.name}.1"))
            fresh = self._open()
        except OSError:
            return
        os.close(self._fd)
        self._fd, self._size = fresh, 0
