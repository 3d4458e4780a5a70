"""Sums over what the ledger rolled up. Nothing is counted here: the journal alone counts (计量)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from miyun.core.clock import SHANGHAI
from miyun.core.ledger.port import Usage

HOUR: Final = timedelta(hours=1)
WARNINGS: Final = (70, 90)  # percent of a clock hour's capacity


@dataclass(frozen=True, slots=True)
class MeterTotal:
    """One meter of one instance over a period. `peak_at` is the start of the busiest clock hour."""

    instance: str
    meter: str
    units: int
    refused: int
    over: int
    hours: int  # clock hours with any use
    peak_units: int
    peak_at: datetime | None


def totals(rows: Iterable[Usage]) -> list[MeterTotal]:
    """One line per instance and meter, in that order."""
    grouped: dict[tuple[str, str], list[Usage]] = {}
    for row in rows:
        grouped.setdefault((row.instance, row.meter), []).append(row)
    return [_total(instance, meter, group) for (instance, meter), group in sorted(grouped.items())]


def _total(instance: str, meter: str, rows: list[Usage]) -> MeterTotal:
    peak = max(rows, key=lambda row: (row.units, -row.window.timestamp()))
    return MeterTotal(
        instance=instance,
        meter=meter,
        units=sum(row.units for row in rows),
        refused=sum(row.refused for row in rows),
        over=sum(row.over for row in rows),
        hours=sum(1 for row in rows if row.units),
        peak_units=peak.units,
        peak_at=peak.window if peak.units else None,
    )


def rolling_peak(events: Iterable[tuple[datetime, int]], window: timedelta = HOUR) -> tuple[int, datetime | None]:
    """The most units within any `window`, and the moment it was reached; events in order of time.

    A clock hour's limit lets up to twice as much through across the full hour; this shows whether that happened."""
    held: deque[tuple[datetime, int]] = deque()
    running = peak = 0
    reached: datetime | None = None
    for at, units in events:
        held.append((at, units))
        running += units
        while held[0][0] <= at - window:
            running -= held.popleft()[1]
        if running > peak:
            peak, reached = running, at
    return peak, reached


def clock_hour(now: datetime) -> datetime:
    """Start of the clock hour (Asia/Shanghai) that holds `now`, in UTC."""
    return now.astimezone(SHANGHAI).replace(minute=0, second=0, microsecond=0).astimezone(UTC)


def day_start(day: date) -> datetime:
    return datetime.combine(day, time(), SHANGHAI).astimezone(UTC)


def days(first: date, last: date) -> Iterator[date]:
    """Both inside."""
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)


def warning(used: int, limit: int) -> int:
    """The highest of 70 and 90 percent that is reached, else 0."""
    return max((percent for percent in WARNINGS if limit > 0 and used * 100 >= limit * percent), default=0)
