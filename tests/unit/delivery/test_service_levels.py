"""Availability is what was observed; what was not observed is claimed neither way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from miyun.delivery.service_levels import Probe, availability, availability_target

START = datetime(2026, 11, 1, tzinfo=UTC)


def probes(pattern: str) -> list[Probe]:
    """ "+" answered, "-" did not, " " nobody looked."""
    return [
        Probe(START + timedelta(minutes=at), mark == "+", 5, "" if mark == "+" else "refused")
        for at, mark in enumerate(pattern)
        if mark != " "
    ]


def measure(pattern: str) -> tuple[Decimal | None, int, int, int]:
    found = availability(probes(pattern), START, START + timedelta(minutes=len(pattern)))
    return found.percent, found.observed, found.unobserved, len(found.outages)


@pytest.mark.parametrize(
    ("pattern", "percent", "observed", "unobserved", "outages"),
    [
        ("++++++++++", "100.000", 10, 0, 0),
        ("++++--++++", "80.000", 10, 0, 1),
        ("++++-+++++", "90.000", 10, 0, 0),  # one lost minute counts, but is no outage
        ("--++++++--", "60.000", 10, 0, 2),
        ("+++     ++", "100.000", 5, 5, 0),
    ],
)
def test_availability_of_the_minutes_observed(
    pattern: str, percent: str, observed: int, unobserved: int, outages: int
) -> None:
    assert measure(pattern) == (Decimal(percent), observed, unobserved, outages)


def test_without_a_probe_nothing_is_claimed() -> None:
    assert measure("     ") == (None, 0, 5, 0)


def test_an_outage_says_when_it_began_and_ended() -> None:
    (outage,) = availability(probes("++---+"), START, START + timedelta(minutes=6)).outages
    assert (outage.began, outage.ended) == (START + timedelta(minutes=2), START + timedelta(minutes=5))


def test_an_outage_that_lasts_has_no_end() -> None:
    (outage,) = availability(probes("+++--"), START, START + timedelta(minutes=5)).outages
    assert outage.ended is None


def test_the_target_is_the_contracts_own_where_it_names_one() -> None:
    named = {"obligations": [{"kind": "availability", "number": "99.95"}]}
    assert availability_target(named) == (Decimal("99.95"), True)
    assert availability_target({"obligations": []}) == (Decimal("99.9"), False)
