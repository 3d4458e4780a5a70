"""The service term and the date of signature."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date, timedelta

from miyun.delivery.contract.amounts import chinese_integer
from miyun.delivery.contract.clauses import ClauseTree
from miyun.delivery.contract.model import Cited, Term
from miyun.delivery.contract.text import find_dates, half_width

_TITLE = re.compile(r"服务期|合同期|履行期|期限|服务时间|有效期|合同工期")
_NOT_TITLE = re.compile(r"保密|质保|付款|支付|诉讼|投标|验收|年限")
_SENTENCE = re.compile(r"服务期|合同期限|履行期限|为期|有效期|期限为|期限[:：]|服务时间")
_START_RULE = re.compile(
    r"自\s*(?:本)?合同\s*(?:经?双方)?\s*(?:签订|签署|签字|盖章|生效|订立)+[^，,。；]{0,14}?之?日起"
)
_MONTHS = re.compile(
    r"(?P<count>\d{1,3}|[一二三四五六七八九十壹贰叁肆伍陆柒捌玖拾两]{1,4})\s*(?:\(\d{1,3}\)\s*)?(?:个月|个自然月)"
)
_YEARS = re.compile(
    r"(?:为期|期限为?[:：]?|服务期(?:限)?为?[:：]?|共计?|有效期)\s*(?P<count>\d{1,2}|[一二三四五六七八九十壹贰叁两])\s*(?:\([^)]{1,3}\)\s*)?年"
)


def add_months(day: date, months: int) -> date:
    """The same day `months` later, or the last of that month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    for last in (day.day, 30, 29, 28):
        try:
            return date(year, month + 1, min(last, day.day))
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")


def months_end(start: date, months: int) -> date:
    """The last day of a term of whole months when the day of `start` itself counts."""
    return add_months(start, months) - timedelta(days=1)


def read_signed_on(tree: ClauseTree) -> Cited[date] | None:
    """The date written on the signature page, or after 签订日期 on the cover; the annexes' own do not count."""
    found: list[tuple[date, str, str]] = []
    for clause in tree.clauses:
        if clause.scope or clause.kind not in ("signature", "root"):
            continue
        for paragraph in clause.paragraphs:
            if clause.kind == "root" and not re.search(r"签[订署约](?:日期|时间)", paragraph):
                continue
            if len(paragraph) <= 60:
                found += [(m.value, clause.label, paragraph) for m in find_dates(paragraph) if m.value is not None]
    if not found:
        return None
    days = Counter(day for day, _, _ in found)
    # The contract is concluded when the last of the two has signed.
    day = max(days)
    label, quote = next((c, q) for d, c, q in found if d == day)
    return Cited(day, label, quote, 1.0 if len(days) == 1 else 0.7)


def read_term(tree: ClauseTree, signed_on: Cited[date] | None) -> Term:
    """Start, end and months; a start that hangs on the signature takes its date at a lower confidence."""
    best: tuple[int, Term] = (0, Term(None, None, None))
    for clause in tree.clauses:
        if clause.scope or clause.kind == "signature":
            continue
        titles = " ".join(clause.titles[-2:])
        titled = _TITLE.search(titles) is not None and _NOT_TITLE.search(titles) is None
        for paragraph in clause.paragraphs:
            for sentence in re.split(r"[。；;]", paragraph):
                if not titled and not (
                    _SENTENCE.search(sentence) and not re.search(r"保密|质保|届满后|付款", sentence)
                ):
                    continue
                term = _term(half_width(sentence), clause.label, signed_on)
                score = sum(x is not None for x in (term.start, term.end, term.months)) * 2 + titled
                if (term.start or term.end or term.months) and score > best[0]:
                    best = score, term
    return best[1]


def _term(sentence: str, clause: str, signed_on: Cited[date] | None) -> Term:
    quote = sentence.strip()
    dates = find_dates(sentence)
    rule = _START_RULE.search(sentence)
    start = end = start_rule = months = None
    if rule is not None:
        start_rule = Cited(rule.group(), clause, quote, 1.0)
        if signed_on is not None:
            start = Cited(signed_on.value, clause, f"{rule.group()}；{signed_on.quote}", 0.9)
        after = [d for d in dates if d.start >= rule.end()]
        if after and after[0].value:
            end = Cited(after[0].value, clause, quote, 1.0)
    elif len(dates) >= 2:
        if dates[0].value:
            start = Cited(dates[0].value, clause, quote, 1.0)
        if dates[1].value:
            end = Cited(dates[1].value, clause, quote, 1.0)
    elif len(dates) == 1 and dates[0].value:
        day = Cited(dates[0].value, clause, quote, 0.9)
        if re.search(r"至\s*$|止于\s*$|截至\s*$", sentence[: dates[0].start]):
            end = day
        elif re.match(r"\s*(?:起|开始)", sentence[dates[0].end :]) or re.search(r"自\s*$", sentence[: dates[0].start]):
            start = day
    for pattern, factor in ((_MONTHS, 1), (_YEARS, 12)):
        match = pattern.search(sentence)
        count = chinese_integer(match["count"]) if match else None
        if count:
            months = Cited(count * factor, clause, quote, 1.0)
            break
    if start is not None and end is None and months is not None:
        end = Cited(months_end(start.value, months.value), clause, quote, 0.75)
    return Term(start, end, months, start_rule)
