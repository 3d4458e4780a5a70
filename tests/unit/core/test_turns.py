"""Turns: at once while there is room, fair between owners, bounded, no place lost."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from miyun.core.errors import Overloaded
from miyun.core.turns import LATELY, Turns

pytestmark = pytest.mark.anyio


async def settled(*calls: Coroutine[Any, Any, None]) -> list[asyncio.Task[None]]:
    """The calls, begun: each has its place or waits for it."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_more_than_the_width_waits_and_each_end_lets_one_in() -> None:
    turns = Turns(width=2)
    first, second, third = await settled(*(turns.take("a") for _ in range(3)))
    assert (first.done(), second.done(), third.done()) == (True, True, False)
    turns.give("a")
    await third
    assert (turns.running, turns.waiting) == (2, 0)


async def test_who_has_less_than_the_share_does_not_wait_behind_a_flood() -> None:
    turns = Turns(width=4)
    await settled(*(turns.take("flood") for _ in range(50)))
    await asyncio.wait_for(turns.take("other"), 1)
    await asyncio.wait_for(turns.take("other"), 1)
    (third,) = await settled(turns.take("other"))
    assert not third.done(), "the half of four is two"


async def test_it_is_known_whether_others_are_about() -> None:
    turns = Turns(width=2)
    await turns.take("a")
    assert turns.alone("a") and not turns.alone("b")
    await turns.take("b")
    assert not turns.alone("a")
    turns.give("b")
    await turns.take("a")
    await settled(turns.take("a"))
    assert turns.alone("a"), "its own queue is not somebody else"
    turns.give("a")
    turns.give("a")
    turns.give("a")
    assert not turns.alone("a")


async def test_owners_that_wait_take_turns() -> None:
    turns, order = Turns(width=1), []

    async def call(owner: str) -> None:
        await turns.take(owner)
        order.append(owner)

    tasks = await settled(call("a"), *(call("a") for _ in range(3)), *(call("b") for _ in range(3)))
    while turns.running:
        turns.give(order[-1])
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert order == ["a", "a", "b", "a", "b", "a", "b"]


async def test_a_queue_is_bounded_for_each_owner_and_for_all() -> None:
    turns = Turns(width=1, waiting=2, all_waiting=3)
    await settled(*(turns.take("a") for _ in range(3)))
    with pytest.raises(Overloaded) as refused:
        await turns.take("a")
    assert refused.value.retry_after == 1
    await settled(turns.take("b"))
    with pytest.raises(Overloaded):
        await turns.take("c")
    assert turns.refused == 2


async def test_who_goes_away_leaves_no_place_taken() -> None:
    turns = Turns(width=1)
    _running, waiting, late = await settled(*(turns.take("a") for _ in range(3)))
    waiting.cancel()
    await asyncio.wait((waiting,))
    turns.give("a")
    late.cancel()  # in the same moment in which it got its place
    await asyncio.wait((late,))
    assert (turns.running, turns.waiting) == (0, 0)
    await asyncio.wait_for(turns.take("b"), 1)


async def test_who_is_alone_for_a_while_has_more_room_until_somebody_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("miyun.core.turns.time.monotonic", lambda: now)
    turns = Turns(width=2)
    await settled(turns.take("a"))
    now += LATELY + 0.1
    await settled(*(turns.take("a") for _ in range(30)))
    assert (turns.running, turns.waiting) == (31, 0)
    await asyncio.wait_for(turns.take("b"), 1)  # and does not wait for the others to end
    (late,) = await settled(turns.take("a"))
    assert not late.done(), "they are two now"
    for _ in range(30):
        turns.give("a")
    await settled()
    assert not late.done()
    turns.give("a")
    await late
