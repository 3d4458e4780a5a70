"""Periodic tasks go on after a failure; what is a state of the platform is told in a line, a defect with its trace."""

from __future__ import annotations

import asyncio
import logging

import pytest

from miyun.core.clock import SystemClock
from miyun.core.errors import MachineLocked
from miyun.core.jobs import Runner, Task


def run_twice(error: Exception) -> Runner:
    runner = Runner(SystemClock())

    async def work(_service: None) -> None:
        if runner.states["room.work"].runs == 1:
            runner.stop()
        raise error

    asyncio.run(runner.run([(Task("room.work", 0.001, work), None)]))
    return runner


@pytest.mark.parametrize(("error", "traced"), [(MachineLocked(), False), (KeyError("x"), True)])
def test_a_failing_task_runs_again_and_says_why(
    error: Exception, traced: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="miyun.jobs"):
        runner = run_twice(error)
    state = runner.states["room.work"]
    assert (state.runs, state.failures, state.last_error) == (2, 2, type(error).__name__)
    assert [bool(record.exc_info) for record in caplog.records] == [traced, traced]
    assert all("room.work" in record.getMessage() for record in caplog.records)


def test_stopping_lets_a_running_task_finish_and_breaks_off_one_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("miyun.core.jobs.FINISH_SECONDS", 0.2)
    runner = Runner(SystemClock())
    ended: list[str] = []

    async def quick(_service: None) -> None:
        runner.stop()
        await asyncio.sleep(0.02)
        ended.append("quick")

    async def endless(_service: None) -> None:
        await asyncio.sleep(3600)
        ended.append("endless")

    tasks = [(Task("room.quick", 60, quick), None), (Task("room.endless", 60, endless), None)]
    asyncio.run(asyncio.wait_for(runner.run(tasks), 60))
    assert ended == ["quick"]
