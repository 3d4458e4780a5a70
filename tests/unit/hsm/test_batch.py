"""The lanes of the VSM: batches, fairness between owners, errors that stay with their cause."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from miyun.hsm.soft.batch import FULL_LANES, INLINE, MAX_ITEMS, Job, Lane

pytestmark = pytest.mark.anyio


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as made:
        yield made


class Kernel:
    """Answers what it was given, and remembers the batches."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []

    def __call__(self, items: list[Any]) -> list[Any]:
        self.batches.append(items)
        if "bad" in items:
            raise ValueError("bad")
        return items


def lane_of(kernel: Kernel, pool: ThreadPoolExecutor, *, threaded: bool = False) -> Lane:
    return Lane(kernel, pool, workers=1, seconds_per_unit=INLINE * 10 if threaded else 1e-9)


def asked(lane: Lane, items: list[Any], owner: str = "") -> asyncio.Future[Any]:
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    lane.submit(Job(items, len(items), future.set_result, owner))
    return future


async def test_what_comes_in_one_turn_of_the_loop_is_one_batch(pool: ThreadPoolExecutor) -> None:
    kernel = Kernel()
    lane = lane_of(kernel, pool)
    answers = await asyncio.gather(*(asked(lane, [n]) for n in range(9)))
    assert answers == [[n] for n in range(9)]
    assert [len(batch) for batch in kernel.batches] == [9]
    assert (lane.counters.jobs, lane.counters.items, lane.counters.batches, lane.depth) == (9, 9, 1, 0)


async def test_a_long_list_is_cut_and_its_answers_are_whole_and_in_order(pool: ThreadPoolExecutor) -> None:
    kernel = Kernel()
    answers = await asked(lane_of(kernel, pool), list(range(1000)))
    assert answers == list(range(1000))
    assert max(map(len, kernel.batches)) == MAX_ITEMS


async def test_an_owner_with_few_items_is_in_the_first_batch_beside_a_long_list(pool: ThreadPoolExecutor) -> None:
    kernel = Kernel()
    lane = lane_of(kernel, pool)
    long = asked(lane, ["flood"] * 4000, "flood")
    short = [asked(lane, ["other"], "other") for _ in range(2)]
    await asyncio.gather(*short)
    assert kernel.batches[0].count("other") == 2
    assert kernel.batches[0][:FULL_LANES] == ["flood"] * FULL_LANES
    assert len(await long) == 4000


async def test_a_bad_item_fails_its_own_request_only(pool: ThreadPoolExecutor) -> None:
    lane = lane_of(Kernel(), pool)
    good, bad, other = await asyncio.gather(asked(lane, [1]), asked(lane, [2, "bad"]), asked(lane, [3]))
    assert (good, other) == ([1], [3])
    assert isinstance(bad, ValueError)


async def test_a_bad_item_in_one_part_of_a_long_list_fails_the_list_once(pool: ThreadPoolExecutor) -> None:
    lane = lane_of(Kernel(), pool)
    assert isinstance(await asked(lane, [*range(200), "bad", *range(200)]), ValueError)


async def test_costly_items_are_computed_in_threads_a_few_at_a_time(pool: ThreadPoolExecutor) -> None:
    kernel = Kernel()
    lane = lane_of(kernel, pool, threaded=True)
    assert await asked(lane, list(range(20))) == list(range(20))
    assert lane.counters.threaded and len(kernel.batches[0]) < FULL_LANES
