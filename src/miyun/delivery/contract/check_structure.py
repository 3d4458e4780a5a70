"""The paper as a paper: parties, annexes, blanks, copies, numbering, order of precedence."""

# ruff: noqa: E501  (patterns and sentences stay whole; a Chinese character counts two columns)

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from miyun.core.i18n import Text
from miyun.delivery.contract.clauses import WHOLE, ClauseTree
from miyun.delivery.contract.document import Document
from miyun.delivery.contract.finding import Finding, Severity
from miyun.delivery.contract.model import Contract, Party
from miyun.delivery.contract.reader import read_copies
from miyun.delivery.contract.text import bare, half_width

_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO
_BLANK = re.compile(r"[_＿]{2,}|编号\s*[:：]\s*$|【\s*】|\[\s{1,}\]|（\s{2,}）|\(\s{2,}\)")
_UNDATED = re.compile(r"(?<!\d)\s{2,}年\s+月\s+日|(?:日期|时间)\s*[:：]\s*年\s*月\s*日")
_PLACEHOLDER = re.compile(r"某某+|[×✕]{2,}|X{3,}|待定|待填|TBD", re.I)
_FIELD_NAMES = {"address": ("地址", "address"), "phone": ("电话", "phone"), "account": ("账号", "account number")}


def check_structure(document: Document, contract: Contract, tree: ClauseTree) -> Iterator[Finding]:
    """Findings that need no arithmetic."""
    for party in contract.parties:
        yield from _party(party)
    yield from _annexes(contract)
    yield from _blanks(document, tree)
    yield from _copies(tree)
    yield from _numbering(tree)
    yield from _precedence(contract, tree)
    yield from _titles(contract, tree)
    if "tracked_changes" in document.notes:
        yield Finding(
            WHOLE,
            "tracked_changes",
            _WARNING,
            Text(
                "文件含未接受的修订：已读入插入的文字，未读入删除的文字。",
                "The file holds tracked changes: inserted text was read, deleted text was not.",
            ),
        )


def _party(party: Party) -> Iterator[Finding]:
    first = party.name
    for mention in party.mentions[1:]:
        if bare(mention.name.value) != bare(first.value):
            short = bare(mention.name.value) in bare(first.value) or bare(first.value) in bare(mention.name.value)
            yield Finding(
                mention.name.clause,
                "party_name",
                _WARNING if short else _ERROR,
                Text(
                    f"{party.word}在{first.clause}为“{first.value}”，在{mention.name.clause}为“{mention.name.value}”。",
                    f"The {party.side} is “{first.value}” in {first.clause} but “{mention.name.value}” in "
                    f"{mention.name.clause}.",
                ),
                {"first": first.value, "first_clause": first.clause, "other": mention.name.value},
                mention.name.quote,
            )
    for field, (zh, en) in _FIELD_NAMES.items():
        stated = [m.fields[field] for m in party.mentions if field in m.fields]
        for other in stated[1:]:
            one, two = bare(stated[0].value), bare(other.value)
            if one in two or two in one:
                continue
            severity = {"address": _WARNING, "phone": _INFO, "account": _ERROR}[field]
            yield Finding(
                other.clause,
                f"party_{field}",
                severity,
                Text(
                    f"{party.word}的{zh}在{stated[0].clause}为“{stated[0].value}”，在{other.clause}为“{other.value}”。",
                    f"The {party.side}'s {en} is “{stated[0].value}” in {stated[0].clause} but “{other.value}” in "
                    f"{other.clause}.",
                ),
                {"first": stated[0].value, "first_clause": stated[0].clause, "other": other.value},
                other.quote,
            )
    account = party.fields.get("account_name")
    if account is not None and bare(account.value) != bare(first.value):
        yield Finding(
            account.clause,
            "party_account_name",
            _ERROR,
            Text(
                f"收款户名“{account.value}”不是{party.word}“{first.value}”。",
                f"The account is held by “{account.value}”, not by the {party.side} “{first.value}”.",
            ),
            {"account_name": account.value, "name": first.value},
            account.quote,
        )


def _annexes(contract: Contract) -> Iterator[Finding]:
    for annex in contract.annexes:
        if len(annex.titles) > 1:
            names = "、".join(f"《{title}》（{clause}）" for title, clause in annex.titles)
            yield Finding(
                annex.titles[1][1],
                "annex_title",
                _INFO,
                Text(f"{annex.number}名称不一：{names}。", f"{annex.number} goes by different names: {names}."),
                {"first": annex.titles[0][0], "other": annex.titles[1][0]},
            )
        if not annex.present:
            yield Finding(
                annex.clause,
                "annex_missing",
                _WARNING,
                Text(
                    f"{annex.number}{f'《{annex.title}》' if annex.title else ''}已列明，但不在本文件中。",
                    f"Annex {annex.number} {annex.title} is listed, but its text is not in this file.",
                ),
                {"annex": annex.number, "title": annex.title},
            )


