"""Does the money agree with itself: figures, capitals, percentages, lines, sums."""

# ruff: noqa: E501  (patterns and sentences stay whole; a Chinese character counts two columns)

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from miyun.core.i18n import Text
from miyun.delivery.contract.amounts import FEN, find_capitals, find_figures, money, parse_capitals, to_capitals, to_fen
from miyun.delivery.contract.clauses import ClauseTree
from miyun.delivery.contract.finding import Finding, Severity
from miyun.delivery.contract.model import Contract, Payment, StatedAmount
from miyun.delivery.contract.pricelist import PriceList

_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO


def check_money(contract: Contract, tree: ClauseTree, prices: PriceList) -> Iterator[Finding]:
    """All findings about sums; kinds begin with "amount"."""
    if contract.total is not None:
        yield from _own(contract.total)
    for payment in contract.payments:
        yield from _payment(payment)
        yield from _form(payment.stated)
    yield from _payment_sums(contract, tree)
    yield from _lines(contract)
    if prices.total is not None and prices.total is not contract.total:
        yield from _own(prices.total)
    yield from _elsewhere(contract, tree)


def _own(stated: StatedAmount) -> Iterator[Finding]:
    """One sum against its own capitals."""
    if stated.figure is not None and stated.capitals is not None:
        difference = stated.capitals - stated.figure
        if difference:
            yield _capitals_differ(
                stated, stated.figure, difference, rounding=abs(difference) * 2 <= stated.figure_step
            )
    yield from _form(stated)


def _capitals_differ(stated: StatedAmount, expected: Decimal, difference: Decimal, *, rounding: bool) -> Finding:
    figure, capitals = stated.figure or expected, stated.capitals or Decimal(0)
    values = {
        "figure_as_written": stated.figure_as_written or "",
        "figure": money(figure),
        "capitals_as_written": stated.capitals_as_written or "",
        "capitals": money(capitals),
        "difference": money(difference),
    }
    if rounding:
        return Finding(
            stated.clause,
            "amount_rounding",
            _WARNING,
            Text(
                f"小写“{stated.figure_as_written}”为 {money(figure)} 元，大写为 {money(capitals)} 元，"
                f"因小写取整相差 {money(abs(difference))} 元。",
                f"The figure reads {money(figure)}, the capitals {money(capitals)}; "
                f"they differ by {money(abs(difference))} because the figure is rounded.",
            ),
            values,
            stated.quote,
        )
    return Finding(
        stated.clause,
        "amount_capitals",
        _ERROR,
        Text(
            f"大写“{stated.capitals_as_written}”为 {money(capitals)} 元，与小写 {money(figure)} 元不符，"
            f"相差 {_signed(difference)} 元。",
            f"The capitals read {money(capitals)}, the figure {money(figure)}: a difference of {_signed(difference)}.",
        ),
        values,
        stated.quote,
    )


def _signed(value: Decimal) -> str:
    return ("+" if value > 0 else "") + money(value)


def _payment(payment: Payment) -> Iterator[Finding]:
    stated, share = payment.stated, payment.amount
    if payment.percent is None or share is None:
        yield from (f for f in _own(stated) if f.kind in ("amount_capitals", "amount_rounding"))
        return
    figure, capitals = stated.figure, stated.capitals
    values = {
        "percent": format(payment.percent.normalize(), "f"),
        "by_percentage": money(share),
        "figure_as_written": stated.figure_as_written or "",
        "figure": money(figure) if figure is not None else "",
        "capitals_as_written": stated.capitals_as_written or "",
        "capitals": money(capitals) if capitals is not None else "",
    }
    # A percentage written with two decimals may itself be rounded: half of its last place, applied to the total.
    slack = Decimal(0)
    if payment.percent:
        slack = share / payment.percent * Decimal(1).scaleb(min(int(payment.percent.as_tuple().exponent), 0)) / 2
    if payment.percent == payment.percent.to_integral_value():
        slack = Decimal(0)
    half_step = max(stated.figure_step / 2, FEN)
    reported = False
    if capitals is not None and capitals != share:
        agrees_with_figure = figure is not None and abs(capitals - figure) <= half_step
        if not (agrees_with_figure and abs(capitals - share) <= slack):
            reported = True
            difference = capitals - share
            yield Finding(
                payment.clause,
                "amount_capitals",
                _ERROR,
                Text(
                    f"{payment.label}：大写“{stated.capitals_as_written}”为 {money(capitals)} 元，而合同总价的 "
                    f"{values['percent']}% 为 {money(share)} 元，相差 {_signed(difference)} 元。",
                    f"{payment.label}: the capitals read {money(capitals)}, but {values['percent']} % of the total is "
                    f"{money(share)}: a difference of {_signed(difference)}.",
                ),
                values | {"difference": money(difference)},
                payment.quote,
            )
    if figure is None or (figure == share and (capitals is None or capitals == share or reported)):
        return
    difference = figure - share
    if abs(difference) <= half_step:
        if difference:
            yield Finding(
                payment.clause,
                "amount_rounding",
                _WARNING,
                Text(
                    f"{payment.label}：小写“{stated.figure_as_written}”为 {money(figure)} 元，按 {values['percent']}% "
                    f"计算为 {money(share)} 元，因取整相差 {_signed(difference)} 元。",
                    f"{payment.label}: the figure reads {money(figure)}, {values['percent']} % of the total is "
                    f"{money(share)}; rounding makes a difference of {_signed(difference)}.",
                ),
                values | {"difference": money(difference)},
                payment.quote,
            )
    elif difference:
        severity = _WARNING if abs(difference) <= slack else _ERROR
        yield Finding(
            payment.clause,
            "amount_percentage",
            severity,
            Text(
                f"{payment.label}：小写为 {money(figure)} 元，而合同总价的 {values['percent']}% 为 {money(share)} 元，"
                f"相差 {_signed(difference)} 元。",
                f"{payment.label}: the figure reads {money(figure)}, but {values['percent']} % of the total is "
                f"{money(share)}: a difference of {_signed(difference)}.",
            ),
            values | {"difference": money(difference)},
            payment.quote,
        )


