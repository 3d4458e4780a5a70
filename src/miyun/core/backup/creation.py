"""Making a backup while the platform runs."""

from __future__ import annotations

import asyncio
import contextlib
import re
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Final, Protocol

import msgspec

from miyun.core.backup.archive import Writer, writing
from miyun.core.backup.errors import check_passphrase
from miyun.core.backup.manifest import NAME, Manifest
from miyun.core.clock import Clock, SystemClock
from miyun.core.errors import AlreadyExists, FailedPrecondition
from miyun.core.ledger import chain
from miyun.core.ledger.journal import read_lines
from miyun.core.ledger.port import Entry, Head, Ledger
from miyun.core.machine import machine_errors
from miyun.core.operation import Role
from miyun.core.storage import Database, schema
from miyun.core.storage.snapshot import Snapshot, pin
from miyun.hsm.port import MachineStatus

_TRIES: Final = 20
# What the platform's cryptographic machine keeps itself is in its exported root. Another that does not run, with the
# keys of root CAs, is copied as files; shares stay with its operators.
_OF_THE_MACHINE: Final = re.compile(r"data/vsm-platform/.*|secrets/vsm-root\.key")


class RootExporter(Protocol):
    """The part of a software machine that a backup needs."""

    async def status(self) -> MachineStatus: ...
    async def export_root(self, passphrase: str) -> bytes: ...


async def backup(
    home: Path,
    out: Path,
    passphrase: str,
    *,
    database: Database,
    ledger: Ledger,
    machine: RootExporter,
    clock: Clock | None = None,
) -> Manifest:
    """Write the whole platform to the new file `out`; the ledger records that a backup was made.

    Raises InvalidArgument (passphrase), AlreadyExists (out), MachineLocked, SchemaOutdated and kin."""
    check_passphrase(passphrase)
    if out.exists():
        raise AlreadyExists(kind="file", name=out.name, field="out")
    clock = clock or SystemClock()
    await asyncio.to_thread(schema.check, database)
    with machine_errors():
        name = (await machine.status()).name
        root = await machine.export_root(passphrase)
    head, snapshot, exact = await _pin(database, ledger)
    try:
        made_at = clock.now()

        def write() -> Manifest:
            with writing(out, passphrase) as writer:
                writer.add(f"vsm/{name}.root", root)
                _add_database(writer, snapshot, out.parent)
                _add_journal(writer, home / "journal", head)
                for path, source in _files(home, database):
                    with contextlib.suppress(FileNotFoundError):  # gone since it was listed
                        writer.add_file(f"home/{path}", source)
                manifest = Manifest(
                    made_at=made_at,
                    release=version("miyun"),
                    schema=schema.head(),
                    database=snapshot.kind,
                    machine=name,
                    journal_size=head.size,
                    journal_link=head.link.hex(),
                    journal_root=head.root.hex(),
                    exact=exact,
                    members=tuple(writer.members),
                )
                writer.add(NAME, msgspec.json.format(msgspec.json.encode(manifest)))
            return manifest

        manifest = await asyncio.to_thread(write)
    finally:
        snapshot.release()
    await ledger.append(
        Entry(
            operation="platform.backup",
            outcome="ok",
            at=clock.now(),
            role=Role.SYSTEM,
            detail={"journal_size": head.size, "members": len(manifest.members), "exact": exact},
        )
    )
    return manifest


async def _pin(database: Database, ledger: Ledger) -> tuple[Head, Snapshot, bool]:
    """A head of the journal and a snapshot taken after it; tried again until nothing was recorded in between.

    An operation's rows are committed before its record is written: whatever the head covers is in the snapshot."""
    for attempt in range(_TRIES):
        head = await ledger.head()
        snapshot = await asyncio.to_thread(pin, database)
        try:
            exact = (await ledger.head()).size == head.size
        except BaseException:
            snapshot.release()
            raise
        if exact or attempt == _TRIES - 1:
            return head, snapshot, exact
        snapshot.release()
        await asyncio.sleep(0.003 * attempt)
    raise AssertionError("unreachable")


def _add_database(writer: Writer, snapshot: Snapshot, folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=folder) as temporary:
        copy = Path(temporary) / snapshot.file_name
        snapshot.copy_to(copy)
        writer.add_file(f"database/{snapshot.file_name}", copy)


def _add_journal(writer: Writer, journal: Path, head: Head) -> None:
    """The segments up to the head, their seals, the anchors of it, and the stored answers."""
    found = [(first, path) for first, path in chain.segments(journal) if first < head.size]
    for index, (first, path) in enumerate(found):
        if index < len(found) - 1:
            writer.add_file(f"home/journal/{path.name}", path)
            seal = path.with_suffix(".seal")
            if seal.exists():
                writer.add_file(f"home/journal/{seal.name}", seal)
        else:
            writer.add_file(f"home/journal/{path.name}", path, size=_end_of(path, first, head))
    for anchor in sorted((journal / "anchors").glob("*.json")):
        if anchor.stem.isdigit() and int(anchor.stem) <= head.size:
            writer.add_file(f"home/journal/anchors/{anchor.name}", anchor)
    for answers in sorted((journal / "answers").glob("*.bin")):
        with contextlib.suppress(FileNotFoundError):  # they are kept for a day only
            writer.add_file(f"home/journal/answers/{answers.name}", answers)


def _end_of(path: Path, first: int, head: Head) -> int:
    """Where record `head.size` begins; the record before it must be the head's."""
    for seq, (line, _start, end) in enumerate(read_lines(path, 0), first):
        if seq == head.size - 1:
            parts = chain.split_line(line)
            if parts is not None and parts[0] == head.link:
                return end
            break
    raise FailedPrecondition(state=f"journal {path.name}", field="journal")


def _files(home: Path, database: Database) -> Iterator[tuple[str, Path]]:
    """Settings, secrets and data: plain files, without the database and what the machine keeps itself."""
    settings = home / "miyun.toml"
    if settings.is_file():
        yield settings.name, settings
    kept = database.engine.url.database or ""
    tables = {Path(kept + suffix).absolute() for suffix in ("", "-wal", "-shm", "-journal")}
    for folder in ("secrets", "data"):
        for source in sorted((home / folder).rglob("*")):
            path = source.relative_to(home).as_posix()
            if source.is_symlink() or not source.is_file() or source.absolute() in tables:
                continue
            if not _OF_THE_MACHINE.fullmatch(path):
                yield path, source
