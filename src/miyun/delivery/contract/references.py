"""References from clause to clause: does the cited clause exist, and does it speak of what it is cited for?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from miyun.core.i18n import Text
from miyun.delivery.contract.amounts import chinese_integer
from miyun.delivery.contract.clauses import Clause, ClauseTree
from miyun.delivery.contract.finding import Finding, Severity
from miyun.delivery.contract.text import half_width

_N = r"[一二三四五六七八九十]{1,3}|\d{1,2}"
_ITEM = rf"(?:\s*第?\s*\(?\s*(?P<para>{_N})\s*\)?\s*[款项点])?"
_ARTICLE = re.compile(rf"第\s*\(?\s*(?P<article>{_N})\s*\)?\s*条{_ITEM}")
_SAME = re.compile(rf"本条\s*第?\s*\(?\s*(?P<para>{_N})\s*\)?\s*[款项点]")
_PAREN = re.compile(r"本(?:合同|协议)\s*第?\s*\((?P<article>[一二三四五六七八九十]{1,3})\)\s*(?:条|款|项|部分)?")
_DOTTED = re.compile(r"(?:第|本(?:合同|协议))\s*(?P<path>\d{1,2}(?:\.\d{1,2}){1,3})\s*[条款项]")
_OTHER_PAPER = re.compile(
    r"(?:》|法|法典|条例|办法|规定|规则|意见|准则|主合同|原合同|招标文件|投标文件)\s*(?:\([^)]*\))?\s*(?:之|的|中)?\s*(?:第[^，。；第]{1,6}[章节编篇部]分?\s*)?$"
)
_PURPOSES = (
    (re.compile(r"^[^，。；]{0,20}?解除"), "解除", "rescission"),
    (re.compile(r"^[^，。；]{0,8}?违约金"), "违约", "penalty for breach"),
    (re.compile(r"^[^，。；]{0,8}?保密"), "保密", "confidentiality"),
    (re.compile(r"^[^，。；]{0,8}?验收"), "验收", "acceptance"),
)


def check_references(tree: ClauseTree) -> Iterator[Finding]:
    """Broken references are errors; a cited clause that does not speak of the matter is a warning."""
    tops = {scope: {c.ordinal: c for c in tree.tops(scope)} for scope in {c.scope for c in tree.clauses}}
    for clause in tree.clauses:
        for index, paragraph in enumerate(clause.paragraphs):
            plain = half_width(paragraph)
            for match, target, written in _cited(plain, clause, tree, tops[clause.scope], heading=index == 0):
                yield from _judge(clause, paragraph, plain, match, target, written, tree)


def _cited(
    plain: str, clause: Clause, tree: ClauseTree, tops: dict[int, Clause], *, heading: bool
) -> Iterator[tuple[re.Match[str], Clause | None, str]]:
    if len(tops) < 3:
        return
    for match in _ARTICLE.finditer(plain):
        own_heading = heading and match.start() == 0
        if (
            own_heading
            or _OTHER_PAPER.search(plain[: match.start()])
            or re.search(r"[上下前后]\s*$", plain[: match.start()])
        ):
            continue
        number = chinese_integer(match["article"])
        # Only counting from the top is meant by 第N条; with lettered or bracketed tops the words still count them.
        target = tops.get(number or 0)
        if target is not None and match["para"]:
            target = _child(target, match["para"])
        yield match, target, match.group()
    for match in _SAME.finditer(plain):
        if clause.kind in ("root", "annex", "signature"):
            continue
        yield match, _child(clause.top, match["para"]), match.group()
    if next(iter(tops.values())).kind == "paren_cn":
        for match in _PAREN.finditer(plain):
            yield match, tops.get(chinese_integer(match["article"]) or 0), match.group()
    if any(c.kind.startswith("dotted") for c in tree.scope(clause.scope)):
        for match in _DOTTED.finditer(plain):
            wanted = match["path"]
            found = next((c for c in tree.scope(clause.scope) if c.label.split(" ")[-1] == wanted), None)
            yield match, found, match.group()


def _child(top: Clause, numeral: str) -> Clause | None:
    """第N款: the N-th numbered child, or the N-th paragraph of a clause without numbered children."""
    number = chinese_integer(numeral)
    children = [c for c in top.children if c.parent is top]
    if children:
        found = next((c for c in children if c.ordinal == number), None)
        # 第一款 may also mean the sentence that introduces the numbered items.
        return found or (top if number == 1 and children[0].kind in ("paren_dec", "paren_cn", "circled") else None)
    own = top.paragraphs[1 if top.title else 0 :]
    return top if number is not None and number <= max(len(own), 1) else None


def _judge(
    clause: Clause,
    paragraph: str,
    plain: str,
    match: re.Match[str],
    target: Clause | None,
    written: str,
    tree: ClauseTree,
) -> Iterator[Finding]:
    if target is None:
        yield Finding(
            clause.label,
            "reference_broken",
            Severity.ERROR,
            Text(f"引用的“{written}”不存在。", f"The cited '{written}' does not exist."),
            {"reference": written},
            paragraph,
        )
        return
    after = plain[match.end() :]
    for pattern, word, english in _PURPOSES:
        if not pattern.search(after) or word in target.whole_text or clause in target.family():
            continue
        better = [
            c.label
            for c in clause.top.family()
            if c is not clause and c is not target and not c.title and word in c.text
        ]
        yield Finding(
            clause.label,
            "reference_doubtful",
            Severity.WARNING,
            Text(
                f"“{written}”即 {target.label}，其中并无“{word}”的内容"
                + (f"；有关内容在 {'、'.join(better[:3])}。" if better else "。"),
                f"'{written}' is {target.label}, which says nothing of {english}"
                + (f"; that is in {', '.join(better[:3])}." if better else "."),
            ),
            {"reference": written, "target": target.label, "candidates": " ".join(better[:3])},
            paragraph,
        )
        return
