"""Quota as a state machine: never more than the limit is settled, and nobody is refused while a unit is unused."""

from __future__ import annotations

import asyncio
from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from miyun.core.errors import QuotaExceeded
from miyun.core.ledger.port import QuotaAsk
from miyun.core.ledger.quota import Grant, Quota

LIMIT = 10
ACCOUNT = "ins_1:timestamp.tokens"


class QuotaMachine(RuleBasedStateMachine):
    """The model is the plain count of what each hour settled and what is in flight."""

    grants = Bundle("grants")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.window = 0
        self.settled: Counter[int] = Counter()
        self.held: Counter[int] = Counter()
        self.waiting: list[tuple[int, int, asyncio.Task[Grant | None]]] = []  # window, units, task
        self.quota = self.fresh()

    def fresh(self) -> Quota:
        return Quota(lambda _account, window: self.settled[window], lambda: float(self.window))

    def run_ready(self) -> None:
        for _ in range(4):
            self.loop.run_until_complete(asyncio.sleep(0))

    def granted(self) -> Counter[int]:
        """Units of those that waited, got theirs, and were not collected yet."""
        granted: Counter[int] = Counter()
        for window, units, task in self.waiting:
            if task.done() and not task.exception():
                granted[window] += units
        return granted

    def refused_rightly(self, window: int, units: int) -> None:
        assert self.settled[window] + units > LIMIT, "refused although units were unused"

    @rule(target=grants, units=st.integers(1, 4))
    def ask(self, units: int):
        self.run_ready()
        free = LIMIT - self.settled[self.window] - self.held[self.window] - self.granted()[self.window]
        try:
            grant = self.quota.take(QuotaAsk(ACCOUNT, units, LIMIT), self.window)
        except QuotaExceeded as error:
            self.refused_rightly(self.window, units)
            assert error.retry_after is not None
            return None
        assert (grant is not None) == (units <= free)
        if grant is None:
            window = self.window
            task = self.loop.create_task(self.quota.wait(QuotaAsk(ACCOUNT, units, LIMIT), window, 3600))
            self.waiting.append((window, units, task))
            self.run_ready()
            return None
        self.held[self.window] += units
        return grant

    @rule(grant=consumes(grants), used=st.integers(0, 4))
    def settle(self, grant: Grant | None, used: int) -> None:
        if grant is None:
            return
        used = min(used, grant.units)
        assert self.quota.commit(grant, used) == 0
        self.held[grant.window] -= grant.units
        self.settled[grant.window] += used
        assert self.quota.settle(grant, used) == self.settled[grant.window]

    @rule(grant=consumes(grants))
    def release(self, grant: Grant | None) -> None:
        if grant is not None:
            self.held[grant.window] -= grant.units
            self.quota.release(grant)

    @rule(target=grants)
    def collect_one_that_waited(self):
        self.run_ready()
        for index, (window, units, task) in enumerate(self.waiting):
            if not task.done():
                continue
            del self.waiting[index]
            try:
                grant = task.result()
            except QuotaExceeded:
                self.refused_rightly(window, units)
                return None
            assert grant is not None
            assert grant.units == units
            self.held[window] += units
            return grant
        return None

    @rule(index=st.integers(0, 9))
    def the_caller_goes_away(self, index: int) -> None:
        if index < len(self.waiting):
            _window, _units, task = self.waiting.pop(index)
            if task.done() and not task.exception():
                self.quota.release(task.result())  # as the client does for a ticket that nobody waits for
            task.cancel()
            self.run_ready()

    @rule()
    def the_hour_ends(self) -> None:
        self.window += 3600
        self.quota.forget_before(self.window - 3600)

    @invariant()
    def never_more_than_the_limit(self) -> None:
        self.run_ready()
        for window in self.settled:
            assert self.settled[window] <= LIMIT

    @invariant()
    def nobody_waits_while_there_is_room(self) -> None:
        self.run_ready()
        granted = self.granted()
        for window, units, task in self.waiting:
            if not task.done():
                assert self.settled[window] + self.held[window] + granted[window] + units > LIMIT

    def teardown(self) -> None:
        for _window, _units, task in self.waiting:
            task.cancel()
        self.run_ready()
        self.loop.close()


QuotaMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
TestQuota = QuotaMachine.TestCase