def _blanks(document: Document, tree: ClauseTree) -> Iterator[Finding]:
    for line in document.lines:
        text = line.text.strip()
        label = tree.label(line.number)
        signing = re.match(r"(?:法定代表人|委托代理人|授权代表|负责人|经办人|[(（]?(?:签字|盖章|签章|签名))", text)
        if _BLANK.search(text) and not signing:
            yield Finding(
                label,
                "blank_field",
                _WARNING,
                Text(f"有空白未填：“{_short(text)}”。", f"A blank was left unfilled: “{_short(text)}”."),
                {"text": text},
                text,
            )
        elif _UNDATED.search(half_width(text)):
            yield Finding(
                label,
                "blank_date",
                _WARNING,
                Text(f"日期未填：“{_short(text)}”。", f"A date was left unfilled: “{_short(text)}”."),
                {"text": text},
                text,
            )
        placeholder = _PLACEHOLDER.search(text)
        if placeholder and len(text) <= 40:
            yield Finding(
                label,
                "placeholder",
                _INFO,
                Text(f"“{_short(text)}”是占位文字。", f"“{_short(text)}” is a placeholder."),
                {"text": text},
                text,
            )


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:40] + "…"


def _copies(tree: ClauseTree) -> Iterator[Finding]:
    for scope in dict.fromkeys(c.scope for c in tree.clauses):
        copies = read_copies(tree, scope)
        if copies is None or None in (copies.value.total, copies.value.client, copies.value.supplier):
            continue
        total, client, supplier = copies.value.total, copies.value.client, copies.value.supplier
        if total is not None and client is not None and supplier is not None and client + supplier > total:
            yield _copies_finding(copies.clause, copies.quote, total, client, supplier, _ERROR)
        elif (
            total is not None
            and client is not None
            and supplier is not None
            and client + supplier < total
            and re.search(r"代理|备案|财政|主管|监督", copies.quote) is None
        ):
            yield _copies_finding(copies.clause, copies.quote, total, client, supplier, _WARNING)


def _copies_finding(clause: str, quote: str, total: int, client: int, supplier: int, severity: Severity) -> Finding:
    return Finding(
        clause,
        "copies_sum",
        severity,
        Text(
            f"一式 {total} 份，而双方执 {client} 份和 {supplier} 份，合计 {client + supplier} 份。",
            f"{total} copies in all, but the parties hold {client} and {supplier}, {client + supplier} together.",
        ),
        {"total": str(total), "client": str(client), "supplier": str(supplier)},
        quote,
    )


def _numbering(tree: ClauseTree) -> Iterator[Finding]:
    for scope in dict.fromkeys(c.scope for c in tree.clauses):
        tops = tree.tops(scope)
        if len({c.kind for c in tops}) != 1 or len(tops) < 3:
            continue
        for before, after in pairwise(tops):
            if after.ordinal != before.ordinal + 1:
                yield Finding(
                    after.label,
                    "numbering",
                    _WARNING,
                    Text(
                        f"条号不连续：{before.label} 之后是 {after.label}。",
                        f"The numbering jumps from {before.label} to {after.label}.",
                    ),
                    {"before": before.label, "after": after.label},
                    after.paragraphs[0] if after.paragraphs else "",
                )


def _precedence(contract: Contract, tree: ClauseTree) -> Iterator[Finding]:
    ranked = contract.precedence
    if ranked is None:
        return
    body = next((i for i, r in enumerate(ranked.value) if re.search(r"正文(?!件)|合同条款|^本?合同$", r)), None)
    annex = next(
        (i for i, r in enumerate(ranked.value) if re.search(r"附件", r) and re.search(r"正文(?!件)", r) is None), None
    )
    if body is None or annex is None or body == annex:
        return
    for clause in tree.clauses:
        for paragraph in clause.paragraphs:
            if re.search(r"本合同及其?附件", paragraph) and re.search(r"优先|次序|顺序", paragraph):
                yield Finding(
                    ranked.clause,
                    "precedence_ambiguous",
                    _WARNING,
                    Text(
                        f"优先次序前后不一：列表中正文排第 {body + 1}、附件排第 {annex + 1}，后文却把“本合同及其附件”列为同一位次。",
                        f"The list ranks the body {body + 1} and the annexes {annex + 1}, but a later sentence ranks "
                        "“本合同及其附件” (the contract and its annexes) together.",
                    ),
                    {"body_rank": str(body + 1), "annex_rank": str(annex + 1)},
                    paragraph,
                )
                return


def _titles(contract: Contract, tree: ClauseTree) -> Iterator[Finding]:
    title = contract.title
    if title is None:
        return
    for clause in tree.clauses:
        for paragraph in clause.paragraphs:
            match = re.search(r"本协议作为《(?P<parent>[^》]+)》的", paragraph)
            if match and bare(match["parent"]) not in bare(title.value):
                yield Finding(
                    clause.label,
                    "annex_parent_title",
                    _INFO,
                    Text(
                        f"附件称主合同为《{match['parent']}》，而合同名称是《{title.value}》。",
                        f"The annex calls its parent 《{match['parent']}》; the contract's title is 《{title.value}》.",
                    ),
                    {"cited": match["parent"], "title": title.value},
                    paragraph,
                )
    project = contract.project
    if project is not None:
        subject = re.search(r"([\u4e00-\u9fff]{2,6})服务", re.sub(r".*(?:平台|中心|单位|系统)", "", project.value))
        if subject and subject[1] not in title.value:
            yield Finding(
                project.clause,
                "title_vs_project",
                _INFO,
                Text(
                    f"合同名称《{title.value}》与所定义的本项目“{project.value}”所指服务名称不同。",
                    f"The title 《{title.value}》 and the defined project “{project.value}” name different services.",
                ),
                {"title": title.value, "project": project.value},
                project.quote,
            )
