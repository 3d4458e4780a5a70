"""A contract comes alive once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from tests.unit.core.neighbours import Platform, error_of, spec

from miyun.core.contracts.model import EntitlementSpec, Term

pytestmark = pytest.mark.anyio


def count(house: Platform, table: str) -> int:
    with house.database.read() as connection:
        return connection.exec_driver_sql(f"select count(*) from {table}").scalar_one()


async def test_it_opens_tenant_instances_and_administrators(house: Platform) -> None:
    activated = await house.cloud.contracts.activate(spec())
    assert activated.created and sorted(activated.instances) == ["joining", "sealing", "stamps"]
    assert sorted(activated.first_logins) == ["audit@t1", "security@t1", "system@t1"]
    entry = next(e for e in house.ledger.entries if e.operation == "contract.activate")
    assert entry.resource["instance.stamps"] == activated.instances["stamps"]
    assert not any(password in str(house.ledger.entries) for password in activated.first_logins.values())


async def test_the_same_document_is_activated_once(house: Platform) -> None:
    first = await house.cloud.contracts.activate(spec())
    house.clock.advance(days=3)
    shifted = Term(date(2026, 1, 1), date(2026, 12, 31))
    again = await house.cloud.contracts.activate(spec(title="同一份", term=shifted))
    assert not again.created and again.first_logins == {}
    assert (again.tenant, again.contract, again.instances) == (first.tenant, first.contract, first.instances)
    assert count(house, "core_instance") == 3


async def test_two_at_once_open_it_once(house: Platform) -> None:
    both = await asyncio.gather(*(house.cloud.contracts.activate(spec()) for _ in range(2)))
    assert sorted(a.created for a in both) == [False, True]
    assert count(house, "core_tenant") == 1 and count(house, "core_contract") == 1


async def test_a_rehearsal_and_the_real_contract_stand_side_by_side(house: Platform) -> None:
    shifted = Term(date(2026, 3, 2), date(2027, 3, 1))
    rehearsal = await house.cloud.contracts.activate(spec(rehearsal=True, effective=shifted, tenant_code="rehearsal"))
    real = await house.cloud.contracts.activate(spec())
    assert rehearsal.tenant != real.tenant and real.created
    again = await house.cloud.contracts.activate(
        spec(rehearsal=True, effective=Term(date(2026, 3, 9), date(2027, 3, 8)), tenant_code="rehearsal")
    )
    assert not again.created, "a rehearsal keeps the term of its first day"


async def test_a_code_that_is_taken_is_refused_and_nothing_is_left(house: Platform) -> None:
    await house.cloud.contracts.activate(spec(1))
    error = await error_of(house.cloud.contracts.activate(spec(2, tenant_code="t1")))
    assert (error.code, error.field) == ("AlreadyExists", "tenant_code")
    assert count(house, "core_contract") == 1 and count(house, "core_instance") == 3


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("entitlements", {"entitlements": ()}),
        ("entitlements", {"entitlements": (EntitlementSpec("stamps", "year", 1),) * 2}),
        ("quantity", {"entitlements": (EntitlementSpec("stamps", "year", 0),)}),
        ("term", {"term": Term(date(2026, 1, 2), date(2026, 1, 1))}),
        ("effective", {"effective": Term(date(2026, 1, 2), date(2026, 12, 31))}),
    ],
)
async def test_what_makes_no_sense_is_refused_by_name(house: Platform, field: str, wrong: dict) -> None:
    error = await error_of(house.cloud.contracts.activate(replace(spec(), **wrong)))
    assert error.field == field
    assert count(house, "core_tenant") == 0


def test_a_term_lasts_through_its_last_day_in_shanghai() -> None:
    term = Term(date(2025, 5, 13), date(2026, 5, 12))
    assert term.holds(datetime(2025, 5, 12, 16, tzinfo=UTC)) and not term.holds(
        datetime(2025, 5, 12, 15, 59, tzinfo=UTC)
    )
    assert term.holds(datetime(2026, 5, 12, 15, 59, 59, tzinfo=UTC)) and not term.holds(term.end)


async def test_the_end_is_noted_once_by_the_job(house: Platform) -> None:
    activated = await house.cloud.contracts.activate(spec())
    assert await house.cloud.contracts.end_due() == []
    house.clock.at = datetime(2027, 1, 1, tzinfo=UTC)
    assert await house.cloud.contracts.end_due() == [activated.contract]
    assert await house.cloud.contracts.end_due() == []
    assert [e.operation for e in house.ledger.entries].count("contract.ended") == 1


async def test_the_exit_is_not_closed_while_the_contract_runs(house: Platform) -> None:
    activated = await house.cloud.contracts.activate(spec())
    by = await house.sign_in("system", (await house.cloud.accounts.open_platform())["system"])
    error = await error_of(house.run("contract.exit.close", by, contract=activated.contract, paper="确认函"))
    assert error.code == "FailedPrecondition"
