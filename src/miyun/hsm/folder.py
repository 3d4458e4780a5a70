"""A process's own directory on disk, through a descriptor, so that it need not be able to reach it by path."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path


class Folder:
    """0700, and `owner`'s when given. Files in it are 0600 and replaced as a whole."""

    def __init__(self, path: Path, *, owner: int | None = None) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
        self.descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        os.fchmod(self.descriptor, 0o700)
        if owner is not None:
            with contextlib.suppress(PermissionError):  # where the user cannot be changed either
                os.fchown(self.descriptor, owner, owner)
                for entry in os.listdir(self.descriptor):
                    os.chown(entry, owner, owner, dir_fd=self.descriptor, follow_symlinks=False)

    def lock(self) -> None:
        """Held until the process ends. Raises BlockingIOError when another process holds it."""
        fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def read(self, name: str) -> bytes | None:
        """None when there is no such file."""
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.descriptor)
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            return file.read()

    def replace(self, name: str, content: bytes) -> None:
        """Durable when it returns; whoever reads meanwhile, or after a crash, finds the old content or the new."""
        temporary = name + ".new"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        with os.fdopen(os.open(temporary, flags, 0o600, dir_fd=self.descriptor), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, name, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)
        os.fsync(self.descriptor)
