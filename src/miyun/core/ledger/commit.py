"""Group commit: everything that waits is chained, written and synced together, then each waiter is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from miyun.core.digest import digest_many
from miyun.core.errors import MiyunError, Overloaded, StorageFull, TooLarge, Unavailable
from miyun.core.ledger import record
from miyun.core.ledger.answers import Answers
from miyun.core.ledger.chain import link_hash
from miyun.core.ledger.journal import Journal, JournalBroken, Position
from miyun.core.ledger.merkle import Frontier, TreeFile
from miyun.core.ledger.port import Receipt
from miyun.core.ledger.record import Line

if TYPE_CHECKING:
    from miyun.core.ledger.admission import Held

log = logging.getLogger("miyun.ledger")

LARGEST_RECORD = 256 * 1024
QUEUE = 20_000  # records waiting for the disk; more is refused as Overloaded
QUEUE_BYTES = 64 * 1024 * 1024  # of stored answers and large records waiting
BATCH = 2_000

Done = Callable[[Receipt | MiyunError], None]


class Sink(Protocol):
    """Learns of every record, in order, before its waiter does."""

    def finish(self, held: Held, line: Line) -> None:
        """The record is being numbered."""

    def applied(self, line: Line, pending: Pending, position: Position) -> None:
        """The record is durable."""

    def failed(self, held: Held, line: Line) -> None:
        """A record for which `finish` was called was not written, or will not be."""


@dataclass(slots=True, eq=False)
class Pending:
    """`line` has everything but its number; `held` is the ticket that it settles."""

    line: Line
    done: Done
    held: Held | None = None
    answer: bytes | None = None


class Committer:
    """Owns the journal's and the tree's end. Everything but the disk work runs in the event loop."""

    def __init__(
        self,
        journal: Journal,
        tree: TreeFile,
        answers: Answers,
        frontier: Frontier,
        sink: Sink,
        clock: Callable[[], float],
        broken: Callable[[BaseException], None],
    ) -> None:
        self.journal = journal
        self.tree = tree
        self.answers = answers
        self.frontier = frontier  # these three describe the durable end as the event loop knows it
        self.link = journal.link
        self.end = journal.end()
        self._sink = sink
        self._clock = clock
        self._broken = broken
        self._queue: list[Pending] = []
        self._bytes = 0
        self._thread = ThreadPoolExecutor(1, "journal")
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def submit(self, pending: Pending) -> None:
        """Queue a record; `done` is called once, when it is durable or has failed. Raises Overloaded."""
        size = len(pending.answer or b"")
        if self._closed or len(self._queue) >= QUEUE or (self._bytes and self._bytes + size > QUEUE_BYTES):
            raise Overloaded(retry_after=1)
        self._queue.append(pending)
        self._bytes += size
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Finish what is queued; refuse the rest."""
        self._closed = True
        while self._task is not None:
            await asyncio.wait((self._task,))
        self._thread.shutdown()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._queue:
                batch, self._queue = self._queue[:BATCH], self._queue[BATCH:]
                self._bytes = sum(len(pending.answer or b"") for pending in self._queue)
                await self._commit(loop, batch)
        except BaseException as error:
            self._closed = True
            for pending in self._queue:
                pending.done(Unavailable("ledger"))
            self._queue.clear()
            self._broken(error)
        finally:
            self._task = None

    async def _commit(self, loop: asyncio.AbstractEventLoop, batch: list[Pending]) -> None:
        try:
            self.journal.roll_if_full()
        except OSError as error:
            log.error("cannot start a new segment: %s", error)
            for pending in batch:
                if pending.held is not None:
                    self._sink.finish(pending.held, pending.line)
            self._fail(batch, StorageFull())
            return
        data, nodes, frontier, link, written = self._build(batch)
        if not written:
            return
        try:
            await loop.run_in_executor(self._thread, self._store, data, nodes, len(written), link)
        except (StorageFull, OSError) as error:
            log.error("records refused, the storage does not take them: %s", error.__cause__ or error)
            await loop.run_in_executor(self._thread, self.answers.undo)
            self._fail([pending for pending, _line, _receipt, _position in written], StorageFull())
            return
        except JournalBroken:
            self._fail([pending for pending, _line, _receipt, _position in written], Unavailable("ledger"))
            raise
        self.frontier, self.link, self.end = frontier, link, self.journal.end()
        for pending, line, _receipt, position in written:
            self._sink.applied(line, pending, position)
        for pending, _line, receipt, _position in written:
            pending.done(receipt)

    def _build(
        self, batch: list[Pending]
    ) -> tuple[bytearray, bytearray, Frontier, bytes, list[tuple[Pending, Line, Receipt, Position]]]:
        seq, raws, accepted = self.journal.size, [], []
        for pending in batch:
            line = pending.line
            line.seq = seq
            if pending.answer is not None:
                line.answer = list(self.answers.place(pending.answer, self._clock()) or ())
            if pending.held is not None:
                self._sink.finish(pending.held, line)
            raw = record.encode(line)
            if len(raw) > LARGEST_RECORD:
                self._fail([pending], TooLarge(field="detail", limit=LARGEST_RECORD))
                continue
            raws.append(raw)
            accepted.append(pending)
            seq += 1
        data, nodes, written = bytearray(), bytearray(), []
        frontier, link, end = self.frontier.copy(), self.journal.link, self.journal.end()
        leaves = digest_many([b"\x00" + raw for raw in raws])  # independent of each other, unlike the links
        for pending, raw, leaf in zip(accepted, raws, leaves, strict=True):
            link = link_hash(link, leaf)
            position = Position(end.segment, end.offset + len(data))
            data += link.hex().encode() + b" " + raw + b"\n"
            frontier.append(leaf, nodes)
            written.append((pending, pending.line, Receipt(pending.line.seq, leaf, link), position))
        return data, nodes, frontier, link, written

    def _store(self, data: bytearray, nodes: bytearray, count: int, link: bytes) -> None:
        """In the journal thread. The journal comes last: what it refers to is durable then."""
        self.answers.write()
        self.tree.write(self.journal.size, nodes)
        self.journal.write(data, count, link)

    def _fail(self, batch: list[Pending], error: MiyunError) -> None:
        for pending in batch:
            if pending.held is not None:
                self._sink.failed(pending.held, pending.line)
        for pending in batch:
            pending.done(error)
