"""Whether this machine's time may be stated in a token. When in doubt nothing is issued.

Two things are watched. *Continuity*, in every process: wall clock minus the kernel's boot-time clock must not jump,
since NTP slews both alike and only a step moves one alone. *Drift*, by the jobs process: the offset from external
sources; workers read its newest measurement. Without external sources the time is only as good as the kernel's clock,
and status and evidence say so.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from miyun.core.clock import Clock
from miyun.core.errors import ClockUntrusted
from miyun.offerings.timestamp.model import CONFIRMED, KERNEL, STALE_AFTER, ClockState, Drift, Reading


def boot_time() -> float:
    """Seconds since boot, suspension included; never stepped."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class ClockGuard:
    """`newest` reads the newest measurement; it is asked at most every `poll` seconds."""

    def __init__(
        self,
        *,
        clock: Clock,
        newest: Callable[[], Sequence[Drift]],
        tolerance: float = 1.0,
        external: bool = False,
        monotonic: Callable[[], float] = boot_time,
        poll: float = 5.0,
    ) -> None:
        self.tolerance = tolerance
        self.external = external
        self._clock = clock
        self._newest = newest
        self._monotonic = monotonic
        self._poll = poll
        self._baseline = self._difference()
        self._measured: Sequence[Drift] = ()
        self._polled_at: float | None = None
        self._stepped = False
        self._last: datetime | None = None

    def time(self) -> datetime:
        """The time to state, in milliseconds, never before one stated earlier. Raises ClockUntrusted."""
        if self._reason() != "":
            raise ClockUntrusted
        now = self._clock.now()
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        # A step back inside the tolerance must not turn the order of two tokens around.
        self._last = now if self._last is None else max(now, self._last)
        return self._last

    def state(self) -> ClockState:
        reason = self._reason()
        return ClockState(
            trusted=reason == "",
            reason=reason,
            step=self._step(),
            readings=tuple(Reading(row.source, row.offset) for row in self._measured if row.source not in _INTERNAL),
            measured_at=self._measured[0].at if self._measured else None,
        )

    def judge(self, readings: Sequence[Reading]) -> bool:
        """Whether the time is to be trusted, given fresh readings: for the process that measures."""
        if self._discontinuous():
            return False
        if not readings:
            return not self.external
        return abs(statistics.median(reading.offset for reading in readings)) <= self.tolerance

    def continuity(self, at: datetime) -> Drift:
        """This process's own row of the history: the step since its baseline."""
        return Drift(at, KERNEL, self._step(), trusted=not self._discontinuous())

    def rebase(self) -> None:
        """Take the present time as right: an operator vouched for it."""
        self._baseline = self._difference()
        self._stepped = False
        self._last = None
        self._polled_at = None

    def _reason(self) -> str:
        if self._discontinuous():
            return "step"
        self._refresh()
        if not self._measured:
            return "stale" if self.external else ""
        now = self._clock.now()
        newest = self._measured[0].at
        if newest > now + timedelta(seconds=self.tolerance):
            return "backwards"
        if any(row.source == KERNEL and not row.trusted for row in self._measured):
            return "step"  # seen by the process that measures; this one may have begun later
        outside = [row for row in self._measured if row.source not in _INTERNAL]
        if outside and abs(statistics.median(row.offset for row in outside)) > self.tolerance:
            return "drift"
        confirmed = any(row.source == CONFIRMED for row in self._measured)
        if self.external and not confirmed and (now - newest > STALE_AFTER or not outside):
            return "stale"
        return ""

    def _discontinuous(self) -> bool:
        # Latched: a clock that was stepped there and back was wrong in between.
        self._stepped = self._stepped or abs(self._step()) > self.tolerance
        return self._stepped

    def _refresh(self) -> None:
        now = self._monotonic()
        if self._polled_at is None or now - self._polled_at >= self._poll:
            self._measured = self._newest()
            self._polled_at = now

    def _step(self) -> float:
        return self._difference() - self._baseline

    def _difference(self) -> float:
        return self._clock.now().timestamp() - self._monotonic()


_INTERNAL = frozenset({KERNEL, CONFIRMED})
