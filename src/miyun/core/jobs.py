"""Periodic work, run by the one jobs process of a node. A task that fails is logged, counted and tried again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from miyun.core.clock import Clock
from miyun.core.errors import MiyunError

FINISH_SECONDS = 5.0
log = logging.getLogger("miyun.jobs")


@dataclass(frozen=True, slots=True)
class Task:
    """`run(service)` every `every_seconds`; tasks must be idempotent: after a crash they simply run again."""

    name: str  # "certificate.crl"
    every_seconds: float
    run: Callable[[Any], Awaitable[None]]


@dataclass(slots=True)
class TaskState:
    runs: int = 0
    failures: int = 0
    last_run: datetime | None = None
    last_error: str = ""


@dataclass(slots=True)
class Runner:
    """Runs tasks side by side, each with its own period. `stop()` lets the running ones finish, for a bounded time:
    what waits longer is cancelled and runs again after the next start, as after a crash."""

    clock: Clock
    states: dict[str, TaskState] = field(default_factory=dict)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, tasks: Sequence[tuple[Task, Any]]) -> None:
        loops = [asyncio.create_task(self._loop(task, service), name=task.name) for task, service in tasks]
        try:
            await self._stopping.wait()
            if loops:
                _, unfinished = await asyncio.wait(loops, timeout=FINISH_SECONDS)
                for loop in unfinished:
                    log.warning("task %s did not finish in %.0f s and is broken off", loop.get_name(), FINISH_SECONDS)
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)

    def stop(self) -> None:
        self._stopping.set()

    async def _loop(self, task: Task, service: Any) -> None:
        state = self.states.setdefault(task.name, TaskState())
        while not self._stopping.is_set():
            try:
                await task.run(service)
                state.last_error = ""
            except MiyunError as error:  # a state of the platform (a locked machine), not a defect: no trace
                state.failures += 1
                state.last_error = error.code
                log.warning(
                    "task %s: %s: %s it runs again in %s s", task.name, error.code, error.message.en, task.every_seconds
                )
            except Exception as error:
                state.failures += 1
                state.last_error = type(error).__name__
                log.exception("task %s failed; it runs again in %s s", task.name, task.every_seconds)
            state.runs += 1
            state.last_run = self.clock.now()
            try:
                await asyncio.wait_for(self._stopping.wait(), task.every_seconds)
            except TimeoutError:
                continue
