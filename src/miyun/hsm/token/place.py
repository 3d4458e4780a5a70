"""Where this user's tokens are, and which of them run. native/skf/devices.c looks in the same place."""

from __future__ import annotations

import os
import re
import socket
import struct
from pathlib import Path
from typing import Final

from miyun.hsm.token.process import SOCKET

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,47}")


def tokens_folder() -> Path:
    """MIYUN_TOKENS, or ~/.miyun/tokens; each directory in it is a token of that name."""
    return Path(os.environ.get("MIYUN_TOKENS") or Path.home() / ".miyun" / "tokens")


def token_names() -> list[str]:
    folder = tokens_folder()
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir()) if folder.is_dir() else []


def process_of(name: str) -> int | None:
    """The process that serves a token; None when nobody does."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        descriptor = os.open(tokens_folder() / name, os.O_PATH | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        connection.connect(f"/proc/self/fd/{descriptor}/{SOCKET}")
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", credentials)[0])
    except OSError:
        return None
    finally:
        connection.close()
        os.close(descriptor)