def _form(stated: StatedAmount) -> Iterator[Finding]:
    """How a sum is written, apart from its value."""
    if stated.capitals_as_written is None:
        return
    capitals = parse_capitals(stated.capitals_as_written)
    values = {"capitals_as_written": stated.capitals_as_written}
    if capitals.amount is None:
        yield Finding(
            stated.clause,
            "amount_capitals_malformed",
            _ERROR,
            Text(
                f"大写“{stated.capitals_as_written}”不成数：{capitals.reason}。",
                f"The capitals “{stated.capitals_as_written}” cannot be read as one sum.",
            ),
            values | {"reason": capitals.reason},
            stated.quote,
        )
        return
    cents = capitals.amount * 100 % 10
    figure_says_whole = (stated.figure_as_written or "").endswith(("整", "正"))
    if "whole_mark_after_fen" in capitals.marks or (figure_says_whole and capitals.amount % 1):
        where = "小写" if figure_says_whole and capitals.amount % 1 else "大写"
        yield Finding(
            stated.clause,
            "amount_whole_mark",
            _WARNING,
            Text(
                f"{where}写“整”，而大写 {money(capitals.amount)} 元带有角分。",
                f"'整' (whole) stands beside {money(capitals.amount)}, which has jiao or fen.",
            ),
            values | {"figure_as_written": stated.figure_as_written or "", "capitals": money(capitals.amount)},
            stated.quote,
        )
    slips = [m for m in capitals.marks if m != "whole_mark_after_fen"]
    if slips and not (slips == ["no_whole_mark"] and cents):
        proper = to_capitals(capitals.amount)
        yield Finding(
            stated.clause,
            "amount_capitals_form",
            _INFO,
            Text(
                f"大写“{stated.capitals_as_written}”读数无歧义，规范写法为“{proper}”。",
                f"The capitals have one reading; the proper form is “{proper}”.",
            ),
            values | {"proper": proper, "marks": " ".join(slips)},
            stated.quote,
        )


def _payment_sums(contract: Contract, tree: ClauseTree) -> Iterator[Finding]:
    payments = contract.payments
    total = contract.total.amount if contract.total else None
    if len(payments) < 2:
        return
    place = _common_clause(payments, tree)
    percents = [p.percent for p in payments if p.percent is not None]
    if len(percents) == len(payments) and sum(percents) != 100:
        summed = format(sum(percents, Decimal(0)).normalize(), "f")
        yield Finding(
            place,
            "amount_percent_sum",
            _ERROR,
            Text(f"各期付款比例合计 {summed}%，不是 100%。", f"The instalments add up to {summed} %, not 100 %."),
            {"sum": summed, "expected": "100"},
        )
    if total is None:
        return
    ways = (
        ("amount_sum_figures", "小写", "figures", [p.stated.figure for p in payments]),
        ("amount_sum_capitals", "大写", "capitals", [p.stated.capitals for p in payments]),
    )
    for kind, zh, en, sums in ways:
        known = [s for s in sums if s is not None]
        if len(known) != len(payments):
            continue
        summed_money = sum(known, Decimal(0))
        difference = summed_money - total
        if not difference:
            continue
        slack = sum((p.stated.figure_step / 2 for p in payments), Decimal(0)) if kind == "amount_sum_figures" else FEN
        severity = _WARNING if abs(difference) <= slack else _ERROR
        yield Finding(
            place,
            kind,
            severity,
            Text(
                f"各期付款按{zh}合计 {money(summed_money)} 元，合同总价 {money(total)} 元，相差 {_signed(difference)} 元。",
                f"By their {en} the instalments add up to {money(summed_money)}; the total is {money(total)}: "
                f"a difference of {_signed(difference)}.",
            ),
            {"sum": money(summed_money), "total": money(total), "difference": money(difference)},
        )


