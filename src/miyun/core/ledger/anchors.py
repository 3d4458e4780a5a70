"""Anchors: signed and time-stamped heads, one JSON file each under `journal/anchors/`, named by the number of records.

What is signed is `head_bytes`: JSON with the members `at`, `link`, `root`, `size`, sorted, no white space.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from miyun.core.ledger.journal import sync_directory, write_atomically
from miyun.core.ledger.port import Head
from miyun.core.ledger.record import timestamp


class _Stored(msgspec.Struct, omit_defaults=True):
    at: str
    link: str
    root: str
    size: int
    signature: str = ""
    token: str = ""


@dataclass(frozen=True, slots=True)
class Anchor:
    """`signature`: detached CMS over `head_bytes(head)`. `token`: time-stamp token over the signature, or None."""

    head: Head
    signature: bytes
    token: bytes | None
    path: Path


_encoder = msgspec.json.Encoder(order="sorted")


def head_bytes(head: Head) -> bytes:
    """The bytes that are signed."""
    return _encoder.encode(_Stored(timestamp(head.at), head.link.hex(), head.root.hex(), head.size))


def store_anchor(directory: Path, head: Head, signature: bytes, token: bytes | None) -> Path:
    """Raises OSError."""
    folder = directory / "anchors"
    if not folder.exists():
        folder.mkdir(mode=0o750)
        sync_directory(directory)
    stored = _Stored(
        timestamp(head.at),
        head.link.hex(),
        head.root.hex(),
        head.size,
        base64.b64encode(signature).decode(),
        base64.b64encode(token).decode() if token else "",
    )
    path = folder / f"{head.size}.json"
    write_atomically(path, _encoder.encode(stored) + b"\n")
    return path


def load_anchor(path: Path) -> Anchor:
    """Raises ValueError when the file is not an anchor."""
    stored = msgspec.json.decode(path.read_bytes(), type=_Stored)
    head = Head(stored.size, bytes.fromhex(stored.link), bytes.fromhex(stored.root), datetime.fromisoformat(stored.at))
    token = base64.b64decode(stored.token, validate=True) if stored.token else None
    return Anchor(head, base64.b64decode(stored.signature, validate=True), token, path)


def anchor_files(directory: Path) -> Iterator[Path]:
    """In the order of their sizes."""
    files = [path for path in (directory / "anchors").glob("*.json") if path.stem.isdigit()]
    yield from sorted(files, key=lambda path: int(path.stem))
