"""The total and the instalments, each with its figure and capitals exactly as written."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal

from miyun.delivery.contract.amounts import Capitals, Figure, chinese_integer, find_capitals, find_figures, to_fen
from miyun.delivery.contract.clauses import Clause, ClauseTree
from miyun.delivery.contract.deadlines import UNKNOWN_EVENT, find_deadline
from miyun.delivery.contract.document import Document
from miyun.delivery.contract.model import Payment, StatedAmount
from miyun.delivery.contract.pricelist import PriceList
from miyun.delivery.contract.text import find_dates, half_width

_TOTAL_WORDS = re.compile(
    r"(?:合同|服务费|项目|价款|费用|采购)?\s*(?:总\s*价款|总\s*价格|总\s*价|总\s*金额|总\s*额|总\s*费用|价款总额|合同金额|合同价款|成交金额|中标金额)"
)
_PERCENT = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*[%％]|百分之(?P<words>[一二三四五六七八九十百零点]+)")
_PAY = re.compile(r"支付|付款|付清|付至|结算|拨付|给付|预付")
_NOT_PAYMENT = re.compile(r"违约|赔偿|利息|滞纳|逾期付款|罚|上浮|下浮|税率|增值税|折扣|更换|人员|保证金")
_LABEL = re.compile(
    r"(?P<label>首期款|首付款|首款|预付款|中期款|进度款|第[一二三四五六七八九十\d]+[笔期次](?:款项?|付款)?|第[一二三四五六七八九十\d]+阶段款?"
    r"|验收款|终验款|初验款|尾款|余款|质保金|末期款|全款|合同款)"
)
_STAGE = re.compile(
    r"首款|首付款|预付款|首期款|中期款|进度款|尾款|余款|质保金|验收款|第[一二三四五六七八九十\d]+[笔期次]"
)


def percents(text: str) -> list[tuple[Decimal, int, int]]:
    """(percent, start, end) of each percentage in `text`."""
    found = []
    for match in _PERCENT.finditer(half_width(text)):
        if match["number"]:
            found.append((Decimal(match["number"]), match.start(), match.end()))
        else:
            whole, _, rest = match["words"].partition("点")
            value = chinese_integer(whole)
            if value is None or any(c not in "零〇一二三四五六七八九" for c in rest):
                continue
            digits = "".join(str("零一二三四五六七八九".index(c)) for c in rest.replace("〇", "零"))
            found.append((Decimal(f"{value}.{digits}" if digits else value), match.start(), match.end()))
    return found


def stated(text: str, clause: str, figures: list[Figure], capitals: list[Capitals]) -> StatedAmount:
    """One sum from what a sentence writes: its first figure and its first capitals."""
    figure = figures[0] if figures else None
    words = capitals[0] if capitals else None
    return StatedAmount(
        clause=clause,
        quote=text,
        figure_as_written=figure.as_written if figure else None,
        figure=figure.amount if figure else None,
        figure_step=figure.step if figure else Decimal("0.01"),
        capitals_as_written=words.as_written if words else None,
        capitals=words.amount if words else None,
        confidence=1.0 if figure and words else 0.9,
    )


def read_total(tree: ClauseTree, prices: PriceList) -> StatedAmount | None:
    """The contract's total: where the body names it; from the price list's own total only if nowhere else."""
    best: tuple[int, StatedAmount] | None = None
    for clause in tree.clauses:
        if clause.kind == "signature":
            continue
        for paragraph in clause.paragraphs:
            for sentence in re.split(r"[。；]", paragraph):
                word = _TOTAL_WORDS.search(sentence)
                titled = word is None and any(_TOTAL_WORDS.search(t) for t in clause.titles)
                if word is None and not titled:
                    continue
                figures = find_figures(sentence)
                capitals = find_capitals(sentence)
                if not figures and not capitals:
                    continue
                if percents(sentence) or _NOT_PAYMENT.search(sentence[: (figures or capitals)[0].start]):
                    continue
                first = min([f.start for f in figures] + [c.start for c in capitals])
                score = (4 if word and word.start() < first else 0) + (2 if figures and capitals else 0)
                score += 1 if not clause.scope else 0
                if best is None or score > best[0]:
                    best = score, stated(sentence.strip(), clause.label, figures, capitals)
    if best is not None and best[0] >= 2:
        return best[1]
    if prices.total is not None:
        return replace(prices.total, confidence=0.7)
    return best[1] if best else None


def read_payments(tree: ClauseTree, document: Document, total: StatedAmount | None) -> tuple[Payment, ...]:
    """Instalments in order of the text, from clauses on payment or from a table of instalments."""
    found: list[Payment] = []
    for clause in tree.clauses:
        if clause.kind in ("signature",) or not _about_payment(clause):
            continue
        for paragraph in clause.paragraphs:
            for segment in _segments(paragraph):
                payment = _payment(segment, paragraph, clause, total, len(found) + 1)
                if payment is not None:
                    found.append(payment)
    if not found:
        found = _from_tables(document, tree, total)
    return tuple(found)


def _about_payment(clause: Clause) -> bool:
    text = " ".join(clause.titles)
    if re.search(r"违约|赔偿|保密|变更|质量保证金", text):
        return False
    return re.search(r"付款|支付|价款|费用|结算|金额|价格", text) is not None or any(
        _STAGE.search(p) and _PAY.search(p) for p in clause.paragraphs
    )


def _segments(paragraph: str) -> list[str]:
    """Sentences; one that names several percentages is cut where the next stage begins."""
    pieces = []
    for sentence in re.split(r"(?<=[。；;])", paragraph):
        if len(percents(sentence)) > 1:
            pieces.extend(re.split(r"[，,](?=[^，,]*?(?:%|％|百分之))", sentence))
        else:
            pieces.append(sentence)
    return [p.strip() for p in pieces if p.strip()]


def _payment(segment: str, paragraph: str, clause: Clause, total: StatedAmount | None, number: int) -> Payment | None:
    shares = percents(segment)
    figures, capitals = find_figures(segment), find_capitals(segment)
    named = _STAGE.search(segment) is not None
    paying = _PAY.search(segment) is not None
    if not (shares or ((figures or capitals) and named)):
        return None
    if not paying and not (named and any(_PAY.search(t) for t in clause.titles)):
        return None
    first = min([s[1] for s in shares] + [f.start for f in figures] + [c.start for c in capitals])
    if _NOT_PAYMENT.search(segment[:first]) or (_NOT_PAYMENT.search(segment) and not named):
        return None
    if not shares and total is not None and _TOTAL_WORDS.search(segment[:first]) and not named:
        return None
    percent = shares[0][0] if shares else None
    # The sum paid stands after its share; a figure before it is the total of which it is a share.
    if shares:
        after = shares[0][1]
        figures = [f for f in figures if f.start > after] or [f for f in figures if not _is_total(f, total)]
        capitals = [c for c in capitals if c.start > after] or capitals[:0]
    sum_stated = stated(segment, clause.label, figures, capitals)
    whole = total.amount if total is not None else None
    if percent is not None and whole is not None:
        amount: Decimal | None = to_fen(whole * percent / 100)
    else:
        amount = sum_stated.amount
    due = _due(segment)
    label = _LABEL.search(segment)
    return Payment(
        number=number,
        label=label["label"] if label else f"第{number}笔",
        percent=percent,
        amount=amount,
        stated=sum_stated,
        due=due,
        due_rule=None if due else find_deadline(segment, UNKNOWN_EVENT),
        condition=_condition(segment),
        clause=clause.label,
        quote=paragraph if len(paragraph) < 400 else segment,
        confidence=(0.95 if percent is not None else 0.85) - (0 if label else 0.1),
    )


def _is_total(figure: Figure, total: StatedAmount | None) -> bool:
    return total is not None and figure.amount == total.figure


def _due(segment: str) -> date | None:
    for mention in find_dates(segment):
        if re.match(r"\s*(?:之?前|以前|前后|止|内)", segment[mention.end :]) or re.search(
            r"(?:至|截至|不迟于|不晚于|于|在)\s*$", segment[: mention.start]
        ):
            return mention.value
    return None


def _condition(segment: str) -> str:
    """What must have happened first: the words before the due date or the payer."""
    plain = re.sub(r"^\s*(?:\(\d+\)|[（(][^）)]{1,3}[）)]|\d+[.、)]|[①-⑳])\s*", "", half_width(segment))
    head = re.split(r"[，,]", plain)[0].strip()
    return head if re.search(r"后|时|日起|经|完成|通过|签|生效|合格", head) else ""


def _from_tables(document: Document, tree: ClauseTree, total: StatedAmount | None) -> list[Payment]:
    """A table with a column of percentages: 期次 | 付款比例 | 金额 | 付款时间 ..."""
    found: list[Payment] = []
    for table in document.tables:
        header = [re.sub(r"\s", "", cell) for cell in table.rows[0]]
        if not any(re.search(r"比例|占比|百分比", cell) for cell in header) or not any(_PAY.search(c) for c in header):
            continue
        label = tree.label(table.first_line)
        for position, row in enumerate(table.rows[1:], 1):
            words = " ".join(cell for cell in row if cell)
            shares = percents(words)
            if not shares or re.match(r"合\s*计", words) or shares[0][0] == 100:
                continue
            money_cells = [
                cell + ("元" if cell.strip()[-1:].isdigit() else "")
                for head, cell in zip(header, row, strict=False)
                if "金额" in head and cell.strip()
            ]
            figures = find_figures(" ".join(money_cells))
            summed = stated(words, f"{label}-{position}", figures, find_capitals(words))
            whole = total.amount if total is not None else None
            due = next((d.value for d in find_dates(words) if d.value), None)
            found.append(
                Payment(
                    number=position,
                    label=(m["label"] if (m := _LABEL.search(words)) else f"第{position}笔"),
                    percent=shares[0][0],
                    amount=to_fen(whole * shares[0][0] / 100) if whole is not None else summed.amount,
                    stated=summed,
                    due=due,
                    due_rule=None if due else find_deadline(words, UNKNOWN_EVENT),
                    condition="",
                    clause=f"{label}-{position}",
                    quote=words,
                    confidence=0.85,
                )
            )
    return found
