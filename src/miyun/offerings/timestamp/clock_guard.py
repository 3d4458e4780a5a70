"""Whether this machine's time may be stated in a token. When in doubt nothing is issued.

Two things are watched. *Continuity*, in every process: wall clock minus the kernel's boot-time clock must not jump,
since NTP slews both alike and only a step moves one alone. *Drift*, by the jobs process: the offset from external
sources; workers read its newest measurement. Enough of the sources must tell a time that agrees with their median
within the tolerance, and that median must agree with this machine. Without external sources the time is only as good
as the kernel's clock, and status and evidence say so.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from miyun.core.clock import Clock
from miyun.core.errors import ClockUntrusted
from miyun.offerings.timestamp.model import CONFIRMED, KERNEL, STALE_AFTER, ClockState, Drift, Reading


def boot_time() -> float:
    """Seconds since boot, suspension included; never stepped."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class ClockGuard:
    """`recent` reads the last minutes of the drift history, oldest first; it is asked at most every `poll` seconds.

    `minimum`: how many external sources must agree; 0 when none is configured."""

    def __init__(
        self,
        *,
        clock: Clock,
        recent: Callable[[], Sequence[Drift]],
        tolerance: float = 1.0,
        minimum: int = 0,
        monotonic: Callable[[], float] = boot_time,
        poll: float = 5.0,
    ) -> None:
        self.tolerance = tolerance
        self.minimum = minimum
        self._clock = clock
        self._recent = recent
        self._monotonic = monotonic
        self._poll = poll
        self._baseline = self._difference()
        self._rows: Sequence[Drift] = ()
        self._verdict = ""  # on the rows, good until `_judged_until`
        self._judged_until = _ALWAYS
        self._polled_at: float | None = None
        self._stepped = False
        self._last: datetime | None = None

    def time(self) -> datetime:
        """The time to state, in milliseconds, never before one stated earlier. Raises ClockUntrusted."""
        now = self._clock.now()
        if self._reason(now) != "":
            raise ClockUntrusted
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        # A step back inside the tolerance must not turn the order of two tokens around.
        self._last = now if self._last is None else max(now, self._last)
        return self._last

    def state(self) -> ClockState:
        reason = self._reason(self._clock.now())
        latest = {row.source: row for row in self._rows if row.source not in _INTERNAL}
        return ClockState(
            trusted=reason == "",
            reason=reason,
            step=self._step(),
            readings=tuple(Reading(row.source, row.offset, row.reason) for row in latest.values()),
            measured_at=self._rows[-1].at if self._rows else None,
        )

    def reread(self) -> None:
        """Take the newest measurement at the next question: it was just made."""
        self._polled_at = None

    def continuity(self, at: datetime) -> Drift:
        """This process's own row of the history: the step since its baseline."""
        return Drift(at, KERNEL, self._step(), trusted=not self._discontinuous(self._difference()))

    def rebase(self) -> None:
        """Take the present time as right: an operator vouched for it."""
        self._baseline = self._difference()
        self._stepped = False
        self._last = None
        self._polled_at = None

    def _reason(self, now: datetime) -> str:
        moment = self._monotonic()
        if self._discontinuous(now.timestamp() - moment):
            return "step"
        self._refresh(now, moment)
        if self._rows and (self._rows[-1].at - now).total_seconds() > self.tolerance:
            return "backwards"
        if now > self._judged_until:
            self._judge(now)
        return self._verdict

    def _judge(self, now: datetime) -> None:
        """The verdict on the rows. It holds until the first word that counts is no longer fresh."""
        self._judged_until = _ALWAYS
        if not self._rows:
            self._verdict = "stale" if self.minimum else ""
            return
        newest = self._rows[-1].at
        if any(row.source == KERNEL and not row.trusted and row.at == newest for row in self._rows):
            self._verdict = "step"  # seen by the process that measures; this one may have begun later
            return
        # A lost answer does not stop issuance: of each source its last word counts while it is fresh. What was measured
        # before a confirmation was said of another clock.
        offsets: dict[str, float] = {}
        for row in self._rows:
            if row.source == CONFIRMED:
                offsets.clear()
            elif row.source != KERNEL and row.offset is not None and now - row.at <= STALE_AFTER:
                offsets[row.source] = row.offset
                self._judged_until = min(self._judged_until, row.at + STALE_AFTER)
        self._verdict = self._compared(list(offsets.values()))

    def _compared(self, offsets: Sequence[float]) -> str:
        """The verdict on what the external sources say."""
        if len(offsets) < self.minimum:
            return "stale"
        if not offsets:
            return ""
        # A minority of liars cannot move the median beyond what an honest majority says.
        median = statistics.median(offsets)
        if sum(abs(offset - median) <= self.tolerance for offset in offsets) < self.minimum:
            return "disagreement"
        return "drift" if abs(median) > self.tolerance else ""

    def _discontinuous(self, difference: float) -> bool:
        # Latched: a clock that was stepped there and back was wrong in between.
        self._stepped = self._stepped or abs(difference - self._baseline) > self.tolerance
        return self._stepped

    def _refresh(self, now: datetime, moment: float) -> None:
        if self._polled_at is None or moment - self._polled_at >= self._poll:
            self._rows = self._recent()
            self._polled_at = moment
            self._judge(now)

    def _step(self) -> float:
        return self._difference() - self._baseline

    def _difference(self) -> float:
        return self._clock.now().timestamp() - self._monotonic()


_INTERNAL = frozenset({KERNEL, CONFIRMED})
_ALWAYS = datetime.max.replace(tzinfo=UTC)
