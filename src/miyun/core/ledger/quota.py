"""Exact quota: units of an account in a clock hour.

Units are *reserved* at admission and *settled* by the durable record. An ask is granted when settled + reserved leaves
room, refused when settled alone does not, and otherwise waits: a reservation may still be given back, and nobody is
refused while a unit is unused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from miyun.core.errors import Overloaded, QuotaExceeded
from miyun.core.ledger.port import QuotaAsk
from miyun.core.ledger.record import HOUR

WAITERS = 5_000  # of one account; more is refused as Overloaded, never as quota exceeded


@dataclass(slots=True, eq=False)
class _Account:
    settled: int
    reserved: int = 0
    committing: int = 0  # units of records on the way to the disk, for numbering those behind them
    waiters: list[tuple[QuotaAsk, asyncio.Future[Grant]]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Grant:
    """A reservation of `units` in the hour `window`. Ends once, by `settle` or `release`."""

    account: str
    window: int
    units: int
    limit: int
    used: int
    over: bool
    held: _Account


class Quota:
    """`load(account, window)` tells what the journal has settled. `clock` gives unix seconds."""

    def __init__(self, load: Callable[[str, int], int], clock: Callable[[], float]) -> None:
        self._load = load
        self._clock = clock
        self._accounts: dict[tuple[str, int], _Account] = {}

    def take(self, ask: QuotaAsk, window: int) -> Grant | None:
        """Reserve, or None when the ask has to wait. Raises QuotaExceeded."""
        account = self._account(ask.account, window)
        if ask.refuse:
            if account.settled + ask.units > ask.limit:
                raise self._exceeded(ask, account, window)
            if account.settled + account.reserved + ask.units > ask.limit:
                return None
        return self._grant(ask, account, window)

    async def wait(self, ask: QuotaAsk, window: int, seconds: float) -> Grant | None:
        """Wait until granted (or raise QuotaExceeded); None when `seconds` passed."""
        account = self._account(ask.account, window)
        if len(account.waiters) >= WAITERS:
            raise Overloaded(retry_after=1)
        future: asyncio.Future[Grant] = asyncio.get_running_loop().create_future()
        entry = (ask, future)
        account.waiters.append(entry)
        try:
            await asyncio.wait((future,), timeout=seconds)
        except asyncio.CancelledError:
            if future.done() and future.exception() is None:
                self.release(future.result())
            raise
        finally:
            if entry in account.waiters:
                account.waiters.remove(entry)
        return future.result() if future.done() else None

    def commit(self, grant: Grant, units: int) -> int:
        """The record of `units` gets its place in the journal. Returns how many of them lie beyond the limit."""
        account = grant.held
        account.committing += units
        return max(0, min(units, account.settled + account.committing - grant.limit))

    def uncommit(self, grant: Grant, units: int) -> None:
        """The record was not written."""
        grant.held.committing -= units

    def settle(self, grant: Grant, units: int) -> int:
        """The committed record is durable: `units` count, the rest of the reservation is free. Returns the total."""
        account = grant.held
        account.committing -= units
        account.settled += units
        account.reserved -= grant.units
        self._pump(account, grant.window)
        return account.settled

    def release(self, grant: Grant) -> None:
        grant.held.reserved -= grant.units
        self._pump(grant.held, grant.window)

    def settled(self, account: str, window: int) -> int:
        return self._account(account, window).settled

    def forget_before(self, window: int) -> None:
        """Drop idle accounts of earlier hours; what they settled is in the journal."""
        idle = [k for k, a in self._accounts.items() if k[1] < window and not a.reserved and not a.waiters]
        for key in idle:
            del self._accounts[key]

    def _account(self, name: str, window: int) -> _Account:
        account = self._accounts.get((name, window))
        if account is None:
            account = self._accounts[name, window] = _Account(self._load(name, window))
        return account

    def _grant(self, ask: QuotaAsk, account: _Account, window: int) -> Grant:
        account.reserved += ask.units
        used = account.settled + account.reserved
        return Grant(ask.account, window, ask.units, ask.limit, used, used > ask.limit, account)

    def _pump(self, account: _Account, window: int) -> None:
        if not account.waiters:
            return
        waiting = []
        for ask, future in account.waiters:
            if future.done():
                continue
            if account.settled + account.reserved + ask.units <= ask.limit:
                future.set_result(self._grant(ask, account, window))
            elif account.settled + ask.units > ask.limit:
                future.set_exception(self._exceeded(ask, account, window))
            else:
                waiting.append((ask, future))
        account.waiters[:] = waiting

    def _exceeded(self, ask: QuotaAsk, account: _Account, window: int) -> QuotaExceeded:
        left = window + HOUR - self._clock()
        return QuotaExceeded(
            retry_after=max(1, -int(-left // 1)),
            used=account.settled,
            limit=ask.limit,
            meter=ask.account.rpartition(":")[2],
        )
