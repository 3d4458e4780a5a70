"""The ledger itself, without sockets: admission, records, and what is derived from them. One event loop, one writer."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec

from miyun.core.clock import Clock, SystemClock
from miyun.core.errors import InvalidArgument, MiyunError, StorageFull
from miyun.core.i18n import Text
from miyun.core.ledger import merkle, record
from miyun.core.ledger.admission import Admissions, Held
from miyun.core.ledger.anchors import store_anchor
from miyun.core.ledger.answers import KEEP_SECONDS, Answers
from miyun.core.ledger.commit import Committer, Pending
from miyun.core.ledger.journal import SEGMENT_BYTES, Journal, JournalDamaged, Position, sync_directory
from miyun.core.ledger.merkle import Frontier, TreeFile
from miyun.core.ledger.port import Admission, Entry, Head, Receipt, Ticket, Usage
from miyun.core.ledger.query import matching, page
from miyun.core.ledger.record import HOUR, Line, hour_of
from miyun.core.ledger.sidecar import BLOCK, Mark, Sidecar

log = logging.getLogger("miyun.ledger")

CHECKPOINT_SECONDS = 5.0
CHECKPOINT_RECORDS = 200_000  # at most so many are replayed at start


class Engine:
    """`home` is MIYUN_HOME. Files: journal/*.seg, journal/tree.bin, journal/state.db, journal/answers/, anchors/."""

    def __init__(
        self, home: Path, *, clock: Clock | None = None, segment_bytes: int = SEGMENT_BYTES, patience: float = 30.0
    ) -> None:
        self.directory = home / "journal"
        self.broken: asyncio.Future[None] | None = None
        self._clock = clock or SystemClock()
        self._segment_bytes = segment_bytes
        self._patience = patience
        self._lock_fd = -1
        self._sidecar_lock = asyncio.Lock()
        self._checkpointed = 0
        self._timer: asyncio.Task[None] | None = None

    # life

    async def open(self) -> None:
        """Take the single-writer lock, recover, start. Raises JournalDamaged, BlockingIOError (already running)."""
        if not self.directory.exists():
            self.directory.mkdir(mode=0o750, parents=True)
            sync_directory(self.directory.parent)
        self._lock_fd = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._answers = Answers(self.directory / "answers")
        self._journal = Journal(self.directory, segment_bytes=self._segment_bytes)
        self._tree = TreeFile(self.directory / "tree.bin")
        self._sidecar, mark = self._open_sidecar()
        self._admissions = Admissions(self._sidecar, self._answers, self.now, self._patience)
        frontier = self._recover(mark)
        self.broken = asyncio.get_running_loop().create_future()
        self._committer = Committer(
            self._journal, self._tree, self._answers, frontier, self, self.now, self._stop_broken
        )
        self._admissions.submit = self._committer.submit
        self._timer = asyncio.create_task(self._tick())

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            await asyncio.wait((self._timer,))
        await self._committer.close()
        await self.checkpoint()
        self._sidecar.close()
        self._tree.close()
        self._journal.close()
        self._answers.close()
        os.close(self._lock_fd)

    def now(self) -> float:
        return self._clock.now().timestamp()

    # admission and records

    def admit(self, admission: Admission, owner: Hashable) -> Ticket | asyncio.Future[Ticket]:
        """A ticket at once, or a future when it must wait (for quota in flight, or for the disk)."""
        return self._admissions.admit(admission, owner)

    def append(
        self,
        entry: Entry,
        done: Callable[[Receipt | MiyunError], None],
        *,
        ticket: int | None = None,
        answer: bytes | None = None,
        owner: Hashable = None,
        adopt: Admission | None = None,
        window: int = 0,
    ) -> None:
        """`done` is called when the record is durable or has failed. A ticket of an earlier connection is `adopt`ed
        with its admission and window. Raises Unavailable for a ticket that cannot be settled any more."""
        line = record.line_of(entry, 0)
        held = None
        if adopt is not None:
            held = self._admissions.adopt(adopt, window, owner)
        elif ticket is not None:
            held = self._admissions.take(ticket, owner)
        if held is None:
            self._committer.submit(Pending(line, done))
            return
        try:
            self._committer.submit(self._admissions.pending(held, line, answer, done))
        except MiyunError:
            held.committing = False
            raise

    def release(self, ticket: int, owner: Hashable, *, in_doubt: bool) -> asyncio.Future[None] | None:
        """None when done at once; a future when an idempotency reservation has to be given back durably."""
        return self._admissions.release(ticket, owner, in_doubt=in_doubt)

    def drop(self, owner: Hashable) -> None:
        """A connection is gone: its quota reservations are free; its idempotency keys are in doubt."""
        self._admissions.drop(owner)

    def applied(self, line: Line, pending: Pending | None, position: Position) -> None:
        """A record is durable (or replayed, with `pending` None): bring everything derived from it up to date."""
        delta = self._sidecar.delta
        block = line.seq // BLOCK
        if line.seq % BLOCK == 0:
            delta.blocks[block] = position
        delta.postings.setdefault((line.tenant, line.instance, line.op), set()).add(block)
        if line.meter:
            refused = line.outcome == "refused" and line.code == "QuotaExceeded"
            units = line.units if line.outcome == "ok" else 0
            if units or refused:
                delta.add_usage((line.instance, line.meter, line.window), units, int(refused), line.over)
        self._admissions.applied(line, pending.held if pending else None, replay=pending is None)

    def finish(self, held: Held, line: Line) -> None:
        self._admissions.finish(held, line)

    def failed(self, held: Held, line: Line) -> None:
        self._admissions.failed(held, line)

    # reading

    def head(self) -> Head:
        frontier = self._committer.frontier
        return Head(frontier.size, self._committer.link, frontier.root(), self._clock.now())

    async def records(
        self,
        *,
        tenant: str | None,
        operation: str | None,
        instance: str | None,
        start: int | None,
        limit: int,
        newest_first: bool,
    ) -> list[bytes]:
        """Raw records, at most `limit` and at most about one MiB, beginning at `start` in the asked direction."""
        size = self._committer.frontier.size
        first = (size - 1 if start is None else min(start, size - 1)) if newest_first else (start or 0)
        if not 0 <= first < size:
            return []
        wanted = matching(tenant, instance, operation)
        async with self._sidecar_lock:
            blocks: Callable[[], Iterator[int]]
            if wanted is None:
                last = first // BLOCK
                order = range(last, -1, -1) if newest_first else range(last, (size - 1) // BLOCK + 1)
                blocks = partial(iter, order)
            else:
                blocks = self._sidecar.blocks(tenant, instance, operation, first // BLOCK, descending=newest_first)

            def read() -> list[bytes]:
                return page(self._journal, self._sidecar.block_at, blocks(), wanted, first, size, limit, newest_first)

            return await asyncio.to_thread(read)

    async def usage(self, instances: Sequence[str], start: datetime, end: datetime) -> list[Usage]:
        """Hours that begin in [start, end)."""
        async with self._sidecar_lock:
            sums = await asyncio.to_thread(
                self._sidecar.usage(instances, -int(-start.timestamp() // 1), -int(-end.timestamp() // 1))
            )
        return [
            Usage(instance, meter, datetime.fromtimestamp(window, UTC), *row)
            for (instance, meter, window), row in sorted(sums.items(), key=lambda item: (item[0][2], item[0]))
        ]

    def proof(self, seq: int, size: int | None) -> list[bytes]:
        return merkle.inclusion(self._tree.node, seq, self._known(size))

    def consistency(self, old: int, new: int) -> list[bytes]:
        return merkle.consistency(self._tree.node, old, self._known(new))

    def root(self, size: int) -> bytes:
        return merkle.root_at(self._tree.node, self._known(size))

    def anchor(self, head: Head, signature: bytes, token: bytes | None) -> None:
        if head.root != self.root(head.size):
            raise InvalidArgument("head", Text("不是本账本的树根", "is not a root of this journal"))
        try:
            store_anchor(self.directory, head, signature, token)
        except OSError as error:
            raise StorageFull from error

    def _known(self, size: int | None) -> int:
        own = self._committer.frontier.size
        if size is not None and not 0 <= size <= own:
            raise InvalidArgument("size", Text("大于账本", "is larger than the journal"))
        return own if size is None else size

    # checkpoints and recovery

    async def checkpoint(self) -> None:
        """Store what is derived, so that start-up need not read what came before. Failing is harmless."""
        async with self._sidecar_lock:
            size = self._committer.frontier.size
            if size == self._checkpointed and not self._sidecar.delta.nonces:
                return
            mark = self._mark()
            delta, now = self._sidecar.swap(), self.now()

            def store() -> None:
                self._tree.sync()
                self._sidecar.flush(delta, mark, now=now, keep=now - KEEP_SECONDS)

            try:
                await asyncio.to_thread(store)
            except (sqlite3.Error, OSError) as error:
                log.error(
                    "checkpoint at %d records failed, start-up will read more: %s (if it persists, stop the ledger and "
                    "delete state.db: it is rebuilt)",
                    size,
                    error,
                )
                self._sidecar.flushed(False)
            else:
                self._sidecar.flushed(True)
                self._checkpointed = size

    async def _tick(self) -> None:
        hour, due = 0, time.monotonic()
        while True:
            await asyncio.sleep(0.25)
            try:
                many = self._committer.frontier.size - self._checkpointed > CHECKPOINT_RECORDS // 4
                if many or time.monotonic() - due > CHECKPOINT_SECONDS:
                    await self.checkpoint()
                    due = time.monotonic()
                current = hour_of(self.now())
                if current != hour:
                    hour = current
                    self._admissions.quota.forget_before(current - HOUR)
                    self._answers.prune(self.now())
            except Exception:
                log.exception("housekeeping failed")

    def _mark(self) -> Mark:
        frontier = self._committer.frontier
        return Mark(
            frontier.size,
            self._committer.link,
            self._committer.end,
            frontier.root(),
            self._admissions.nonces.horizon,
        )

    def _open_sidecar(self) -> tuple[Sidecar, Mark | None]:
        path = self.directory / "state.db"
        try:
            sidecar = Sidecar(path)
            mark = sidecar.mark()
            if mark is None or self._tree.frontier(mark.size).root() == mark.root:
                return sidecar, mark
            sidecar.close()
            reason = "the tree file does not match the checkpoint"
        except (sqlite3.DatabaseError, ValueError) as error:
            reason = str(error)
        log.warning("rebuilding the index of the journal: %s", reason)
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return Sidecar(path), None

    def _recover(self, mark: Mark | None) -> Frontier:
        size = mark.size if mark else 0
        self._admissions.restore(mark.horizon if mark else 0)
        frontier = self._tree.frontier(size)
        self._tree.cut(size)
        nodes, stored, at, started = bytearray(), size, mark.position if mark else None, time.monotonic()
        lines = self._journal.recover(size, mark.link, at) if mark else self._journal.recover()
        for scanned in lines:
            try:
                line = record.decode(scanned.raw)
            except msgspec.MsgspecError as error:
                raise JournalDamaged(f"record {scanned.seq} is not of this format: {error}") from error
            if line.seq != scanned.seq:
                raise JournalDamaged(f"record {scanned.seq} says that it is {line.seq}; restore the backup")
            frontier.append(scanned.leaf, nodes)
            self.applied(line, None, scanned.position)
            if frontier.size - stored >= CHECKPOINT_RECORDS:
                self._tree.write(stored, nodes)
                self._tree.sync()
                end = Position(scanned.position.segment, scanned.position.offset + len(scanned.raw) + 66)
                self._flush_now(Mark(frontier.size, scanned.link, end, frontier.root(), 0))
                nodes.clear()
                stored = frontier.size
        self._tree.write(stored, nodes)
        self._checkpointed = stored
        seconds = time.monotonic() - started
        log.info("%d records, %d of them replayed in %.1f s", frontier.size, frontier.size - size, seconds)
        return frontier

    def _flush_now(self, mark: Mark) -> None:
        now = self.now()
        self._sidecar.flush(self._sidecar.swap(), mark, now=now, keep=now - KEEP_SECONDS)
        self._sidecar.flushed(True)

    def _stop_broken(self, error: BaseException) -> None:
        if self.broken is not None and not self.broken.done():
            self.broken.set_exception(error)
