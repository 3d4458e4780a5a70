"""The cache of rows under every interleaving of loads and invalidations: what was revoked is never served again."""

from __future__ import annotations

import asyncio

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from miyun.core.tenancy.cache import RowCache

KEYS = st.sampled_from("abc")


class CacheUnderInvalidation(RuleBasedStateMachine):
    """`truth` is the database. A load reads it at once but may be told its answer later, as a thread would."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.cache: RowCache[str, int] = RowCache(size=2, seconds=10, timer=lambda: self.now)
        self.truth = dict.fromkeys("abc", 0)
        self.loop = asyncio.new_event_loop()
        self.running: list[tuple[asyncio.Task[int | None], asyncio.Event]] = []

    def teardown(self) -> None:
        for task, gate in self.running:
            gate.set()
            self.loop.run_until_complete(task)
        self.loop.close()

    def step(self) -> None:
        for _ in range(3):
            self.loop.run_until_complete(asyncio.sleep(0))

    @rule(key=KEYS)
    def begin_load(self, key: str) -> None:
        gate = asyncio.Event()

        async def loader() -> int:
            row = self.truth[key]
            await gate.wait()
            return row

        self.running.append((self.loop.create_task(self.cache.load(key, loader)), gate))
        self.step()

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0, 100))
    def finish_load(self, which: int) -> None:
        task, gate = self.running.pop(which % len(self.running))
        gate.set()
        self.loop.run_until_complete(task)

    @rule(key=KEYS)
    def change_and_invalidate(self, key: str) -> None:
        self.truth[key] += 1
        self.cache.drop(key)

    @rule()
    def change_all_and_invalidate(self) -> None:
        self.truth = {key: value + 1 for key, value in self.truth.items()}
        self.cache.drop_where(lambda _value: True)

    @rule(seconds=st.floats(0.1, 11))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def nothing_stale_is_served(self) -> None:
        for key in "abc":
            assert self.cache.get(key) in (None, self.truth[key])

    @invariant()
    def it_stays_small(self) -> None:
        assert len(self.cache) <= 2


TestCacheUnderInvalidation = CacheUnderInvalidation.TestCase
TestCacheUnderInvalidation.settings = settings(max_examples=60, stateful_step_count=25)


def test_an_entry_lives_its_time_and_no_longer() -> None:
    now = [0.0]
    cache: RowCache[str, int] = RowCache(size=8, seconds=300, timer=lambda: now[0])

    async def load(value: int) -> int | None:
        async def loader() -> int:
            return value

        return await cache.load("k", loader)

    assert asyncio.run(load(1)) == 1
    now[0] = 299.9
    assert asyncio.run(load(2)) == 1
    now[0] = 300
    assert asyncio.run(load(2)) == 2
