"""Bought, used, left and due next; the usage statement; the audit trail."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from tests.unit.core.neighbours import START, Bought, Platform, error_of

from miyun.core.contracts.model import ItemSpec
from miyun.core.ledger.port import Entry

pytestmark = pytest.mark.anyio


@pytest.fixture
async def one(house: Platform) -> Bought:
    return await house.tenant(1)


async def use(house: Platform, one: Bought, units: int, *, minutes: float = 0, outcome: str = "ok") -> None:
    await house.ledger.append(
        Entry(
            "stamps.stamp",
            outcome,
            START + timedelta(minutes=minutes),
            tenant=one.tenant,
            instance=one.instances["stamps"],
            meter="stamps.tokens",
            units=units,
        )
    )


async def test_the_overview_adds_up(house: Platform, one: Bought) -> None:
    await use(house, one, 500, minutes=-60)
    await use(house, one, 14_000)
    await use(house, one, 3, outcome="refused")
    overview = await house.run("contract.overview", one.people["system"], contract=one.contract)
    line = next(e for e in overview.entitlements if e.offering == "stamps")
    [meter] = line.meters
    assert (line.quantity, meter.limit, meter.used_this_hour, meter.left_this_hour) == (2, 20_000, 14_000, 6_000)
    assert (meter.warning, meter.total, meter.refused) == (70, 14_000, 3)
    assert [(i.due, i.overdue) for i in overview.due_next] == [(date(2026, 2, 1), True), (date(2026, 6, 30), False)]


async def test_use_before_the_contract_is_not_counted_to_it_and_the_first_hour_is(house: Platform, one: Bought) -> None:
    await use(house, one, 7, minutes=-29)  # the clock hour in which the contract was activated
    overview = await house.run("contract.overview", one.people["system"], contract=one.contract)
    assert next(e for e in overview.entitlements if e.offering == "stamps").meters[0].total == 7


async def test_each_application_times_service_counts_one_onboarding(house: Platform, one: Bought) -> None:
    by = one.people["system"]
    for name, services in (("甲", ("stamps", "sealing", "joining")), ("乙", ("stamps",))):
        application = (await house.run("tenant.application.create", by, name=name)).application
        for service in services:
            await house.run("tenant.binding.create", by, application=application, instance=one.instances[service])
    overview = await house.run("contract.overview", by, contract=one.contract)
    assert (overview.onboarding.bought, overview.onboarding.done, overview.onboarding.over) == (1, 3, 2)
    bindings = (await house.run("tenant.binding.list", by)).items
    await house.run("tenant.binding.delete", by, binding=bindings[0].binding)
    assert (await house.cloud.contracts.onboarding_count(one.contract)).done == 2


async def test_the_statement_says_what_the_ledger_counted(house: Platform, one: Bought) -> None:
    await use(house, one, 6_000, minutes=25)
    await use(house, one, 5_000, minutes=35)
    await use(house, one, 2, minutes=36, outcome="refused")
    statement = await house.run("usage.statement", one.people["audit"], contract=one.contract, rolling=True)
    [line] = statement.lines
    assert (line.units, line.refused, line.hours_used, line.peak_hour_units) == (11_000, 2, 2, 6_000)
    assert line.peak_hour == START - timedelta(minutes=30)
    assert (line.rolling_peak_units, line.rolling_peak_at) == (11_000, START + timedelta(minutes=35))
    assert statement.head_size >= len([e for e in house.ledger.entries if e.meter])
    hours = await house.run(
        "usage.hours",
        one.people["system"],
        instance=one.instances["stamps"],
        first_day=date(2026, 3, 2),
        last_day=date(2026, 3, 2),
    )
    assert sum(hour.units for hour in hours.items) == line.units


async def test_a_statement_counts_days_in_shanghai(house: Platform, one: Bought) -> None:
    await use(house, one, 1, minutes=14 * 60 + 29)  # 23:59 of the day in Shanghai
    await use(house, one, 10, minutes=14 * 60 + 30)  # midnight
    day = {"first_day": date(2026, 3, 2), "last_day": date(2026, 3, 2)}
    statement = await house.run("usage.statement", one.people["system"], contract=one.contract, **day)
    assert [line.units for line in statement.lines] == [1]


async def test_a_period_backwards_is_refused(house: Platform, one: Bought) -> None:
    days = {"first_day": date(2026, 3, 2), "last_day": date(2026, 3, 1)}
    error = await error_of(house.run("usage.statement", one.people["system"], contract=one.contract, **days))
    assert error.field == "last_day"


async def test_a_tenant_reads_nothing_of_anothers_contract(house: Platform, one: Bought) -> None:
    other = await house.tenant(2)
    by = other.people["system"]
    days = {"first_day": date(2026, 3, 2), "last_day": date(2026, 3, 2)}
    for operation, request in (
        ("contract.get", {"contract": one.contract}),
        ("contract.document", {"contract": one.contract}),
        ("contract.overview", {"contract": one.contract}),
        ("contract.item.list", {"contract": one.contract}),
        ("usage.statement", {"contract": one.contract}),
        ("usage.hours", {"instance": one.instances["stamps"], **days}),
    ):
        assert (await error_of(house.run(operation, by, **request))).code == "NotFound", operation
    assert [c.contract for c in (await house.run("contract.list", by)).items] == [other.contract]
    assert {i.instance for i in (await house.run("contract.instance.list", by)).items} == set(other.instances.values())


async def test_a_tenants_auditor_sees_its_records_page_by_page_and_no_others(house: Platform, one: Bought) -> None:
    other = await house.tenant(2)
    for _ in range(5):
        await use(house, one, 1)
        await use(house, other, 1)
    seen, cursor = [], None
    while True:
        answer = await house.run("audit.records", one.people["audit"], operation="stamps.stamp", limit=2, cursor=cursor)
        seen += answer.items
        cursor = answer.next_cursor
        if cursor is None:
            break
    assert len(seen) == 5 and {record.tenant for record in seen} == {one.tenant}
    assert [r.seq for r in seen] == sorted((r.seq for r in seen), reverse=True)


async def test_a_proof_is_given_for_own_records_only(house: Platform, one: Bought) -> None:
    other = await house.tenant(2)
    await use(house, one, 1)
    seq = len(house.ledger.entries) - 1
    proof = await house.run("audit.proof", one.people["audit"], seq=seq)
    assert proof.seq == seq and proof.record == b"raw %d" % seq and proof.path
    assert (await error_of(house.run("audit.proof", other.people["audit"], seq=seq))).code == "NotFound"
    assert (await error_of(house.run("audit.proof", one.people["audit"], seq=10**6))).code == "NotFound"


async def test_a_cursor_that_is_none_is_refused(house: Platform, one: Bought) -> None:
    for cursor in ("9" * 30, "9" * 5000):  # more than any protocol's integer holds
        assert (
            await error_of(house.run("audit.records", one.people["audit"], cursor=cursor))
        ).code == "InvalidArgument"
    error = await error_of(house.run("audit.records", one.people["audit"], cursor="x' or 1"))
    assert error.field == "cursor"


async def test_reading_the_trail_is_for_auditors(house: Platform, one: Bought) -> None:
    for who in ("system", "security"):
        assert (await error_of(house.run("audit.records", one.people[who]))).code == "PermissionDenied"
    assert (await error_of(house.run("audit.all_records", one.people["audit"]))).code == "PermissionDenied"


async def test_the_supplier_sees_bought_and_used_of_every_contract_but_not_its_text(
    house: Platform, one: Bought
) -> None:
    await use(house, one, 9)
    by = await house.sign_in("system", (await house.cloud.accounts.open_platform())["system"])
    overview = await house.run("contract.overview_any", by, contract=one.contract)
    own = await house.run("contract.overview", one.people["system"], contract=one.contract)
    assert overview.entitlements == own.entitlements
    assert (await house.run("usage.statement_any", by, contract=one.contract)).lines[0].units == 9
    for operation in ("contract.overview_any", "usage.statement_any", "contract.list_all"):
        request = {} if operation == "contract.list_all" else {"contract": one.contract}
        assert (await error_of(house.run(operation, one.people["system"], **request))).code == "PermissionDenied"
    assert (await error_of(house.run("contract.document", by, contract=one.contract))).status == 403


async def test_a_day_that_merely_passes_is_never_overdue(house: Platform) -> None:
    items = (
        ItemSpec("term", {"passes": True}, date(2026, 1, 1)),
        ItemSpec("term", {"passes": True}, date(2026, 12, 31)),
        ItemSpec("payment", {}, date(2026, 2, 1)),
    )
    two = await house.tenant(2, items=items)
    overview = await house.run("contract.overview", two.people["system"], contract=two.contract)
    assert [(i.kind, i.overdue) for i in overview.due_next] == [("payment", True), ("term", False)]
