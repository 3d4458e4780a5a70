"""Dates, quantities and people: the term against its months, counts against remarks, one limit against another."""

# ruff: noqa: E501  (patterns and sentences stay whole; a Chinese character counts two columns)

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

from miyun.core.i18n import Text
from miyun.delivery.contract.amounts import money
from miyun.delivery.contract.clauses import WHOLE, ClauseTree
from miyun.delivery.contract.deadlines import UNKNOWN_EVENT
from miyun.delivery.contract.document import Document
from miyun.delivery.contract.duties import staff_limits
from miyun.delivery.contract.finding import UNREAD, Finding, Severity
from miyun.delivery.contract.model import Contract, Duty
from miyun.delivery.contract.pricelist import PriceList
from miyun.delivery.contract.term import months_end
from miyun.delivery.contract.text import find_dates

_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO


def check_terms(document: Document, contract: Contract, tree: ClauseTree, prices: PriceList) -> Iterator[Finding]:
    """Findings on dates, quantities, staff limits and on what is missing altogether."""
    yield from _impossible_dates(document, tree)
    yield from _term(contract)
    yield from _payment_dates(contract)
    yield from _quantities(contract, prices)
    yield from _staff(contract, tree)
    yield from _penalty_bases(contract)
    yield from _missing(contract, prices)


def _impossible_dates(document: Document, tree: ClauseTree) -> Iterator[Finding]:
    seen = set()
    for line in document.lines:
        for mention in find_dates(line.text):
            key = tree.label(line.number), mention.as_written
            if mention.value is None and key not in seen:
                seen.add(key)
                yield Finding(
                    key[0],
                    "date_impossible",
                    _ERROR,
                    Text(f"日期“{mention.as_written}”不存在。", f"There is no such day: {mention.as_written}."),
                    {"date_as_written": mention.as_written},
                    line.text.strip(),
                )


def _term(contract: Contract) -> Iterator[Finding]:
    term, signed = contract.term, contract.signed_on
    if term.start_rule is not None:
        yield Finding(
            term.start_rule.clause,
            "term_start_implied",
            _INFO,
            Text(
                f"服务期起算日未写明，“{term.start_rule.value}”"
                + (f"按签署日取 {signed.value.isoformat()}。" if signed else "，且未见签署日期。"),
                "The start of the term is not a written date; "
                + (
                    f"the date of signature, {signed.value}, is taken."
                    if signed
                    else "and no date of signature is given."
                ),
            ),
            {"rule": term.start_rule.value, "start": signed.value.isoformat() if signed else ""},
            term.start_rule.quote,
        )
    if term.start is None or term.end is None:
        return
    start, end = term.start.value, term.end.value
    values = {"start": start.isoformat(), "end": end.isoformat(), "days": str((end - start).days + 1)}
    if end < start:
        yield Finding(
            term.end.clause,
            "date_order",
            _ERROR,
            Text(f"服务期终止日 {end} 早于起始日 {start}。", f"The term ends ({end}) before it begins ({start})."),
            values,
            term.end.quote,
        )
        return
    if signed is not None and term.start_rule is None and start < signed.value:
        yield Finding(
            term.start.clause,
            "date_before_signature",
            _WARNING,
            Text(
                f"服务期自 {start} 起，早于签署日 {signed.value}。",
                f"The term begins on {start}, before the signature on {signed.value}.",
            ),
            values | {"signed_on": signed.value.isoformat()},
            term.start.quote,
        )
    if term.months is None or term.end.confidence < 0.8:
        return
    months = term.months.value
    expected = months_end(start, months)
    extra = (end - expected).days
    if not extra:
        return
    values |= {"months": str(months), "expected_end": expected.isoformat(), "extra_days": str(extra)}
    if extra == 1:
        yield Finding(
            term.end.clause,
            "term_length",
            _WARNING,
            Text(
                f"{start} 至 {end} 首尾均计为 {values['days']} 天，即 {months} 个月又 1 天；"
                f"若起始日计入，{months} 个月止于 {expected}。",
                f"{start} to {end}, both included, are {values['days']} days: {months} months and 1 day; counting the "
                f"first day, {months} months end on {expected}.",
            ),
            values,
            term.end.quote,
        )
        return
    yield Finding(
        term.end.clause,
        "term_length",
        _ERROR,
        Text(
            f"服务期写 {months} 个月，而 {start} 至 {end} 共 {values['days']} 天，{months} 个月应止于 {expected}。",
            f"The term is said to be {months} months, but {start} to {end} are {values['days']} days; "
            f"{months} months end on {expected}.",
        ),
        values,
        term.end.quote,
    )


