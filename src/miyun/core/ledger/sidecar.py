"""What is derived from the journal, kept so that start-up and queries do not read it all: a checkpoint, an index,
usage sums, quota counters, nonces and idempotency keys, in one SQLite file.

Never the source of truth: deleting the file only costs one full read of the journal. Changes gather in a `Delta` in
memory; one transaction stores the delta together with the journal position it leads to, so the file always agrees with
a prefix of the journal, and the rest is replayed.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from heapq import merge
from pathlib import Path

from miyun.core.ledger.journal import Position

BLOCK = 256  # records an index entry stands for
FORMAT = 1
_NONCE = struct.Struct(">16sQ")

_SCHEMA = """
CREATE TABLE mark (id INTEGER PRIMARY KEY CHECK (id = 0), format INTEGER, size INTEGER, link BLOB, segment INTEGER,
  offset INTEGER, root BLOB, horizon INTEGER);
CREATE TABLE block (block INTEGER PRIMARY KEY, segment INTEGER, offset INTEGER);
CREATE TABLE name (id INTEGER PRIMARY KEY, tenant TEXT, instance TEXT, operation TEXT,
  UNIQUE (tenant, instance, operation));
CREATE INDEX name_instance ON name (instance);
CREATE INDEX name_operation ON name (operation);
CREATE TABLE posting (name INTEGER, block INTEGER, PRIMARY KEY (name, block)) WITHOUT ROWID;
CREATE TABLE usage (instance TEXT, meter TEXT, "window" INTEGER, units INTEGER, refused INTEGER, over INTEGER,
  PRIMARY KEY (instance, meter, "window")) WITHOUT ROWID;
CREATE TABLE quota (account TEXT, "window" INTEGER, settled INTEGER, PRIMARY KEY (account, "window")) WITHOUT ROWID;
CREATE TABLE nonce (expires INTEGER, entries BLOB);
CREATE TABLE kept (key BLOB PRIMARY KEY, print BLOB, settled INTEGER, reserved INTEGER, file INTEGER, offset INTEGER,
  length INTEGER) WITHOUT ROWID;
CREATE INDEX kept_reserved ON kept (reserved);
"""

Name = tuple[str, str, str]  # tenant, instance, operation
UsageSums = dict[tuple[str, str, int], list[int]]


@dataclass(frozen=True, slots=True)
class Kept:
    """An idempotency key. Neither settled nor in flight means that its outcome is unknown."""

    print: bytes
    settled: bool
    reserved: int  # unix seconds
    answer: tuple[int, int, int] | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A point of the journal: `size` records, the chain at `link`, record `size` starts at `position`."""

    size: int
    link: bytes
    position: Position
    root: bytes
    horizon: int


@dataclass(slots=True)
class Delta:
    blocks: dict[int, Position] = field(default_factory=dict)
    postings: dict[Name, set[int]] = field(default_factory=dict)
    usage: dict[tuple[str, str, int], list[int]] = field(default_factory=dict)
    quota: dict[tuple[str, int], int] = field(default_factory=dict)
    nonces: bytearray = field(default_factory=bytearray)
    nonces_expire: int = 0
    kept: dict[bytes, Kept | None] = field(default_factory=dict)

    def add_nonce(self, nonce: bytes, expires: int) -> None:
        self.nonces += _NONCE.pack(nonce, expires)
        self.nonces_expire = max(self.nonces_expire, expires)

    def add_usage(self, key: tuple[str, str, int], units: int, refused: int, over: int) -> None:
        sums = self.usage.get(key)
        if sums is None:
            self.usage[key] = [units, refused, over]
        else:
            sums[0] += units
            sums[1] += refused
            sums[2] += over


