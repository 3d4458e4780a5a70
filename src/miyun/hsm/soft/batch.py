"""Gathers the requests of many connections into one call of a multi-buffer kernel.

A lane is one kind of work (one opcode and scheme). What waits at the end of a turn of the event loop goes together, up
to 64 items. While a batch is being computed, what arrives is gathered for the next one; a small batch waits at most
200 µs for company, and only then. Work that takes longer than a thread switch runs in a worker thread, where the
kernels release the GIL, so that the loop keeps reading.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Final

log = logging.getLogger("miyun.hsm.soft")

MAX_ITEMS: Final = 64
FULL_LANES: Final = 8  # items from which a batch is worth starting while another is still running
MAX_WAIT: Final = 200e-6
INLINE: Final = 150e-6  # seconds of work below which a thread switch costs more than it gains
_SMOOTHING: Final = 0.2


@dataclass(frozen=True, slots=True)
class Job:
    """`units` is the cost (items, or octets for ciphers); `done` gets the results, one per item, or the error."""

    items: Sequence[Any]
    units: int
    done: Callable[[list[Any] | Exception], None]


@dataclass(slots=True)
class LaneCounters:
    batches: int = 0
    jobs: int = 0
    items: int = 0
    largest: int = 0
    deepest: int = 0  # most items that ever waited
    threaded: int = 0


class Lane:
    """`kernel(items)` answers one result per item, in order; it may run in any thread."""

    def __init__(
        self, kernel: Callable[[list[Any]], list[Any]], pool: Executor, *, workers: int, seconds_per_unit: float
    ) -> None:
        self._kernel = kernel
        self._pool = pool
        self._workers = workers
        self._cost = seconds_per_unit
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Job] = deque()
        self._waiting_items = 0
        self._running = 0
        self._turn: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.counters = LaneCounters()

    @property
    def depth(self) -> int:
        """Items that wait."""
        return self._waiting_items

    def submit(self, job: Job) -> None:
        self._waiting.append(job)
        self._waiting_items += len(job.items)
        self.counters.deepest = max(self.counters.deepest, self._waiting_items)
        if self._turn is None:
            self._turn = self._loop.call_soon(self._end_of_turn)

    def _end_of_turn(self) -> None:
        self._turn = None
        if not self._waiting or self._running >= self._workers:
            return
        if self._running and self._waiting_items < FULL_LANES:
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

    def _start(self) -> None:
        jobs: list[Job] = []
        items = units = 0
        while self._waiting and (not jobs or items + len(self._waiting[0].items) <= MAX_ITEMS):
            job = self._waiting.popleft()
            jobs.append(job)
            items += len(job.items)
            units += job.units
        self._waiting_items -= items
        counters = self.counters
        counters.batches += 1
        counters.jobs += len(jobs)
        counters.items += items
        counters.largest = max(counters.largest, items)
        if units * self._cost < INLINE:
            outcomes, seconds = self._compute(jobs)
            self._finish(jobs, outcomes, seconds, units)
            return
        counters.threaded += 1
        self._running += 1
        future = self._loop.run_in_executor(self._pool, self._compute, jobs)
        future.add_done_callback(lambda done: self._threaded(jobs, units, done))

    def _threaded(self, jobs: list[Job], units: int, done: asyncio.Future[Any]) -> None:
        self._running -= 1
        if done.cancelled():
            return
        outcomes, seconds = done.result()
        self._finish(jobs, outcomes, seconds, units)
        if self._waiting and self._turn is None:
            self._end_of_turn()

    def _finish(self, jobs: list[Job], outcomes: list[Any], seconds: float, units: int) -> None:
        self._cost += _SMOOTHING * (seconds / max(1, units) - self._cost)
        for job, outcome in zip(jobs, outcomes, strict=True):
            job.done(outcome)

    def _compute(self, jobs: list[Job]) -> tuple[list[Any], float]:
        """One outcome per job: its list of results, or the exception that only it deserves."""
        started = time.perf_counter()
        try:
            results = self._kernel([item for job in jobs for item in job.items])
            outcomes: list[Any] = []
            position = 0
            for job in jobs:
                outcomes.append(results[position : position + len(job.items)])
                position += len(job.items)
        except Exception:
            outcomes = [self._alone(job) for job in jobs]
        return outcomes, time.perf_counter() - started

    def _alone(self, job: Job) -> list[Any] | Exception:
        """One bad item must not fail its neighbours in the batch."""
        try:
            return self._kernel(list(job.items))
        except Exception as error:
            return error