def _payment_dates(contract: Contract) -> Iterator[Finding]:
    previous: tuple[str, date] | None = None
    for payment in contract.payments:
        if payment.due_rule is not None and payment.due_rule.anchor == UNKNOWN_EVENT:
            yield Finding(
                payment.clause,
                "payment_event_unknown",
                _WARNING,
                Text(
                    f"{payment.label}的期限从何时起算未能读出，到期日需人工确定：“{payment.condition or payment.quote[:60]}”。",
                    f"{payment.label}: the event its time limit runs from could not be read; its due date must be set by "
                    f"hand: “{payment.condition or payment.quote[:60]}”.",
                ),
                {},
                payment.quote,
            )
        if payment.due is None:
            continue
        values = {"due": payment.due.isoformat()}
        signed = contract.signed_on
        if signed is not None and payment.due < signed.value:
            yield Finding(
                payment.clause,
                "date_order",
                _ERROR,
                Text(
                    f"{payment.label}期限 {payment.due} 早于签署日 {signed.value}。",
                    f"{payment.label} is due on {payment.due}, before the signature on {signed.value}.",
                ),
                values | {"signed_on": signed.value.isoformat()},
                payment.quote,
            )
        if previous is not None and payment.due < previous[1]:
            yield Finding(
                payment.clause,
                "date_order",
                _ERROR,
                Text(
                    f"{payment.label}期限 {payment.due} 早于{previous[0]}期限 {previous[1]}。",
                    f"{payment.label} is due on {payment.due}, before {previous[0]} ({previous[1]}).",
                ),
                values | {"previous": previous[1].isoformat()},
                payment.quote,
            )
        end = contract.term.end
        final = "全部" in payment.condition or "终验" in payment.condition or "服务期满" in payment.condition
        if end is not None and final and payment.due < end.value:
            yield Finding(
                payment.clause,
                "date_order_acceptance",
                _WARNING,
                Text(
                    f"{payment.label}以完成全部工作为条件，期限 {payment.due} 却早于服务期终止日 {end.value}。",
                    f"{payment.label} presupposes that all work is done, but is due on {payment.due}, before the term "
                    f"ends on {end.value}.",
                ),
                values | {"term_end": end.value.isoformat()},
                payment.quote,
            )
        previous = payment.label, payment.due


def _quantities(contract: Contract, prices: PriceList) -> Iterator[Finding]:
    others = [s for s in contract.services if not s.per_application_and_service and s.offering != "onboarding"]
    for line in contract.services:
        if line.offering is None:
            yield Finding(
                line.clause,
                "service_unmapped",
                _WARNING,
                Text(
                    f"“{line.name}”不能对应到唯一的平台服务，需人工指定。",
                    f"'{line.name}' fits no single offering of the platform; it has to be chosen by hand.",
                ),
                {"name": line.name},
                line.quote,
            )
        missing = [
            zh
            for zh, value in (("单价", line.unit_price), ("数量", line.quantity), ("金额", line.amount))
            if value is None
        ]
        if missing and prices.services:  # without a price list the one finding says it for all
            yield Finding(
                line.clause,
                "service_incomplete",
                _WARNING,
                Text(f"“{line.name}”缺少{'、'.join(missing)}。", f"'{line.name}' lacks: {', '.join(missing)}."),
                {"name": line.name, "missing": "、".join(missing)},
                line.quote,
            )
        if line.per_application_and_service and line.quantity is not None and line.quantity < len(others):
            by_remark = line.unit_price * len(others) if line.unit_price is not None else None
            values = {"quantity": format(line.quantity.normalize(), "f"), "services": str(len(others))}
            if by_remark is not None:
                values["unit_price"] = money(line.unit_price or Decimal(0))
                values["by_remark"] = money(by_remark)
                if contract.total is not None and contract.total.amount is not None and line.amount is not None:
                    values["total_by_remark"] = money(contract.total.amount - line.amount + by_remark)
            yield Finding(
                line.clause,
                "quantity_vs_remark",
                _WARNING,
                Text(
                    f"“{line.name}”数量为 {values['quantity']}，而备注按“每个服务接入一个应用”计次：一个应用接入所购 "
                    f"{len(others)} 项服务应为 {len(others)} 次"
                    + (f"（{values['by_remark']} 元）" if by_remark is not None else "")
                    + "。或仅接入其中一部分服务，或数量有误。",
                    f"'{line.name}' has quantity {values['quantity']}, but its remark counts each application and service: "
                    f"one application on the {len(others)} services bought makes {len(others)}"
                    + (f" ({values['by_remark']})" if by_remark is not None else "")
                    + ". Either only some services are onboarded or the quantity is wrong.",
                ),
                values,
                line.remark,
            )
        rule = line.capacity
        if rule is not None and rule.licences > 1 and line.quantity is not None:
            capacity = int(rule.per_licence * line.quantity)
            yield Finding(
                line.clause,
                "capacity_implied",
                _INFO,
                Text(
                    f"未明示容量：按备注每个{rule.noun}为 {rule.per_licence} 次，数量 {line.quantity.normalize():f} 即 {capacity} 次。",
                    f"The capacity is not stated: by the remark one licence carries {rule.per_licence} per {rule.period}, "
                    f"so the quantity bought carries {capacity}.",
                ),
                {
                    "per_licence": str(rule.per_licence),
                    "period": rule.period,
                    "quantity": format(line.quantity.normalize(), "f"),
                    "capacity": str(capacity),
                },
                rule.quote,
            )


