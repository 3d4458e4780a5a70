"""Working days of the Chinese calendar. A year whose holidays are not known yet counts weekends only, and says so."""

from __future__ import annotations

from datetime import date, timedelta

import chinese_calendar


def is_working_day(day: date) -> tuple[bool, bool]:
    """(working, provisional). Provisional: the State Council's list for that year is not known here."""
    try:
        return bool(chinese_calendar.is_workday(day)), False
    except NotImplementedError:
        return day.weekday() < 5, True


def add_working_days(start: date, count: int) -> tuple[date, bool]:
    """The `count`-th working day after `start`, or before it when negative; `start` does not count (民法典 201)."""
    day, provisional = start, False
    step = timedelta(days=1 if count >= 0 else -1)
    left = abs(count)
    while left:
        day += step
        working, unknown = is_working_day(day)
        provisional = provisional or unknown
        left -= working
    return day, provisional
