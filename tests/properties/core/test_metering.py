"""Sums over usage: nothing is lost, nothing counted twice, whatever the order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from miyun.core.clock import SHANGHAI
from miyun.core.ledger.port import Usage
from miyun.core.metering import HOUR, clock_hour, rolling_peak, totals, warning

START = datetime(2026, 3, 1, 16, tzinfo=UTC)
rows = st.lists(
    st.builds(
        lambda i, m, h, u, r, o: Usage(i, m, START + h * HOUR, u, r, o),
        st.sampled_from(("ins_a", "ins_b")),
        st.sampled_from(("x", "y")),
        st.integers(0, 50),
        st.integers(0, 10_000),
        st.integers(0, 5),
        st.integers(0, 5),
    ),
    unique_by=lambda u: (u.instance, u.meter, u.window),
)
events = st.lists(st.tuples(st.integers(0, 4 * 3600), st.integers(1, 100)), max_size=40).map(
    lambda found: sorted((START + timedelta(seconds=s), u) for s, u in found)
)


@given(rows, st.randoms())
def test_totals_add_up_in_any_order(found: list[Usage], random) -> None:
    lines = totals(found)
    assert sum(line.units for line in lines) == sum(row.units for row in found)
    assert sum(line.refused for line in lines) == sum(row.refused for row in found)
    assert len(lines) == len({(row.instance, row.meter) for row in found})
    shuffled = list(found)
    random.shuffle(shuffled)
    assert totals(shuffled) == lines
    for line in lines:
        own = [r for r in found if (r.instance, r.meter) == (line.instance, line.meter)]
        assert line.peak_units == max(r.units for r in own)


@given(events)
def test_the_rolling_peak_is_that_of_looking_at_every_hour(found: list[tuple[datetime, int]]) -> None:
    peak, at = rolling_peak(found)
    looked = [sum(u for other, u in found if end - HOUR < other <= end) for end, _ in found]
    assert peak == max(looked, default=0)
    assert (at is None) == (not found)


@given(events)
def test_no_clock_hour_exceeds_the_rolling_peak(found: list[tuple[datetime, int]]) -> None:
    hours: dict[datetime, int] = {}
    for at, units in found:
        hours[clock_hour(at)] = hours.get(clock_hour(at), 0) + units
    assert max(hours.values(), default=0) <= rolling_peak(found)[0] <= 2 * max(hours.values(), default=0)


@given(st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)))
def test_a_clock_hour_is_one_of_shanghai(now: datetime) -> None:
    hour = clock_hour(now)
    assert hour <= now < hour + HOUR
    assert hour.astimezone(SHANGHAI).minute == 0 and hour.tzinfo is UTC


@given(st.integers(0, 30_000), st.integers(1, 20_000))
def test_warnings_come_at_70_and_90_percent(used: int, limit: int) -> None:
    expected = 90 if used / limit >= 0.9 else 70 if used / limit >= 0.7 else 0
    assert warning(used, limit) == expected or abs(used / limit - expected / 100) < 1e-9