def _staff(contract: Contract, tree: ClauseTree) -> Iterator[Finding]:
    limits = staff_limits(tree)
    duties = [x for x in limits if not x[2]]
    breaches = [x for x in limits if x[2]]
    if not duties or not breaches or duties[0][1] == breaches[0][1]:
        return
    (clause, allowed, _, quote), (other, ground, _, _) = duties[0], breaches[0]
    values = {
        "obligation_percent": format(allowed.normalize(), "f"),
        "breach_percent": format(ground.normalize(), "f"),
        "other_clause": other,
    }
    consent = [o.clause for o in contract.obligations if o.kind is Duty.STAFF_CONSENT and o.clause != clause]
    if consent:
        values["consent_clause"] = consent[0]
    low, high = sorted((allowed, ground))
    yield Finding(
        clause,
        "staff_limits",
        _WARNING,
        Text(
            f"本条限人员更换不超过 {values['obligation_percent']}%，{other} 以超出 {values['breach_percent']}% 为严重违约；"
            f"{low.normalize():f}%～{high.normalize():f}% 之间的后果未约定"
            + (f"，而按 {consent[0]} 未经书面同意不得更换。" if consent else "。"),
            f"This clause allows {values['obligation_percent']} % of the staff to change, {other} makes more than "
            f"{values['breach_percent']} % a serious breach; nothing is said of the band between"
            + (f", and {consent[0]} allows no change without written consent." if consent else "."),
        ),
        values,
        quote,
    )


def _penalty_bases(contract: Contract) -> Iterator[Finding]:
    """Rates of the whole price that call it by different names leave open whether one sum is meant."""
    whole = [p for p in contract.penalties if p.base == "total"]
    names = list(dict.fromkeys(p.base_words for p in whole))
    if len(names) < 2:
        return
    other = next(p for p in whole if p.base_words != names[0])
    quoted = "、".join(f"“{name}”" for name in names)
    yield Finding(
        other.clause,
        "penalty_base",
        _WARNING,
        Text(f"违约金的计算基数称谓不一：{quoted}。", f"The base of the penalties goes by different names: {quoted}."),
        {"names": " ".join(names), "first_clause": whole[0].clause},
        other.quote,
    )


def _missing(contract: Contract, prices: PriceList) -> Iterator[Finding]:
    wanted = (
        ("missing_total", contract.total, "合同总价", "the total"),
        ("missing_term_end", contract.term.end, "服务期终止日", "the end of the term"),
        ("missing_services", prices.services or None, "服务价格表", "a price list of services"),
        ("missing_payments", contract.payments or None, "付款安排", "the payment schedule"),
        ("missing_client", next((p for p in contract.parties if p.side == "client"), None), "甲方", "the client"),
        ("missing_supplier", next((p for p in contract.parties if p.side == "supplier"), None), "乙方", "the supplier"),
        ("missing_signature_date", contract.signed_on, "签署日期", "the date of signature"),
    )
    for kind, value, zh, en in wanted:
        if value is None:
            yield Finding(WHOLE, kind, _WARNING, Text(f"未读到{zh}。", f"Not found in the text: {en}."), {})
    if not contract.parties and not any((contract.total, prices.services, contract.payments)):
        yield Finding(
            WHOLE,
            UNREAD,
            _ERROR,
            Text(
                "当事人、价款、服务、付款均未读到：不是服务合同，或其版式无法识别。",
                "No party, price, service or payment was found: not a service contract, or its layout cannot be read.",
            ),
        )
    for clause, words in prices.unread:
        yield Finding(
            clause,
            "row_unread",
            _WARNING,
            Text(f"价格表中有一行未能读出：{words[:60]}", f"A row of the price list could not be read: {words[:60]}"),
            {},
            words,
        )
    end, start = contract.term.end, contract.term.start
    if start is None and end is not None:
        yield Finding(
            end.clause,
            "missing_term_start",
            _WARNING,
            Text("服务期起始日不明。", "The start of the term is unknown."),
            {"latest": (end.value - timedelta(days=1)).isoformat()},
            end.quote,
        )
