"""One pass from a document to a Contract; nothing here judges, it only reads."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal

from miyun.delivery.contract.amounts import chinese_integer
from miyun.delivery.contract.clauses import ClauseTree
from miyun.delivery.contract.document import Document
from miyun.delivery.contract.duties import read_obligations, read_penalties
from miyun.delivery.contract.model import Annex, Cited, Contract, Copies, Duty, Obligation, StatedAmount
from miyun.delivery.contract.money import read_payments, read_total
from miyun.delivery.contract.named_services import read_named_services
from miyun.delivery.contract.parties import read_parties
from miyun.delivery.contract.pricelist import PriceList, read_price_list
from miyun.delivery.contract.term import read_signed_on, read_term
from miyun.delivery.contract.text import bare, close_gaps, half_width

_CN = "一二三四五六七八九十"
_ANNEX_MENTION = re.compile(
    rf"附\s*件\s*(?P<number>[{_CN}]+|\d{{1,2}})\s*(?:[：:、.]?\s*《(?P<title>[^》]{{1,40}})》"
    r"|[：:\s]*(?P<plain>(?![与和及为是的所中第列内、])[\u4e00-\u9fffA-Za-z]{2,24})(?=$|[；;。]))?"
)
_COPIES = re.compile(
    r"一式\s*[【\[]?\s*(?P<all>[一二两三四五六七八九十壹贰叁肆伍陆柒捌玖拾\d]+)\s*[】\]]?\s*份(?P<rest>[^。；]*)"
)
_HOLDS = re.compile(
    r"(?P<who>甲方|乙方|采购人|供应商|买方|卖方|委托方|受托方|甲乙双方各|双方各|各方?)[^，,。]{0,4}?(?:执|持)\s*"
    r"[【\[]?\s*(?P<count>[一二两三四五六七八九十壹贰叁肆伍陆柒捌玖拾\d]+)\s*[】\]]?\s*份"
)
_CAPITAL_DIGIT = str.maketrans("壹贰叁肆伍陆柒捌玖拾两", "一二三四五六七八九十二")
_EXPECTED = {
    Duty.AVAILABILITY: "availability",
    Duty.ONSITE_ARRIVAL: "onsite_arrival_hours",
    Duty.SOLUTION_PROPOSAL: "solution_proposal_hours",
    Duty.SUPPORT_HOURS: "support_hours",
    Duty.CHANGE_REPLY: "change_reply_days",
    Duty.TRAINING_PLAN: "training_plan_days",
    Duty.ACCEPTANCE_START: "acceptance_start_days",
    Duty.STAFF_CHANGE_LIMIT: "staff_change_limit",
    Duty.DOCUMENTS: "documents_to_deliver",
    Duty.NO_SUBCONTRACTING: "subcontracting_rule",
    Duty.INVOICE_FIRST: "invoice_rule",
    Duty.EXIT_MIGRATION: "exit_migration",
}


def read_contract(document: Document, tree: ClauseTree) -> tuple[Contract, PriceList]:
    """The contract and its price list as read."""
    prices = read_price_list(document, tree)
    total = _settle(read_total(tree, prices), prices)
    signed_on = read_signed_on(tree)
    term = read_term(tree, signed_on)
    obligations = read_obligations(tree)
    payments = read_payments(tree, document, total)
    contract = Contract(
        title=_title(document, tree),
        project=_project(tree),
        parties=read_parties(document, tree),
        total=total,
        term=term,
        signed_on=signed_on,
        services=prices.services or read_named_services(tree),
        list_total=prices.total,
        payments=payments,
        obligations=obligations,
        penalties=read_penalties(tree, total),
        precedence=_precedence(tree),
        dispute=_dispute(tree),
        copies=read_copies(tree),
        annexes=read_annexes(tree),
    )
    silent = _silent(contract, document, obligations)
    return Contract(**{n: getattr(contract, n) for n in Contract.__slots__} | {"not_contractual": silent}), prices


def _settle(total: StatedAmount | None, prices: PriceList) -> StatedAmount | None:
    """Which writing of a total that contradicts itself the percentages are computed from; the finding stays."""
    if total is None or total.figure is None or total.capitals is None or total.figure == total.capitals:
        return total
    listed = prices.total.figure if prices.total is not None else None
    if listed is None and prices.services and all(s.amount is not None for s in prices.services):
        listed = sum((s.amount for s in prices.services if s.amount is not None), Decimal(0))
    rounded = abs(total.figure - total.capitals) * 2 <= total.figure_step
    return replace(total, capitals_prevail=rounded or listed == total.capitals)


def _silent(contract: Contract, document: Document, obligations: tuple[Obligation, ...]) -> tuple[str, ...]:
    """What performance needs and this contract does not say."""
    silent = []
    kinds = {o.kind for o in obligations}
    silent += [name for duty, name in _EXPECTED.items() if duty not in kinds]
    for name, value in (
        ("total", contract.total),
        ("term_start", contract.term.start),
        ("term_end", contract.term.end),
        ("signed_on", contract.signed_on),
        ("dispute", contract.dispute),
        ("precedence", contract.precedence),
    ):
        if value is None:
            silent.append(name)
    if not contract.services:
        silent.append("services")
    if not contract.payments:
        silent.append("payments")
    if not any(p.per == "day" for p in contract.penalties):
        silent.append("delay_penalty")
    silent += [f"{p.side}.{name}" for p in contract.parties for name in ("address", "phone") if name not in p.fields]
    return tuple(silent)


def _title(document: Document, tree: ClauseTree) -> Cited[str] | None:
    """The line of the preamble that names the paper; the signature page repeats it in 《》."""
    root = tree.clauses[0]
    lines = [close_gaps(line.text.strip()) for line in root.lines if line.cells is None and line.text.strip()]
    candidates = [
        t
        for t in lines
        if re.search(r"(?:合\s*同|协议书?)\s*(?:书)?\s*(?:[（(][^）)]*[）)])?$", t) and 4 <= len(t) <= 80
    ]
    repeated = re.findall(r"《([^》]{4,80})》\s*(?:签字|签署|盖章)", document.text)
    for title in candidates:
        if any(bare(title) == bare(r) for r in repeated):
            return Cited(title, root.label, title, 1.0)
    if candidates:
        best = max(candidates, key=len)
        return Cited(best, root.label, best, 0.8)
    label = next((t for t in lines if re.match(r"(?:合同|项目)名称\s*[:：]", t)), None)
    if label:
        return Cited(re.split(r"[:：]", label, maxsplit=1)[1].strip(), root.label, label, 0.9)
    return None


def _project(tree: ClauseTree) -> Cited[str] | None:
    for clause in tree.clauses:
        for paragraph in clause.paragraphs:
            match = re.search(
                r"[“\"]?本?项目[”\"]?\s*[:：]?\s*(?:系?指|名称\s*[:：])\s*(?P<name>[^。；，]{4,50})", paragraph
            )
            if match:
                return Cited(match["name"].strip(), clause.label, paragraph, 0.9)
    return None


def _precedence(tree: ClauseTree) -> Cited[tuple[str, ...]] | None:
    for clause in tree.clauses:
        if not re.search(r"优先(?:支配)?(?:地位)?的?(?:次序|顺序)|解释顺序|优先顺序", clause.text):
            continue
        ranks = [
            re.sub(r"^[-\s]*[（(]?\d+[)）.、]\s*", "", half_width(c.paragraphs[0])).rstrip("；;。")
            for c in clause.children
        ]
        if len(ranks) >= 2:
            return Cited(tuple(ranks), clause.label, clause.text, 1.0)
        match = re.search(r"按照?(?P<list>[^。；]*?)(?:的?次序|的?顺序)", clause.text)
        if match:
            return Cited(tuple(re.split(r"[、，,]", match["list"].strip())), clause.label, clause.text, 0.8)
    return None


def _dispute(tree: ClauseTree) -> Cited[str] | None:
    for clause in tree.scope(""):
        for paragraph in clause.paragraphs:
            match = re.search(r"(?:向|提交|由)\s*(?P<name>[^，。；向由]{2,24}?(?:仲裁委员会|人民法院|法院))", paragraph)
            if match:
                return Cited(re.sub(r"^(?:提交|位于)", "", match["name"]), clause.label, paragraph, 0.95)
    return None


def read_copies(tree: ClauseTree, scope: str = "") -> Cited[Copies] | None:
    """「一式陆份，甲方执叁份，乙方执叁份」."""
    for clause in tree.scope(scope):
        for paragraph in clause.paragraphs:
            match = _COPIES.search(paragraph)
            if match is None or re.search(r"文档|资料|报告", paragraph[: match.start()]):
                continue
            holds: dict[str, int | None] = {}
            for part in _HOLDS.finditer(match["rest"]):
                count = _count(part["count"])
                if part["who"] in ("甲乙双方各", "双方各", "各", "各方"):
                    holds["client"] = holds["supplier"] = count
                elif part["who"] in ("甲方", "采购人", "买方", "委托方"):
                    holds["client"] = count
                else:
                    holds["supplier"] = count
            copies = Copies(_count(match["all"]), holds.get("client"), holds.get("supplier"))
            return Cited(copies, clause.label, paragraph, 0.95)
    return None


def _count(numeral: str) -> int | None:
    return chinese_integer(numeral.translate(_CAPITAL_DIGIT))


def read_annexes(tree: ClauseTree) -> tuple[Annex, ...]:
    """Annexes that the body names or lists, and whether their text is here."""
    present = {_annex_number(c.label): c for c in tree.annexes()}
    found: dict[int, Annex] = {}

    def note(number: int, label: str, title: str, clause: str) -> None:
        old = found.get(number) or Annex(label, title, number in present, clause)
        known = {bare(t) for t, _ in old.titles}
        titles = old.titles if not title or bare(title) in known else (*old.titles, (title, clause))
        found[number] = replace(old, title=old.title or title, titles=titles)

    for clause in tree.clauses:
        if clause.kind == "annex":
            continue
        for paragraph in clause.paragraphs:
            plain = half_width(paragraph)
            for match in _ANNEX_MENTION.finditer(plain):
                number = chinese_integer(match["number"])
                if number is None or (clause.scope and number in present):
                    continue
                listed = match.start() == 0 or plain[match.start() - 1] in ";；:：、，,"
                title = match["title"] or (match["plain"] if listed else None) or ""
                note(number, "附件" + re.sub(r"\s", "", match["number"]), title.strip(), clause.label)
    for number, clause in present.items():
        if number is not None:
            note(number, clause.label, clause.title, clause.label)
    return tuple(found[n] for n in sorted(found))


def _annex_number(label: str) -> int | None:
    return chinese_integer(label.removeprefix("附件"))
