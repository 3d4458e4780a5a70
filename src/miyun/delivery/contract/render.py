"""What a check says: as JSON for machines, as text for people."""

# ruff: noqa: E501  (patterns and sentences stay whole; a Chinese character counts two columns)

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from miyun.core.i18n import Locale
from miyun.delivery.contract.amounts import money
from miyun.delivery.contract.checker import CheckResult, check
from miyun.delivery.contract.finding import Finding, Severity
from miyun.delivery.contract.model import (
    Cited,
    Deadline,
    Obligation,
    Party,
    Payment,
    Penalty,
    ServiceLine,
    StatedAmount,
)

NOT_CONTRACTUAL = "not contractual"


def check_json(path: Path | str) -> dict[str, Any]:
    """Read, check and render. Raises UnreadableDocument."""
    return to_json(check(path))


def to_json(result: CheckResult) -> dict[str, Any]:
    """`{"contract": {...}, "findings": [...]}`; money as decimal strings with two decimals, dates ISO."""
    contract = result.contract
    term = contract.term
    return {
        "contract": {
            "title": _cited(contract.title),
            "project": _cited(contract.project),
            "parties": [_party(p) for p in contract.parties],
            "total": _money(contract.total.amount if contract.total else None),
            "total_detail": _stated(contract.total),
            "term": {
                "start": _iso(term.start.value if term.start else None),
                "end": _iso(term.end.value if term.end else None),
                "months": term.months.value if term.months else None,
                "start_rule": term.start_rule.value if term.start_rule else None,
                "clause": next((x.clause for x in (term.end, term.start, term.months) if x), None),
                "quote": next((x.quote for x in (term.end, term.start, term.months) if x), None),
                "confidence": min((x.confidence for x in (term.start, term.end, term.months) if x), default=0.0),
            },
            "signed_on": _cited(contract.signed_on),
            "services": [_service(s) for s in contract.services],
            "list_total": _money(contract.list_total.amount if contract.list_total else None),
            "payments": [_payment(p) for p in contract.payments],
            "obligations": [_obligation(o) for o in contract.obligations],
            "penalties": [_penalty(p) for p in contract.penalties],
            "precedence": list(contract.precedence.value) if contract.precedence else None,
            "dispute": _cited(contract.dispute),
            "copies": None
            if contract.copies is None
            else {
                "total": contract.copies.value.total,
                "client": contract.copies.value.client,
                "supplier": contract.copies.value.supplier,
                "clause": contract.copies.clause,
            },
            "annexes": [
                {"number": a.number, "title": a.title, "present": a.present, "clause": a.clause}
                for a in contract.annexes
            ],
            "not_contractual": {name: {"value": None, "status": NOT_CONTRACTUAL} for name in contract.not_contractual},
        },
        "findings": [_finding(f) for f in result.findings],
    }


def _money(value: Decimal | None) -> str | None:
    return None if value is None else money(value)


def _iso(value: date | None) -> str | None:
    return None if value is None else value.isoformat()


def _plain(value: Decimal | None) -> str | None:
    return None if value is None else format(value.normalize(), "f")


def _count(value: Decimal | None) -> int | str | None:
    if value is None:
        return None
    return int(value) if value == value.to_integral_value() else _plain(value)


def _cited(value: Cited[Any] | None) -> dict[str, Any] | None:
    if value is None:
        return None
    inner = value.value.isoformat() if isinstance(value.value, date) else value.value
    return {"value": inner, "clause": value.clause, "quote": value.quote, "confidence": value.confidence}


def _stated(stated: StatedAmount | None) -> dict[str, Any] | None:
    if stated is None:
        return None
    return {
        "figure_as_written": stated.figure_as_written,
        "figure_amount": _money(stated.figure),
        "capitals_as_written": stated.capitals_as_written,
        "capitals_amount": _money(stated.capitals),
        "clause": stated.clause,
        "quote": stated.quote,
        "confidence": stated.confidence,
    }


def _party(party: Party) -> dict[str, Any]:
    return {
        "role": party.side.value,
        "word": party.word,
        "name": party.name.value,
        **{name: value.value for name, value in party.fields.items()},
        "clause": party.name.clause,
        "quote": party.name.quote,
        "confidence": party.name.confidence,
        "cited": {
            name: {"clause": v.clause, "quote": v.quote, "confidence": v.confidence} for name, v in party.fields.items()
        },
    }


def _service(line: ServiceLine) -> dict[str, Any]:
    return {
        "number": line.number,
        "name": line.name,
        "description": line.description,
        "unit_price": _money(line.unit_price),
        "unit": line.unit,
        "quantity": _count(line.quantity),
        "periods": _count(line.periods),
        "amount": _money(line.amount),
        "remark": line.remark,
        "offering": line.offering,
        "offering_confidence": line.offering_confidence,
        "capacity": None
        if line.capacity is None
        else {
            "per_licence": line.capacity.per_licence,
            "period": line.capacity.period,
            "licence": line.capacity.noun,
            "quote": line.capacity.quote,
        },
        "per_application_and_service": line.per_application_and_service,
        "clause": line.clause,
        "quote": line.quote,
        "confidence": line.confidence,
    }


def _payment(payment: Payment) -> dict[str, Any]:
    return {
        "number": payment.number,
        "label": payment.label,
        "percent": _plain(payment.percent),
        "amount": _money(payment.amount),
        "amount_basis": "percentage" if payment.percent is not None else "as written",
        "figure_as_written": payment.stated.figure_as_written,
        "figure_amount": _money(payment.stated.figure),
        "capitals_as_written": payment.stated.capitals_as_written,
        "capitals_amount": _money(payment.stated.capitals),
        "due": _iso(payment.due),
        "due_rule": _deadline(payment.due_rule),
        "condition": payment.condition or None,
        "clause": payment.clause,
        "quote": payment.quote,
        "confidence": round(payment.confidence, 2),
    }