class Sidecar:
    """`flush` may run in another thread than the look-ups; look-ups see the unflushed deltas too."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._write = _connect(path)
        if self._write.execute("PRAGMA user_version").fetchone()[0] != FORMAT:
            self._write.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version={FORMAT}; COMMIT;")
        self._read = _connect(path)  # the event loop's
        self._query = _connect(path)  # of the thread that answers questions
        self.delta = Delta()
        self._flushing: Delta | None = None
        self._names: dict[Name, int] = {}
        self._pruned = 0  # the hour in which old quota was last deleted

    def close(self) -> None:
        self._query.close()
        self._read.close()
        self._write.close()

    def mark(self) -> Mark | None:
        row = self._read.execute("SELECT size, link, segment, offset, root, horizon FROM mark").fetchone()
        return Mark(row[0], row[1], Position(row[2], row[3]), row[4], row[5]) if row else None

    def swap(self) -> Delta:
        """Start a flush: the delta so far, which stays visible until `flushed`."""
        assert self._flushing is None, "one flush at a time"
        self._flushing, self.delta = self.delta, Delta()
        return self._flushing

    def flushed(self, done: bool) -> None:
        """End a flush. When it failed, its delta goes back under the newer one."""
        old, self._flushing = self._flushing, None
        if done or old is None:
            return
        new, self.delta = self.delta, old
        old.blocks |= new.blocks
        for name, blocks in new.postings.items():
            old.postings.setdefault(name, set()).update(blocks)
        for key, sums in new.usage.items():
            old.add_usage(key, *sums)
        old.quota |= new.quota
        old.nonces += new.nonces
        old.nonces_expire = max(old.nonces_expire, new.nonces_expire)
        old.kept |= new.kept

    def flush(self, delta: Delta, mark: Mark, *, now: float, keep: float) -> None:
        """One transaction. `keep`: idempotency keys reserved before it are forgotten."""
        write = self._write
        write.execute("BEGIN IMMEDIATE")
        try:
            write.executemany(
                "INSERT OR REPLACE INTO block VALUES (?,?,?)",
                [(block, at.segment, at.offset) for block, at in delta.blocks.items()],
            )
            for name, blocks in delta.postings.items():
                number = self._name(name)
                write.executemany("INSERT OR IGNORE INTO posting VALUES (?,?)", [(number, block) for block in blocks])
            write.executemany(
                "INSERT INTO usage VALUES (?,?,?,?,?,?) ON CONFLICT DO UPDATE SET units = units + excluded.units, "
                "refused = refused + excluded.refused, over = over + excluded.over",
                [(*key, *sums) for key, sums in delta.usage.items()],
            )
            write.executemany(
                "INSERT OR REPLACE INTO quota VALUES (?,?,?)",
                [(account, window, settled) for (account, window), settled in delta.quota.items()],
            )
            hour = int(now) // 3600
            if hour != self._pruned:  # reads the whole table, which grows with accounts and hours
                write.execute('DELETE FROM quota WHERE "window" < ?', (int(now) - 7 * 86400,))
            if delta.nonces:
                write.execute("INSERT INTO nonce VALUES (?,?)", (delta.nonces_expire, bytes(delta.nonces)))
            write.execute("DELETE FROM nonce WHERE expires < ?", (int(now),))
            write.executemany(
                "INSERT OR REPLACE INTO kept VALUES (?,?,?,?,?,?,?)",
                [
                    (key, kept.print, kept.settled, kept.reserved, *(kept.answer or (None, None, None)))
                    for key, kept in delta.kept.items()
                    if kept
                ],
            )
            write.executemany(
                "DELETE FROM kept WHERE key = ?", [(key,) for key, kept in delta.kept.items() if not kept]
            )
            write.execute("DELETE FROM kept WHERE reserved < ?", (int(keep),))
            write.execute(
                "INSERT OR REPLACE INTO mark VALUES (0,?,?,?,?,?,?,?)",
                (FORMAT, mark.size, mark.link, mark.position.segment, mark.position.offset, mark.root, mark.horizon),
            )
            write.execute("COMMIT")
            self._pruned = hour
        except BaseException:
            self._names.clear()  # numbers given in the failed transaction do not exist
            if write.in_transaction:
                write.execute("ROLLBACK")
            raise

    def quota(self, account: str, window: int) -> int:
        """Settled units."""
        for delta in self._deltas():
            if (account, window) in delta.quota:
                return delta.quota[account, window]
        row = self._read.execute(
            'SELECT settled FROM quota WHERE account = ? AND "window" = ?', (account, window)
        ).fetchone()
        return row[0] if row else 0

    def kept(self, key: bytes) -> Kept | None:
        for delta in self._deltas():
            if key in delta.kept:
                return delta.kept[key]
        row = self._read.execute(
            "SELECT print, settled, reserved, file, offset, length FROM kept WHERE key = ?", (key,)
        ).fetchone()
        if row is None:
            return None
        return Kept(row[0], bool(row[1]), row[2], (row[3], row[4], row[5]) if row[3] is not None else None)

    def nonces(self, now: float) -> Iterator[tuple[bytes, int]]:
        """All stored nonces that have not expired."""
        for (entries,) in self._read.execute("SELECT entries FROM nonce WHERE expires >= ?", (int(now),)):
            for nonce, expires in _NONCE.iter_unpack(entries):
                if expires >= now:
                    yield nonce, expires

    def usage(self, instances: Iterable[str], start: int, end: int) -> Callable[[], UsageSums]:
        """(instance, meter, window) → units, refused, over; for windows in [start, end).

        Called in the event loop; what it returns reads the file and may be called in a thread."""
        wanted = set(instances)
        recent = [
            (key, list(more))
            for delta in self._deltas()
            for key, more in delta.usage.items()
            if key[0] in wanted and start <= key[2] < end
        ]

        def read() -> UsageSums:
            sums: UsageSums = {}
            for instance in wanted:
                for meter, window, *row in self._query.execute(
                    'SELECT meter, "window", units, refused, over FROM usage '
                    'WHERE instance = ? AND "window" >= ? AND "window" < ?',
                    (instance, start, end),
                ):
                    sums[instance, meter, window] = row
            for key, more in recent:
                sums[key] = [a + b for a, b in zip(sums.get(key, (0, 0, 0)), more, strict=True)]
            return sums

        return read

    def block_at(self, block: int) -> Position | None:
        """Any thread."""
        for delta in self._deltas():
            position = delta.blocks.get(block)
            if position is not None:
                return position
        row = self._query.execute("SELECT segment, offset FROM block WHERE block = ?", (block,)).fetchone()
        return Position(*row) if row else None

    def blocks(
        self, tenant: str | None, instance: str | None, operation: str | None, start: int, *, descending: bool
    ) -> Callable[[], Iterator[int]]:
        """Blocks that hold a matching record, from block `start` on, in order; lazily, so a page reads only its own.

        Called in the event loop; what it returns reads the file and may be called in a thread."""
        asked = (tenant, instance, operation)
        recent = {
            block
            for delta in self._deltas()
            for name, found in delta.postings.items()
            if all(value is None or value == own for value, own in zip(asked, name, strict=True))
            for block in found
            if (block <= start if descending else block >= start)
        }

        def read() -> Iterator[int]:
            columns = zip(("tenant", "instance", "operation"), asked, strict=True)
            given = {column: value for column, value in columns if value is not None}
            where = " AND ".join(f"{column} = ?" for column in given)  # names of the three columns, never input
            rows = self._query.execute(f"SELECT id FROM name WHERE {where}", tuple(given.values())).fetchall()
            sources: list[Iterable[int]] = [self._postings(number, start, descending) for (number,) in rows]
            sources.append(sorted(recent, reverse=descending))
            last = None
            for block in merge(*sources, reverse=descending):
                if block != last:
                    yield block
                last = block

        return read

    def _postings(self, name: int, start: int, descending: bool) -> Iterator[int]:
        compare, order = ("<=", "DESC") if descending else (">=", "ASC")
        rows = self._query.execute(
            f"SELECT block FROM posting WHERE name = ? AND block {compare} ? ORDER BY block {order}", (name, start)
        )
        for (block,) in rows:
            yield block

    def _deltas(self) -> tuple[Delta, ...]:
        return (self.delta,) if self._flushing is None else (self.delta, self._flushing)

    def _name(self, name: Name) -> int:
        number = self._names.get(name)
        if number is None:
            if len(self._names) > 100_000:
                self._names.clear()
            self._write.execute("INSERT OR IGNORE INTO name (tenant, instance, operation) VALUES (?,?,?)", name)
            number = self._names[name] = self._write.execute(
                "SELECT id FROM name WHERE tenant = ? AND instance = ? AND operation = ?", name
            ).fetchone()[0]
        return number


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection
