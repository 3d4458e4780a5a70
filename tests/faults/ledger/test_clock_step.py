"""The clock is set back, or jumps: quota stays exact for each hour, and nothing can be replayed."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from miyun.core.errors import QuotaExceeded, ReplayedRequest
from miyun.core.ledger.engine import Engine
from miyun.core.ledger.port import Admission, Entry, QuotaAsk

pytestmark = pytest.mark.anyio


class SteppedClock:
    at = datetime(2026, 3, 2, 2, 0, 10, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def step(self, **by: int) -> None:
        self.at += timedelta(**by)


@pytest.fixture
async def engine() -> AsyncIterator[tuple[Engine, SteppedClock]]:
    home, clock = Path(tempfile.mkdtemp(prefix="my", dir="/tmp")), SteppedClock()
    engine = Engine(home, clock=clock, patience=0.2)
    await engine.open()
    yield engine, clock
    await engine.close()
    shutil.rmtree(home)


async def use(engine: Engine, clock: SteppedClock) -> None:
    ticket = engine.admit(Admission(quota=QuotaAsk("ins_1:m", 1, 2)), "worker")
    ticket = await ticket if isinstance(ticket, asyncio.Future) else ticket
    done = asyncio.get_running_loop().create_future()
    entry = Entry("room.verb", "ok", clock.now(), instance="ins_1", meter="m", units=1)
    engine.append(entry, done.set_result, ticket=ticket.number, owner="worker")
    await done


async def test_an_hour_that_comes_again_is_the_same_hour(engine) -> None:
    ledger, clock = engine
    clock.step(seconds=-20)
    await use(ledger, clock)
    await use(ledger, clock)
    clock.step(seconds=20)
    await use(ledger, clock)
    clock.step(seconds=-20)
    with pytest.raises(QuotaExceeded):
        await use(ledger, clock)
    await ledger.checkpoint()
    clock.step(hours=30)
    await use(ledger, clock)
    await asyncio.sleep(0.3)  # idle accounts of other hours are forgotten
    clock.step(hours=-30)
    with pytest.raises(QuotaExceeded):
        await use(ledger, clock)


async def test_a_nonce_already_forgotten_cannot_come_again(engine) -> None:
    ledger, clock = engine

    def request(name: str) -> Admission:
        return Admission(nonce=name, nonce_expires=clock.now().timestamp() + 300)

    old = request("old")
    ledger.admit(old, "worker")
    clock.step(hours=24)
    ledger.admit(request("a day later"), "worker")  # forgets the old one
    clock.step(hours=-24)
    with pytest.raises(ReplayedRequest):
        ledger.admit(old, "worker")
    clock.step(seconds=40)
    ledger.admit(request("new"), "worker")  # and honest requests go on