def _deadline(deadline: Deadline | None) -> dict[str, Any] | None:
    if deadline is None:
        return None
    return {
        "count": deadline.count,
        "unit": deadline.unit.value,
        "anchor": deadline.anchor,
        "direction": "before" if deadline.before else "after",
    }


def _obligation(duty: Obligation) -> dict[str, Any]:
    return {
        "kind": duty.kind.value,
        "who": duty.who.value,
        "number": _plain(duty.number),
        "unit": duty.unit or None,
        "deadline": _deadline(duty.deadline),
        "items": list(duty.items),
        "clause": duty.clause,
        "quote": duty.quote,
        "confidence": duty.confidence,
    }


def _penalty(penalty: Penalty) -> dict[str, Any]:
    return {
        "kind": penalty.kind,
        "who": penalty.who.value,
        "percent": _plain(penalty.rate),
        "per": penalty.per,
        "base": penalty.base,
        "base_words": penalty.base_words,
        "cap": penalty.cap,
        "amount": _money(penalty.amount),
        "triggers": list(penalty.triggers),
        "clause": penalty.clause,
        "quote": penalty.quote,
        "confidence": penalty.confidence,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "clause": finding.clause,
        "kind": finding.kind,
        "severity": finding.severity.value,
        "message": finding.message.zh,
        "message_en": finding.message.en,
        "values": dict(finding.values),
        "quote": finding.quote,
    }


_WORDS = {
    "zh": {
        "client": "客户方", "supplier": "服务方", "total": "合同总价", "term": "服务期", "services": "服务", "payments": "付款",
        "obligations": "义务", "penalties": "违约责任（仅作证据，不计费）", "silent": "合同未约定（not contractual）",
        "findings": "检查发现", "error": "错误", "warning": "提醒", "info": "提示", "none": "没有发现。", "unknown": "未写明",
        "by": "按比例", "written": "原文", "due": "期限",
    },
    "en": {
        "client": "Client", "supplier": "Supplier", "total": "Total", "term": "Term", "services": "Services",
        "payments": "Payments", "obligations": "Obligations", "penalties": "Penalties (evidence only, never billed)",
        "silent": "Not contractual", "findings": "Findings", "error": "error", "warning": "warning", "info": "info",
        "none": "Nothing found.", "unknown": "not stated", "by": "by percentage", "written": "as written", "due": "due",
    },
}  # fmt: skip


def to_text(result: CheckResult, locale: Locale = "zh") -> str:
    """A report to read at a terminal; names and quotes stay in the contract's language."""
    contract, words = result.contract, _WORDS[locale]
    unknown = words["unknown"]
    lines = [contract.title.value if contract.title else result.document.name, ""]
    lines += [f"{words[p.side.value]}  {p.name.value}  [{p.name.clause}]" for p in contract.parties]
    total = contract.total
    lines.append(
        f"{words['total']}  {_money(total.amount) if total else unknown}" + (f"  [{total.clause}]" if total else "")
    )
    term = contract.term
    start = _iso(term.start.value) if term.start else unknown
    end = _iso(term.end.value) if term.end else unknown
    lines.append(f"{words['term']}  {start} – {end}" + (f"  [{term.end.clause}]" if term.end else ""))
    lines += ["", words["services"]]
    for s in contract.services:
        price = f"{_money(s.unit_price) or '?'} × {_plain(s.quantity) or '?'} {s.unit} = {_money(s.amount) or '?'}"
        lines.append(f"  {s.number}. {s.name} → {s.offering or '?'}  {price}  [{s.clause}]")
    lines += ["", words["payments"]]
    for p in contract.payments:
        share = f"{_plain(p.percent)}%  {words['by']} {_money(p.amount)}" if p.percent is not None else _money(p.amount)
        as_written = " / ".join(x for x in (p.stated.figure_as_written, p.stated.capitals_as_written) if x)
        due = _iso(p.due) or (
            f"{p.due_rule.count} {p.due_rule.unit.value} · {p.due_rule.anchor}" if p.due_rule else unknown
        )
        lines.append(
            f"  {p.label}  {share}  {words['written']} {as_written or '–'}  {words['due']} {due}  [{p.clause}]"
        )
    lines += ["", words["obligations"]]
    for o in contract.obligations:
        number = f"  {_plain(o.number)} {o.unit}" if o.number is not None else (f"  {o.unit}" if o.unit else "")
        lines.append(
            f"  {words.get(o.who.value, '双方' if locale == 'zh' else 'Both')}  {o.kind.value}{number}  [{o.clause}]"
        )
    if contract.penalties:
        lines += ["", words["penalties"]]
        lines += [f"  {_plain(p.rate)}% {p.per}  {_money(p.amount) or ''}  [{p.clause}]" for p in contract.penalties]
    if contract.not_contractual:
        lines += ["", f"{words['silent']}: {', '.join(contract.not_contractual)}"]
    lines += ["", words["findings"]]
    for severity in Severity:
        for f in result.findings:
            if f.severity is severity:
                lines.append(f"  [{words[severity.value]}] {f.clause or '–'}  {f.message.to(locale)}  ({f.kind})")
    if not result.findings:
        lines.append(f"  {words['none']}")
    return "\n".join(lines) + "\n"
