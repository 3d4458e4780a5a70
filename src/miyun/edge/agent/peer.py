"""Whose program is at the other end of a connection on this machine: an Origin is true when a browser says it, and any
program of another user of the machine can say it too."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

_TABLES: Final = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_MAPPED: Final = "".join(f"{word:08X}" for word in struct.unpack("=3I", bytes(10) + b"\xff\xff"))  # ::ffff:0:0
_CLOSED: Final = "0"  # inode of a socket that no program has any more, which the kernel then calls root's
_LOOKS: Final = 3  # the kernel writes the table piece by piece: what ends meanwhile can hide a line once
_ROOT: Final = 0


def is_own(scope: Mapping[str, Any]) -> bool:
    """Whether an ASGI connection is of this user, or of root, who may do everything anyway. Nobody's when the machine
    does not tell."""
    if not scope.get("client") or not scope.get("server"):
        return False
    return user_of(tuple(scope["client"]), tuple(scope["server"])) in (os.geteuid(), _ROOT)


def user_of(client: tuple[str, int], server: tuple[str, int]) -> int | None:
    """The user of the socket whose own address is `client` and whose other end is `server` (IPv4). None for one that
    was closed behind what it had sent: nobody can tell any more whose it was."""
    ends = {(_written(client, prefix), _written(server, prefix)) for prefix in ("", _MAPPED)}
    for _ in range(_LOOKS):
        for table in _TABLES:
            for fields in _lines(table):
                if (fields[1], fields[2]) in ends:
                    return int(fields[7]) if fields[9] != _CLOSED else None
    return None


def _lines(table: Path) -> list[list[str]]:
    try:
        return [line.split() for line in table.read_text("ascii").splitlines()[1:]]
    except OSError:
        return []


def _written(end: tuple[str, int], prefix: str) -> str:
    (address,) = struct.unpack("=I", socket.inet_aton(end[0]))
    return f"{prefix}{address:08X}:{end[1]:04X}"
