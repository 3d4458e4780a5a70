"""What a contract makes due, when, and by whom: instalments, dated duties, duties that stand throughout.

A rehearsal moves the whole term; then every item carries both dates, and nothing but `rehearsal_date` moves.
Penalties are evidence for the parties, never a bill: both kinds of contract are fixed-price.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from miyun.core.i18n import Text
from miyun.delivery.contract.amounts import to_fen
from miyun.delivery.contract.model import Contract, DayKind, Deadline, Duty, Obligation, Penalty, Side
from miyun.delivery.contract.term import add_months
from miyun.delivery.working_days import add_working_days, is_working_day

DUE_SOON = timedelta(days=14)
PASSING = ("term", Duty.BANK_CHANGE_NOTICE.value)  # kinds whose day passes without anything owed


class State(StrEnum):
    DONE = "done"
    OVERDUE = "overdue"
    DUE = "due"
    """Within `DUE_SOON`."""
    UPCOMING = "upcoming"
    PASSED = "passed"
    """Over without anything owed: a day of the term, or the last day for a notice that nothing called for."""
    WAITING = "waiting"
    """Its date hangs on an event that has not happened or is not recorded."""
    STANDING = "standing"
    """Owed throughout the term; a clock starts with each request."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is due. `contractual_date` is what the text fixes, `rehearsal_date` the same day as rehearsed.

    `provisional`: computed over a year whose public holidays are not known. `rest_day`: the date falls on a day off.
    `gates` are clauses that must be satisfied first (invoice, confirmation, acceptance).
    """

    key: str
    kind: str
    who: Side
    title: Text
    contractual_date: date | None
    clause: str
    quote: str
    rehearsal_date: date | None = None
    amount: Decimal | None = None
    provisional: bool = False
    rest_day: bool = False
    rule: Deadline | None = None
    gates: tuple[str, ...] = ()
    standing: bool = False
    state: State = State.WAITING
    done_on: date | None = None

    @property
    def effective_date(self) -> date | None:
        """The date that counts now: the rehearsed one in a rehearsal."""
        return self.rehearsal_date or self.contractual_date


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A shift of all contractual dates by whole days; every page and paper shows `label`."""

    days: int

    @classmethod
    def starting(cls, contract: Contract, today: date) -> Rehearsal:
        """The term begins today. Raises ValueError when the contract's start is unknown."""
        if contract.term.start is None:
            raise ValueError("the contract's term has no start")
        return cls((today - contract.term.start.value).days)

    @property
    def label(self) -> Text:
        return Text(
            f"演练：合同日期平移 {self.days} 天，合同原日期并列显示，时间戳均为真实时间。",
            f"Rehearsal: contractual dates are shifted by {self.days} days and shown beside; timestamps are real.",
        )

    def move(self, day: date) -> date:
        return day + timedelta(days=self.days)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Items by effective date; those without a date come last. `term` is the effective term."""

    items: tuple[Item, ...]
    today: date
    rehearsal: Rehearsal | None = None
    term: tuple[date | None, date | None] = (None, None)

    def next_due(self, count: int = 5) -> tuple[Item, ...]:
        """Overdue and coming items, nearest first."""
        open_items = [i for i in self.items if i.state in (State.OVERDUE, State.DUE, State.UPCOMING)]
        return tuple(open_items[:count])

    def payments(self) -> tuple[Item, ...]:
        return tuple(i for i in self.items if i.kind == "payment")


_TITLES: Mapping[str, Text] = {
    "term_start": Text("服务期开始", "Term begins"),
    "term_end": Text("服务期届满", "Term ends"),
    Duty.ACCEPTANCE_START: Text("开始验收", "Acceptance begins"),
    Duty.ACCEPTANCE_REQUEST: Text("提交验收申请", "Apply for acceptance"),
    Duty.ACCEPTANCE_REPORT: Text("提交验收报告", "Hand in the acceptance report"),
    Duty.DOCUMENTS: Text("交付文档", "Deliver the papers"),
    Duty.TECHNICAL_DOCUMENTS: Text("提交技术文档和用户手册", "Hand in technical documents and user manual"),
    Duty.EXIT_MIGRATION: Text("协助数据迁出", "Help to move data out"),
    Duty.BANK_CHANGE_NOTICE: Text("账户变更的最后通知日", "Last day to notify a change of account"),
}
_AT_TERM_END = (Duty.TECHNICAL_DOCUMENTS, Duty.EXIT_MIGRATION)
_BY_ACCEPTANCE = (Duty.ACCEPTANCE_REQUEST, Duty.ACCEPTANCE_REPORT, Duty.DOCUMENTS)


@dataclass(slots=True)
class _Dates:
    """Anchor dates of one timeline, contractual or rehearsed."""

    anchors: dict[str, date] = field(default_factory=dict)

    def due(self, rule: Deadline) -> tuple[date | None, bool]:
        anchor = self.anchors.get(rule.anchor)
        if anchor is None or rule.unit is DayKind.HOUR:
            return None, False
        return shift(anchor, rule)


def shift(anchor: date, rule: Deadline) -> tuple[date, bool]:
    """(the day the limit ends, provisional) counted from `anchor`, which itself does not count."""
    sign = -1 if rule.before else 1
    if rule.unit is DayKind.WORKING_DAY:
        return add_working_days(anchor, sign * rule.count)
    if rule.unit is DayKind.MONTH:
        return add_months(anchor, sign * rule.count), False
    return anchor + timedelta(days=sign * rule.count), False


def respond_by(rule: Deadline, asked_at: datetime) -> tuple[datetime, bool]:
    """(latest moment, provisional) to answer a request made at `asked_at` (aware).

    Hours run by the clock; days end with the day (24:00) of `asked_at`'s own time zone.
    """
    if rule.unit is DayKind.HOUR:
        return asked_at + timedelta(hours=rule.count), False
    day, provisional = shift(asked_at.date(), rule)
    midnight = datetime.combine(day + timedelta(days=1), datetime.min.time(), asked_at.tzinfo)
    return midnight, provisional


def schedule(
    contract: Contract,
    today: date,
    *,
    rehearsal: Rehearsal | None = None,
    events: Mapping[str, date] | None = None,
    done: Mapping[str, date] | None = None,
) -> Schedule:
    """The schedule as of `today`.

    `events` records when an anchor really happened (final_acceptance, interim_acceptance, invoice ...), on the
    timeline that is lived: the rehearsed one in a rehearsal. `done` maps an item's key to the day it was done.
    """
    written = _Dates(_fixed_anchors(contract))
    lived = _Dates({k: rehearsal.move(v) for k, v in written.anchors.items()} if rehearsal else dict(written.anchors))
    if events:
        lived.anchors.update(events)
        if rehearsal is None:
            written.anchors.update(events)
    items = [
        *_term_items(contract),
        *_payment_items(contract),
        *_duty_items(contract),
    ]
    dated = [_date(item, contract, written, lived, rehearsal) for item in items]
    judged = [_judge(item, today, done or {}) for item in dated]
    judged.sort(key=lambda i: (i.effective_date is None, i.standing, i.effective_date or date.max, i.key))
    start, end = lived.anchors.get("term_start"), lived.anchors.get("term_end")
    return Schedule(tuple(judged), today, rehearsal, (start, end))


def _fixed_anchors(contract: Contract) -> dict[str, date]:
    term = contract.term
    anchors = {}
    for name, cited in (("term_start", term.start), ("term_end", term.end), ("signature", contract.signed_on)):
        if cited is not None:
            anchors[name] = cited.value
    return anchors


def _term_items(contract: Contract) -> list[Item]:
    items = []
    for name, cited in (("term_start", contract.term.start), ("term_end", contract.term.end)):
        if cited is not None:
            items.append(Item(name, "term", Side.BOTH, _TITLES[name], cited.value, cited.clause, cited.quote))
    return items


def _payment_items(contract: Contract) -> list[Item]:
    invoice = tuple(o.clause for o in contract.obligations if o.kind is Duty.INVOICE_FIRST)
    notice = next((o for o in contract.obligations if o.kind is Duty.BANK_CHANGE_NOTICE and o.deadline), None)
    items = []
    for payment in contract.payments:
        condition = (payment.condition,) if payment.condition else ()
        key = f"payment-{payment.number}"
        items.append(
            Item(
                key,
                "payment",
                Side.CLIENT,
                Text(f"支付{payment.label}", f"Pay instalment {payment.number} ({payment.label})"),
                payment.due,
                payment.clause,
                payment.quote,
                amount=payment.amount,
                rule=payment.due_rule,
                gates=(*condition, *invoice),
            )
        )
        if notice is not None and notice.deadline is not None and payment.due is not None:
            last, provisional = shift(payment.due, notice.deadline)
            items.append(
                Item(
                    f"bank-change-notice-{payment.number}",
                    notice.kind.value,
                    notice.who,
                    _TITLES[Duty.BANK_CHANGE_NOTICE],
                    last,
                    notice.clause,
                    notice.quote,
                    provisional=provisional,
                    gates=(key,),
                )
            )
    return items


def _duty_items(contract: Contract) -> list[Item]:
    seen: dict[str, int] = {}
    items = []
    for duty in contract.obligations:
        if duty.kind is Duty.BANK_CHANGE_NOTICE:
            continue
        key = f"{duty.kind.value.replace('_', '-')}@{duty.clause}"
        seen[key] = seen.get(key, 0) + 1
        if seen[key] > 1:
            key += f"#{seen[key]}"
        items.append(_duty_item(duty, key))
    return items


def _duty_item(duty: Obligation, key: str) -> Item:
    title = _TITLES.get(duty.kind) or Text(duty.quote[:40], duty.kind.value.replace("_", " "))
    dated = duty.kind in _AT_TERM_END or duty.kind in _BY_ACCEPTANCE or duty.kind is Duty.ACCEPTANCE_START
    return Item(
        key, duty.kind.value, duty.who, title, None, duty.clause, duty.quote, rule=duty.deadline, standing=not dated
    )


def _date(item: Item, contract: Contract, written: _Dates, lived: _Dates, rehearsal: Rehearsal | None) -> Item:
    """Give the item its contractual and its rehearsed date."""
    if item.standing:
        return item
    contractual, provisional = item.contractual_date, item.provisional
    moved: date | None = None
    moved_provisional = False
    if contractual is not None:
        moved = rehearsal.move(contractual) if rehearsal else None
    else:
        rule = _rule_of(item, contract)
        if rule is not None:
            contractual, provisional = written.due(rule)
            if rehearsal is not None:
                moved, moved_provisional = lived.due(rule)
    effective = moved or contractual
    return replace(
        item,
        contractual_date=contractual,
        rehearsal_date=moved if rehearsal is not None else None,
        provisional=moved_provisional if rehearsal is not None and moved is not None else provisional,
        rest_day=effective is not None and not is_working_day(effective)[0],
    )


def _rule_of(item: Item, contract: Contract) -> Deadline | None:
    if item.rule is not None:
        return item.rule
    if item.kind in _AT_TERM_END:
        return Deadline(0, DayKind.DAY, "term_end")
    if item.kind in _BY_ACCEPTANCE:
        start = next((o.deadline for o in contract.obligations if o.kind is Duty.ACCEPTANCE_START), None)
        return start or Deadline(0, DayKind.DAY, "term_end")
    return None


def _judge(item: Item, today: date, done: Mapping[str, date]) -> Item:
    if item.key in done:
        return replace(item, state=State.DONE, done_on=done[item.key])
    if item.standing:
        return replace(item, state=State.STANDING)
    day = item.effective_date
    if day is None:
        return replace(item, state=State.WAITING)
    if item.kind in PASSING:
        over = day <= today if item.key == "term_start" else day < today
        return replace(item, state=State.PASSED if over else State.UPCOMING)
    if day < today:
        return replace(item, state=State.OVERDUE)
    return replace(item, state=State.DUE if day - today <= DUE_SOON else State.UPCOMING)


@dataclass(frozen=True, slots=True)
class PenaltyEvidence:
    """What a clause would allow; the parties decide. It is never charged, so `billable` is always false."""

    clause: str
    quote: str
    who: Side
    days: int
    amount: Decimal | None
    capped: bool
    billable: Literal[False] = False


def penalty_evidence(
    contract: Contract, *, days_late: int = 0, who: Side = Side.SUPPLIER
) -> tuple[PenaltyEvidence, ...]:
    """Evidence from each penalty clause that binds `who`; daily ones need `days_late` > 0. Sums in 元."""
    caps = {p.clause: p.amount for p in contract.penalties if p.cap and p.amount is not None}
    found = []
    for penalty in contract.penalties:
        if penalty.who is not who or (penalty.cap and penalty.kind == "delay"):
            continue
        if penalty.per == "day" and days_late <= 0:
            continue
        found.append(_evidence(penalty, days_late, caps.get(penalty.clause)))
    return tuple(found)


def _evidence(penalty: Penalty, days_late: int, cap: Decimal | None) -> PenaltyEvidence:
    amount, capped = penalty.amount, penalty.cap
    if amount is not None and penalty.per == "day":
        amount = to_fen(amount * days_late)
        if cap is not None and amount > cap:
            amount, capped = cap, True
    days = days_late if penalty.per == "day" else 0
    return PenaltyEvidence(penalty.clause, penalty.quote, penalty.who, days, amount, capped)
