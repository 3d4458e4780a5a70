"""The append-only journal: segment files of chained lines (the format is in `chain`).

A write is durable when `write` returns. A write that fails leaves no trace: the partial lines are cut off again. After
a crash the bytes behind the last line break are a write that was never acknowledged, and are cut; anything else that
does not verify is damage, and the journal refuses to open.
"""

from __future__ import annotations

import errno
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from miyun.core.errors import StorageFull
from miyun.core.ledger import chain

log = logging.getLogger("miyun.ledger")

SEGMENT_BYTES = 256 * 1024 * 1024
_CHUNK = 1 << 20
_LOOK_BACK = 1 << 19  # more than the longest line
_FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


class JournalDamaged(Exception):
    """The journal cannot be trusted as it is; the message names the file, the record and the remedy."""


class JournalBroken(Exception):
    """The disk failed in a way that leaves the written state unknown: the process must stop and replay."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a record starts: the first sequence number of its segment and the byte offset in it."""

    segment: int
    offset: int


@dataclass(frozen=True, slots=True)
class Scanned:
    """A verified line."""

    seq: int
    raw: bytes
    leaf: bytes
    link: bytes
    position: Position


def sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class Journal:
    """One writer. `size` and `link` are those of the durable end."""

    def __init__(self, directory: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.directory = directory
        self._segment_bytes = segment_bytes
        self._fd = -1
        self._segment = 0
        self._offset = 0
        self.size = 0
        self.link = chain.GENESIS

    def recover(self, size: int = 0, link: bytes = chain.GENESIS, at: Position | None = None) -> Iterator[Scanned]:
        """Verify and yield all lines from a known point (`at` is where record `size` starts), cut a torn tail, and
        leave the journal open for writing at its end. Must be run to its end. Raises JournalDamaged."""
        found = chain.segments(self.directory)
        at = at or Position(0, 0)
        if not found:
            if size:
                raise JournalDamaged(f"the journal is gone, but {size} records were acknowledged; restore the backup")
            self._create(0)
            return
        expected = at.segment
        later = [(first, path) for first, path in found if first >= at.segment]
        if not later or later[0][0] != at.segment:
            raise JournalDamaged(f"{chain.segment_name(expected)} is missing; restore it from the backup")
        self._check_before(at, size, link)
        offset = at.offset
        for index, (first, path) in enumerate(later):
            if index and first != size:
                raise JournalDamaged(f"{path.name}: expected a segment that starts at record {size}; restore it")
            last = index == len(later) - 1
            offset = at.offset if index == 0 else 0
            for line, start, end in read_lines(path, offset):
                parts = chain.split_line(line)
                leaf = chain.leaf_hash(parts[1]) if parts else b""
                if parts is None or chain.link_hash(link, leaf) != parts[0]:
                    raise JournalDamaged(
                        f"{path.name}: record {size} at byte {start} was altered or is damaged; restore the file from "
                        f"the backup, or set the rest aside with: python -m miyun.core.ledger --discard-from {size}"
                    )
                link = parts[0]
                yield Scanned(size, parts[1], leaf, link, Position(first, start))
                size, offset = size + 1, end
            if not last and path.stat().st_size != offset:
                raise JournalDamaged(f"{path.name}: record {size} at byte {offset} is cut short; restore the file")
        self._open(later[-1][0], offset)
        torn = os.fstat(self._fd).st_size - offset
        if torn:
            log.warning("%s: cut %d bytes of an unacknowledged write", later[-1][1].name, torn)
            os.ftruncate(self._fd, offset)
            os.fsync(self._fd)
        self.size, self.link = size, link

    def _check_before(self, at: Position, size: int, link: bytes) -> None:
        """The record before a known point is still the one that was acknowledged."""
        if not at.offset:
            return
        path = self.directory / chain.segment_name(at.segment)
        with path.open("rb") as file:
            begin = max(0, at.offset - _LOOK_BACK)
            file.seek(begin)
            data = file.read(at.offset - begin)
        if len(data) < at.offset - begin:
            raise JournalDamaged(f"{path.name} is shorter than what was acknowledged; restore it from the backup")
        line = data[:-1].rpartition(b"\n")[2]
        parts = chain.split_line(line)
        if data[-1:] != b"\n" or parts is None or parts[0] != link:
            raise JournalDamaged(
                f"{path.name}: record {size - 1} is not the one that was acknowledged; restore the backup (journal and "
                "state.db together), or delete state.db to accept the journal as it is"
            )

    def end(self) -> Position:
        """Where the next record will start if it still goes to the current segment."""
        return Position(self._segment, self._offset)

    def roll_if_full(self) -> None:
        """Seal the segment and start the next when it is full. Called before positions of a batch are fixed."""
        if self._offset >= self._segment_bytes:
            seal = {"first": self._segment, "count": self.size - self._segment, "bytes": self._offset}
            write_atomically(
                self.directory / f"{self._segment:020d}.seal",
                json.dumps({**seal, "link": self.link.hex()}).encode() + b"\n",
            )
            self._create(self.size)

    def write(self, data: bytes | bytearray, count: int, link: bytes) -> None:
        """Append `count` lines that end the chain at `link`; durable on return.

        Raises StorageFull (nothing was written) or JournalBroken."""
        try:
            view, position = memoryview(data), self._offset
            while view:
                done = os.pwrite(self._fd, view, position)
                position, view = position + done, view[done:]
            os.fdatasync(self._fd)
        except OSError as error:
            self._roll_back(error)
            raise StorageFull from error
        self._offset += len(data)
        self.size += count
        self.link = link

    def undo(self) -> None:
        """Cut whatever lies behind the durable end."""
        os.ftruncate(self._fd, self._offset)
        os.fdatasync(self._fd)

    def _roll_back(self, error: OSError) -> None:
        try:
            self.undo()
        except OSError as second:
            raise JournalBroken(f"journal write and its undo failed: {error}; {second}") from second
        if error.errno not in _FULL:
            # After a failed fsync the kernel may have dropped the pages: only a replay knows what is on disk.
            raise JournalBroken(f"journal write failed: {error}") from error

    def lines(self, at: Position, seq: int, stop: int) -> Iterator[tuple[int, bytes]]:
        """(sequence number, record) from record `seq` at `at` up to `stop`, without verifying. Any thread."""
        position: Position | None = at
        while position is not None and seq < stop:
            path = self.directory / chain.segment_name(position.segment)
            for line, _start, _end in read_lines(path, position.offset):
                yield seq, line[chain.LINK_DIGITS + 1 :]
                seq += 1
                if seq >= stop:
                    return
            following = self.directory / chain.segment_name(seq)
            position = Position(seq, 0) if seq > position.segment and following.exists() else None

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _create(self, first: int) -> None:
        path = self.directory / chain.segment_name(first)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        os.fsync(fd)
        sync_directory(self.directory)
        self.close()
        self._fd, self._segment, self._offset = fd, first, 0

    def _open(self, first: int, offset: int) -> None:
        self.close()
        self._fd = os.open(self.directory / chain.segment_name(first), os.O_RDWR | os.O_CLOEXEC)
        self._segment, self._offset = first, offset


def read_lines(path: Path, offset: int) -> Iterator[tuple[bytes, int, int]]:
    """(line without LF, start, end) of every complete line from `offset`, in constant memory."""
    with path.open("rb", buffering=0) as file:
        file.seek(offset)
        rest = b""
        size = 1 << 15  # small at first: most readers want one page
        while chunk := file.read(size):
            size = min(size * 2, _CHUNK)
            *complete, rest = (rest + chunk).split(b"\n")
            for line in complete:
                yield line, offset, offset + len(line) + 1
                offset += len(line) + 1


def write_atomically(path: Path, data: bytes) -> None:
    """Whole or not at all, also through a power loss."""
    temporary = path.with_suffix(path.suffix + ".new")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        os.fsync(fd)
    finally:
        os.close(fd)
    os.replace(temporary, path)
    sync_directory(path.parent)


def discard_from(directory: Path, seq: int) -> Path:
    """Set everything from record `seq` on aside (nothing is deleted) so that a damaged journal can start again.

    Returns the file that holds what was cut. For a human who has compared with a backup; never called by the server."""
    held = [(first, path) for first, path in chain.segments(directory) if first <= seq]
    first, path = held[-1]
    offset = 0
    for number, (_line, start, end) in enumerate(read_lines(path, 0), start=first):
        if number == seq:
            offset = start
            break
        offset = end
    aside = directory / f"discarded-{seq:020d}.bin"
    with path.open("r+b") as file:
        file.seek(offset)
        with aside.open("xb") as target:
            while chunk := file.read(_CHUNK):
                target.write(chunk)
            target.flush()
            os.fsync(target.fileno())
        file.truncate(offset)
        os.fsync(file.fileno())
    for later, other in chain.segments(directory):
        if later > seq:
            other.rename(other.with_suffix(".discarded"))
    sync_directory(directory)
    return aside
