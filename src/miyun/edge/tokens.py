"""The token that admits a process to the VSM: made anew at each start of the supervisor.

Children inherit it on a descriptor. For the operator's own commands on this machine it also lies in `run/vsm.token`,
readable by the platform's user only.
"""

from __future__ import annotations

import os
from pathlib import Path

from miyun.gm import rand

_FILE = "vsm.token"


def new_token(run_folder: Path) -> bytes:
    token = rand.token(32).hex().encode()
    fresh = run_folder / f"{_FILE}.new"
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(token)
    fresh.replace(run_folder / _FILE)
    return token


def read_token(fd: int | None) -> bytes:
    """From an inherited descriptor, until its end."""
    if fd is None:
        return b""
    with os.fdopen(fd, "rb") as file:
        return file.read(1024).strip()


def local_token(run_folder: Path) -> bytes:
    """For commands on this machine. Empty when no supervisor has run here."""
    try:
        return (run_folder / _FILE).read_bytes()
    except FileNotFoundError:
        return b""
