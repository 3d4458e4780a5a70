"""Certificates put where a server reads them: all files at once, tested, and taken back when the test fails.

A folder holds versions and a link `current` to one of them; the server's configuration names files under `current`.
Changing the link is one step of the file system: there is no moment with a new certificate and an old key.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

CURRENT: Final = "current"
KEPT: Final = 3  # versions, the one in use among them
_SECONDS: Final = 60


class NotDeployed(Exception):
    """`str()` says why; what was served before is served still."""


class Gateway(Protocol):
    """A server that certificates are deployed to: web servers by `Deployment`, our listener by `ListenerGateway`."""

    def put(self, files: Mapping[str, bytes]) -> Path:
        """Serves `fullchain.pem` with `privkey.pem` from now on; the four `gm-…` files are a pair of SM2 certificates.

        All or nothing; answers where it lies. Raises NotDeployed."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """`test` and `reload` are commands, run without a shell."""

    folder: Path
    test: Sequence[str]
    reload: Sequence[str]

    def put(self, files: Mapping[str, bytes]) -> Path:
        """The folder of the version that is served now. Raises NotDeployed."""
        try:
            self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            version = self._write(files)
        except OSError as error:
            raise NotDeployed(f"{self.folder}: {error.strerror}") from None
        before = self._linked()
        self._link(version.name)
        try:
            self._run(self.test)
        except NotDeployed:
            self._back(before, version)
            raise
        try:
            self._run(self.reload)
        except NotDeployed:
            self._back(before, version)
            if before is not None:
                self._run(self.reload)  # what was served before
            raise
        self._forget(version.name)
        return version

    def _write(self, files: Mapping[str, bytes]) -> Path:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        version = self.folder / f"{stamp}-{secrets.token_hex(3)}"
        version.mkdir(mode=0o700)
        for name, content in files.items():
            fd = os.open(version / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "wb") as opened:
                opened.write(content)
                opened.flush()
                os.fsync(fd)
        _sync(version)
        return version

    def _linked(self) -> str | None:
        link = self.folder / CURRENT
        return os.readlink(link) if link.is_symlink() else None

    def _link(self, name: str) -> None:
        temporary = self.folder / f".{CURRENT}-{secrets.token_hex(4)}"
        temporary.symlink_to(name)
        os.replace(temporary, self.folder / CURRENT)
        _sync(self.folder)

    def _back(self, before: str | None, version: Path) -> None:
        if before is None:
            (self.folder / CURRENT).unlink(missing_ok=True)
        else:
            self._link(before)
        shutil.rmtree(version, ignore_errors=True)

    def _forget(self, current: str) -> None:
        """All but the newest versions; keys that are not served lie about nowhere."""
        versions = sorted(item.name for item in self.folder.iterdir() if item.is_dir() and not item.is_symlink())
        for name in [item for item in versions if item != current][: -KEPT + 1 or None]:
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def _run(self, command: Sequence[str]) -> None:
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NotDeployed(f"{command[0]}: {error}") from None
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip()[-600:]
            raise NotDeployed(f"{' '.join(command)}: {said or f'status {done.returncode}'}")


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