def _common_clause(payments: tuple[Payment, ...], tree: ClauseTree) -> str:
    labels = {p.clause for p in payments}
    parents = {
        clause.parent.label if clause.parent is not None and clause.parent.kind != "root" else clause.label
        for clause in tree.clauses
        if clause.label in labels
    }
    if len(labels) == 1 or len(parents) != 1:
        return payments[0].clause
    return parents.pop()


def _lines(contract: Contract) -> Iterator[Finding]:
    amounts = []
    for line in contract.services:
        if line.amount is not None:
            amounts.append(line.amount)
        if line.unit_price is None or line.quantity is None or line.amount is None:
            continue
        product = to_fen(line.unit_price * line.quantity)
        longer = to_fen(product * line.periods) if line.periods is not None else product
        if line.amount not in (product, longer):
            difference = line.amount - longer
            yield Finding(
                line.clause,
                "amount_line",
                _ERROR,
                Text(
                    f"“{line.name}”单价 {money(line.unit_price)} × 数量 {_plain(line.quantity)} = {money(longer)} 元，"
                    f"而金额写 {money(line.amount)} 元，相差 {_signed(difference)} 元。",
                    f"'{line.name}': {money(line.unit_price)} × {_plain(line.quantity)} = {money(longer)}, but the amount "
                    f"is {money(line.amount)}: a difference of {_signed(difference)}.",
                ),
                {
                    "unit_price": money(line.unit_price),
                    "quantity": _plain(line.quantity),
                    "product": money(longer),
                    "amount": money(line.amount),
                    "difference": money(difference),
                },
                line.quote,
            )
    if not amounts or len(amounts) != len(contract.services):
        return
    summed = sum(amounts, Decimal(0))
    listed = contract.list_total
    if listed is not None and listed.figure is not None and listed.figure != summed:
        yield _list_sum(listed.clause, "amount_list_sum", "价格表合计", "the list's total", summed, listed.figure)
    total = contract.total
    if total is not None and total is not listed and total.amount is not None:
        own = listed.figure if listed is not None and listed.figure is not None else summed
        if own != total.amount:
            place = listed.clause if listed is not None else contract.services[0].clause.rsplit("-", 1)[0]
            yield _list_sum(place, "amount_list_total", "合同总价", "the contract's total", own, total.amount)


def _list_sum(clause: str, kind: str, zh: str, en: str, summed: Decimal, other: Decimal) -> Finding:
    difference = summed - other
    return Finding(
        clause,
        kind,
        _ERROR,
        Text(
            f"价格表 {money(summed)} 元，{zh} {money(other)} 元，相差 {_signed(difference)} 元。",
            f"The price list gives {money(summed)}, {en} is {money(other)}: a difference of {_signed(difference)}.",
        ),
        {"sum": money(summed), "total": money(other), "difference": money(difference)},
    )


def _plain(value: Decimal) -> str:
    return format(value.normalize(), "f")


def _elsewhere(contract: Contract, tree: ClauseTree) -> Iterator[Finding]:
    """Sums outside the total and the payments: deposits, penalties; and badly grouped thousands anywhere."""
    covered = {p.clause for p in contract.payments} | ({contract.total.clause} if contract.total else set())
    for clause in tree.clauses:
        for paragraph in clause.paragraphs:
            figures = find_figures(paragraph)
            for figure in figures:
                if not figure.well_grouped:
                    yield Finding(
                        clause.label,
                        "amount_grouping",
                        _WARNING,
                        Text(
                            f"“{figure.as_written}”千分位分隔有误，按 {money(figure.amount)} 元读取。",
                            f"'{figure.as_written}' is badly grouped; it was read as {money(figure.amount)}.",
                        ),
                        {"figure_as_written": figure.as_written, "figure": money(figure.amount)},
                        paragraph,
                    )
            if clause.label in covered:
                continue
            for capitals in find_capitals(paragraph):
                near = [f for f in figures if 0 <= capitals.start - f.end <= 12 or 0 <= f.start - capitals.end <= 12]
                beside = near[0] if near else None
                yield from _own(
                    StatedAmount(
                        clause=clause.label,
                        quote=paragraph,
                        figure_as_written=beside.as_written if beside else None,
                        figure=beside.amount if beside else None,
                        figure_step=beside.step if beside else FEN,
                        capitals_as_written=capitals.as_written,
                        capitals=capitals.amount,
                    )
                )
