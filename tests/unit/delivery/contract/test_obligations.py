"""The dates a contract makes due, as written and as rehearsed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest

from miyun.delivery.contract.checker import check
from miyun.delivery.contract.model import Contract, DayKind, Deadline, Duty, Side
from miyun.delivery.obligations import Rehearsal, State, penalty_evidence, respond_by, schedule
from miyun.delivery.working_days import add_working_days, is_working_day

SHANGHAI = timezone(timedelta(hours=8))


@pytest.fixture
def contract(layout: Callable[[str], str], tmp_path: Path) -> Callable[[str], Contract]:
    def read(name: str) -> Contract:
        path = tmp_path / f"{name}.txt"
        path.write_text(layout(name), "utf-8")
        return check(path).contract

    return read


def test_working_days_skip_holidays_and_count_made_up_saturdays() -> None:
    assert is_working_day(date(2025, 10, 1)) == (False, False)
    assert is_working_day(date(2025, 9, 28)) == (True, False)  # a Sunday worked before the National Day
    assert add_working_days(date(2025, 9, 30), 1) == (date(2025, 10, 9), False)


def test_a_year_without_a_known_calendar_is_weekends_only_and_provisional() -> None:
    assert is_working_day(date(2099, 10, 1)) == (True, True)
    assert add_working_days(date(2099, 10, 2), 1) == (date(2099, 10, 5), True)


def test_acceptance_begins_within_working_days_after_the_term(contract: Callable[[str], Contract]) -> None:
    items = {i.kind: i for i in schedule(contract("chapters_aligned"), date(2026, 3, 1)).items}
    start = items["acceptance_start"]
    assert start.contractual_date == add_working_days(date(2027, 2, 28), 15)[0]
    assert start.clause == "第八条"


def test_contract_dates_are_sorted_and_carry_clauses(contract: Callable[[str], Contract]) -> None:
    plan = schedule(contract("articles"), date(2026, 1, 20))
    dated = [i.contractual_date for i in plan.items if i.contractual_date]
    assert dated == sorted(dated)
    assert all(i.clause and i.quote for i in plan.items)
    payment = plan.payments()[0]
    assert (payment.amount, payment.contractual_date, payment.state) == (
        Decimal("80000.00"),
        date(2026, 1, 31),
        State.DUE,
    )
    assert "第五条 4" in payment.gates
    assert payment.rest_day, "2026-01-31 is a Saturday"


def test_states(contract: Callable[[str], Contract]) -> None:
    done = {"payment-1": date(2026, 1, 30)}
    states = {i.key: i.state for i in schedule(contract("articles"), date(2026, 8, 5), done=done).items}
    assert states["payment-1"] is State.DONE
    assert states["payment-2"] is State.OVERDUE
    assert states["payment-3"] is State.UPCOMING
    assert states["term_start"] is State.PASSED
    assert states["bank-change-notice-1"] is State.PASSED, "a notice that nothing called for is not overdue"
    assert states["onsite-arrival@第六条 2"] is State.STANDING


def test_next_due_lists_the_nearest_first(contract: Callable[[str], Contract]) -> None:
    plan = schedule(contract("articles"), date(2026, 7, 25), done={"payment-1": date(2026, 1, 30)})
    assert [i.key for i in plan.next_due(2)] == ["payment-2", "exit-migration@第十一条 2"]


def test_a_date_that_hangs_on_an_event_waits_for_it(contract: Callable[[str], Contract]) -> None:
    text = contract("working_days")
    waiting = {i.key: i for i in schedule(text, date(2026, 6, 1)).items}
    assert waiting["payment-1"].contractual_date == add_working_days(date(2026, 5, 20), 30)[0]
    assert waiting["payment-3"].state is State.WAITING
    accepted = {"final_acceptance": date(2026, 6, 15)}
    happened = {i.key: i for i in schedule(text, date(2026, 6, 16), events=accepted).items}
    assert happened["payment-3"].contractual_date == add_working_days(date(2026, 6, 15), 10)[0]


def test_a_rehearsal_keeps_the_contractual_dates_beside(contract: Callable[[str], Contract]) -> None:
    text = contract("articles")
    today = date(2026, 11, 21)
    rehearsal = Rehearsal.starting(text, today)
    plan = schedule(text, today, rehearsal=rehearsal)
    assert plan.term[0] == today
    for item in plan.items:
        if item.kind == "payment":
            assert item.contractual_date and item.rehearsal_date
            assert item.rehearsal_date - item.contractual_date == timedelta(days=rehearsal.days)
    plain = {i.key: i.contractual_date for i in schedule(text, today).items}
    assert {i.key: i.contractual_date for i in plan.items} == plain
    assert "演练" in rehearsal.label.zh and "Rehearsal" in rehearsal.label.en


def test_acceptance_in_a_rehearsal_is_counted_in_the_working_days_of_the_rehearsed_year(
    contract: Callable[[str], Contract],
) -> None:
    text = contract("articles")
    plan = schedule(text, date(2026, 11, 21), rehearsal=Rehearsal.starting(text, date(2026, 11, 21)))
    item = next(i for i in plan.items if i.kind == Duty.ACCEPTANCE_START)
    assert plan.term[1] is not None
    assert (item.rehearsal_date, item.provisional) == add_working_days(plan.term[1], 10)


def test_requests_start_clocks() -> None:
    asked = datetime(2025, 9, 30, 16, 0, tzinfo=SHANGHAI)
    assert respond_by(Deadline(4, DayKind.HOUR, "request"), asked)[0] == asked + timedelta(hours=4)
    answer, provisional = respond_by(Deadline(3, DayKind.WORKING_DAY, "change_request"), asked)
    assert (answer, provisional) == (datetime(2025, 10, 12, 0, 0, tzinfo=SHANGHAI), False)


def test_penalties_are_evidence_with_their_cap_and_never_a_bill(contract: Callable[[str], Contract]) -> None:
    text = contract("articles")
    late, breach = penalty_evidence(text, days_late=30)
    assert (late.amount, late.capped, late.billable) == (Decimal("3000.00"), False, False)
    assert breach.amount == Decimal("20000.00")
    assert penalty_evidence(text, days_late=500)[0].amount == Decimal("10000.00")
    assert penalty_evidence(contract("working_days"), days_late=5, who=Side.CLIENT)[0].amount is None


def test_the_real_contract(contract_2: Path) -> None:
    plan = schedule(check(contract_2).contract, date(2025, 6, 25))
    dates = {i.key: i.contractual_date for i in plan.items}
    assert dates["payment-1"] == date(2025, 6, 30)
    assert dates["acceptance-start@(九)1"] == date(2026, 5, 26)
