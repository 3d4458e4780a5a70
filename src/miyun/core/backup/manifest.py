"""What a backup says about itself; the last member of the archive."""

from __future__ import annotations

from datetime import datetime

import msgspec

FORMAT = 1
NAME = "manifest.json"


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`path` in the archive; `digest` hex, of the content."""

    path: str
    size: int
    digest: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`journal_*`: the durable head the journal was copied up to. `exact`: nothing was recorded between the head and
    the database's snapshot."""

    format: int = FORMAT
    made_at: datetime
    release: str
    schema: str
    database: str  # "sqlite" | "postgresql"
    machine: str  # name of the VSM whose root is in the archive
    journal_size: int
    journal_link: str
    journal_root: str
    exact: bool
    members: tuple[Member, ...]
