"""What a VSM keeps on disk: `vsm.json` in its own directory (nothing in it is secret), and, in development only, the
root in a key file. Both are opened before the process gives up its privileges.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from miyun.hsm.folder import Folder
from miyun.hsm.soft.wrapping import ROOT_SIZE

_STATE: Final = "vsm.json"
_KEYFILE_HEAD: Final = (
    "# DEVELOPMENT ROOT KEY 开发用根密钥\n"
    "# Whoever reads this file can read every key of this platform. For production, provision operator shares.\n"
    "# 读到本文件者即可读出本平台全部密钥；生产环境请改用多人分持的密钥分量。\n"
)


class State(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`check` tells whether a root is this VSM's; `transport_*` is the wrapped SM2 key for imports."""

    format: int = 1
    name: str
    protection: str  # "keyfile" | "shares"
    threshold: int = 0
    count: int = 0
    check: bytes
    transport_blob: bytes
    transport_public: bytes
    created_at: str


class Home(Folder):
    """The VSM's directory."""

    def load(self) -> State | None:
        content = self.read(_STATE)
        return None if content is None else msgspec.json.decode(content, type=State)

    def save(self, state: State) -> None:
        """Durable when it returns."""
        self.replace(_STATE, msgspec.json.format(msgspec.json.encode(state)))


class KeyFile:
    """The development root, 0600, loudly labelled. Held open for writing until there is a root in it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+", encoding="utf-8")
        os.fchmod(self._file.fileno(), 0o600)

    def read(self) -> bytes | None:
        """The root, or None when nothing was written yet. Raises ValueError when it is damaged."""
        self._file.seek(0)
        lines = [line.strip() for line in self._file if line.strip() and not line.startswith("#")]
        if not lines:
            return None
        root = bytes.fromhex(lines[0])
        if len(lines) != 1 or len(root) != ROOT_SIZE:
            raise ValueError("the key file does not hold a root key")
        return root

    def write(self, root: bytes) -> None:
        """Durable when it returns."""
        self._file.seek(0)
        self._file.write(_KEYFILE_HEAD + root.hex() + "\n")
        self._file.truncate()
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()
