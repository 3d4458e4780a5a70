"""Gathers the requests of many connections into one call of a multi-buffer kernel, fairly between their owners.

A lane is one kind of work (one opcode and scheme). What waits at the end of a turn of the event loop goes together, up
to 64 items. While a batch is being computed, what arrives is gathered for the next one; a small batch waits at most
200 µs for company, and only while another is computed or when requests come so densely that company is likely: an idle
lane never waits. Work that takes longer than a thread switch runs in a worker thread, where the kernels release the
GIL, so that the loop keeps reading.

Owners (tenants) take turns, eight items each, so that one's long queue or long list costs another a batch and no more.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, Final

log = logging.getLogger("miyun.hsm.soft")

MAX_ITEMS: Final = 64
FULL_LANES: Final = 8  # items from which a batch is worth starting, and those of one owner's turn
MAX_WAIT: Final = 200e-6
LONGEST: Final = 2e-3  # seconds of work after which a batch takes nothing more, so that nobody waits long behind it
INLINE: Final = 150e-6  # seconds of work below which a thread switch costs more than it gains
_SMOOTHING: Final = 0.2


@dataclass(slots=True, eq=False)
class Job:
    """`units` is the cost (items, or octets for ciphers); `done` gets the results, one per item, or the error."""

    items: Sequence[Any]
    units: int
    done: Callable[[list[Any] | Exception], None]
    owner: str = ""
    since: float = 0.0
    taken: int = 0  # items that were put into a batch
    left: int = 0  # items without a result
    results: list[Any] = field(default_factory=list)
    error: Exception | None = None


@dataclass(slots=True)
class LaneCounters:
    batches: int = 0
    jobs: int = 0
    items: int = 0
    largest: int = 0
    deepest: int = 0  # most items that ever waited
    threaded: int = 0
    waited: float = 0.0  # seconds of all jobs until their first item was in a batch
    longest: float = 0.0  # the longest of these
    busy: float = 0.0  # seconds of computing


_Piece = tuple[Job, int, int]
"""Items `first` to `end` of a job."""


class Lane:
    """`kernel(items)` answers one result per item, in order; it may run in any thread. `side_by_side`: so many units
    cost it as much as one."""

    def __init__(
        self,
        kernel: Callable[[list[Any]], list[Any]],
        pool: Executor,
        *,
        workers: int,
        seconds_per_unit: float,
        side_by_side: int = 1,
    ) -> None:
        self._kernel = kernel
        self._pool = pool
        self._workers = workers
        self._cost = seconds_per_unit  # of `side_by_side` units
        self._width = side_by_side
        self._loop = asyncio.get_running_loop()
        self._waiting: OrderedDict[str, deque[Job]] = OrderedDict()  # by owner, whose turn is next first
        self._waiting_items = 0
        self._running = 0
        self._turn: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._gap = 1.0  # seconds between arrivals, smoothed
        self._arrived = 0.0
        self.counters = LaneCounters()

    @property
    def depth(self) -> int:
        """Items that wait."""
        return self._waiting_items

    def submit(self, job: Job) -> None:
        now = time.perf_counter()
        self._gap += _SMOOTHING * (min(1.0, now - self._arrived) - self._gap)
        self._arrived = job.since = now
        job.left = len(job.items)
        self._waiting.setdefault(job.owner, deque()).append(job)
        self._waiting_items += job.left
        self.counters.deepest = max(self.counters.deepest, self._waiting_items)
        if self._turn is None:
            self._turn = self._loop.call_soon(self._end_of_turn)

    def _end_of_turn(self) -> None:
        self._turn = None
        if not self._waiting or self._running >= self._workers:
            return
        if self._waiting_items < FULL_LANES and (self._running or self._gap * 2 < MAX_WAIT):
            if self._timer is None:
                self._timer = self._loop.call_later(MAX_WAIT, self._waited)
            return
        self._start()
        if self._waiting and self._turn is None:
            self._turn = self._loop.call_soon(self._end_of_turn)  # one batch a turn: the loop reads in between

    def _waited(self) -> None:
        self._timer = None
        if self._waiting and self._running < self._workers:
            self._start()

    def _gather(self) -> tuple[list[_Piece], int, float]:
        """The next batch, how many items it has, and its cost."""
        pieces: list[_Piece] = []
        items, units = 0, 0.0
        waiting, cost, now = self._waiting, self._cost / self._width, time.perf_counter()
        while waiting and items < MAX_ITEMS and units * cost < LONGEST:
            owner, queue = next(iter(waiting.items()))
            room = FULL_LANES
            while queue and room and items < MAX_ITEMS and units * cost < LONGEST:
                job = queue[0]
                first, each = job.taken, job.units / len(job.items)
                count = min(room, MAX_ITEMS - items, len(job.items) - first)
                if each * cost > LONGEST / FULL_LANES:  # bulk data item by item: eight of them would be a long batch
                    count = 1
                if not first:
                    self._begun(now - job.since)
                job.taken = first + count
                pieces.append((job, first, job.taken))
                items += count
                room -= count
                units += each * count
                if job.taken == len(job.items):
                    queue.popleft()
            if queue:
                waiting.move_to_end(owner)
            else:
                del waiting[owner]
        return pieces, items, -(-units // self._width)

    def _begun(self, waited: float) -> None:
        self.counters.jobs += 1
        self.counters.waited += waited
        self.counters.longest = max(self.counters.longest, waited)

    def _start(self) -> None:
        pieces, items, units = self._gather()
        self._waiting_items -= items
        counters = self.counters
        counters.batches += 1
        counters.items += items
        counters.largest = max(counters.largest, items)
        if units * self._cost < INLINE:
            outcomes, seconds = self._compute(pieces)
            self._finish(pieces, outcomes, seconds, units)
            return
        counters.threaded += 1
        self._running += 1
        future = self._loop.run_in_executor(self._pool, self._compute, pieces)
        future.add_done_callback(lambda done: self._threaded(pieces, units, done))

    def _threaded(self, pieces: list[_Piece], units: float, done: asyncio.Future[Any]) -> None:
        self._running -= 1
        if done.cancelled():
            return
        outcomes, seconds = done.result()
        self._finish(pieces, outcomes, seconds, units)
        if self._waiting and self._turn is None:
            self._end_of_turn()

    def _finish(self, pieces: list[_Piece], outcomes: list[Any], seconds: float, units: float) -> None:
        self._cost += _SMOOTHING * (seconds / max(1.0, units) - self._cost)
        self.counters.busy += seconds
        for (job, first, end), outcome in zip(pieces, outcomes, strict=True):
            job.left -= end - first
            if isinstance(outcome, Exception):
                job.error = outcome
            elif end - first == len(job.items):
                job.results = outcome
            else:
                job.results = job.results or [None] * len(job.items)
                job.results[first:end] = outcome
            if not job.left:
                job.done(job.error if job.error is not None else job.results)

    def _compute(self, pieces: list[_Piece]) -> tuple[list[Any], float]:
        """One outcome per piece: its list of results, or the exception that only it deserves."""
        started = time.perf_counter()
        try:
            results = self._kernel([item for job, first, end in pieces for item in job.items[first:end]])
            outcomes: list[Any] = []
            position = 0
            for _job, first, end in pieces:
                outcomes.append(results[position : position + end - first])
                position += end - first
        except Exception:
            outcomes = [self._alone(list(job.items[first:end])) for job, first, end in pieces]
        return outcomes, time.perf_counter() - started

    def _alone(self, items: list[Any]) -> list[Any] | Exception:
        """One bad item must not fail its neighbours in the batch."""
        try:
            return self._kernel(items)
        except Exception as error:
            return error
