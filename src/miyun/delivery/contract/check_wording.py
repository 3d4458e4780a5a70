"""Words that allow two readings, clauses at odds with each other, and slips of the pen."""

# ruff: noqa: E501  (patterns and sentences stay whole; a Chinese character counts two columns)

from __future__ import annotations

import re
from collections.abc import Iterator

from miyun.core.i18n import Text
from miyun.delivery.contract.clauses import Clause, ClauseTree
from miyun.delivery.contract.finding import Finding, Severity

_WARNING, _INFO = Severity.WARNING, Severity.INFO
_ARRIVE_OR_SOLVE = re.compile(
    r"[\d一二两三四五六七八九十]*\s*个?小时(?:之?内|以内)?[^，。；]{0,6}(?:到达|抵达|赶到)[^，。；]{0,6}现场\s*(?:解决|处理|修复)"
)
_PROPOSE_ONLY = re.compile(
    r"小时[^，。；]{0,4}热线[^。]*小时(?:之?内|以内)[^，。；]{0,4}(?:提出|提供)[^，。；]{0,6}方案"
)
_SLIPS = (
    (re.compile(r"表明[“\"](?:专有|保密|机密)"), "表明", "标明"),
    (re.compile(r"(?<=[^。])。。"), "。。", "。"),
    (re.compile(r"签定"), "签定", "签订"),
    (re.compile(r"帐[户号]"), "帐", "账"),
)


def check_wording(tree: ClauseTree) -> Iterator[Finding]:
    """Findings about the words; never an error."""
    for clause in tree.clauses:
        text = clause.text
        yield from _duties(clause, text)
        yield from _slips(clause)
        if re.search(r"终止[^。]{0,12}合同", text) and "中止" in text:
            yield Finding(
                clause.label,
                "wording_mixed",
                _INFO,
                Text(
                    "同一条中“终止”与“中止”混用，二者法律后果不同。",
                    "'终止' (terminate) and '中止' (suspend) are mixed in one clause; their effects differ.",
                ),
                {"words": "终止 中止"},
                clause.paragraphs[-1] if clause.paragraphs else "",
            )
    yield from _confidentiality(tree)
    yield from _boundary(tree)


def _duties(clause: Clause, text: str) -> Iterator[Finding]:
    match = _ARRIVE_OR_SOLVE.search(text)
    if match:
        yield Finding(
            clause.label,
            "duty_ambiguous",
            _WARNING,
            Text(
                f"“{match.group()}”：时限约束的是到达现场，还是解决问题，不明确。",
                f"“{match.group()}”: it is unclear whether the limit is on arrival or on the solution.",
            ),
            {"words": match.group()},
            text,
        )
    match = _PROPOSE_ONLY.search(text)
    if match:
        yield Finding(
            clause.label,
            "duty_ambiguous",
            _INFO,
            Text(
                "同一句中的“24小时”既指热线时段，又指提出方案的时限；未约定解决问题的时限。",
                "Hours stand for the hotline's opening as well as for the time to propose a solution; no time to solve "
                "is fixed.",
            )
            if "24" in match.group()
            else Text("只约定提出方案的时限，未约定解决问题的时限。", "A time to propose is fixed, none to solve."),
            {"words": match.group()},
            text,
        )


def _slips(clause: Clause) -> Iterator[Finding]:
    for paragraph in clause.paragraphs:
        for pattern, wrong, right in _SLIPS:
            if pattern.search(paragraph):
                yield Finding(
                    clause.label,
                    "typo",
                    _INFO,
                    Text(f"疑为笔误：“{wrong}”，应为“{right}”。", f"Probably a slip: “{wrong}” for “{right}”."),
                    {"written": wrong, "meant": right},
                    paragraph,
                )
        if "后续条款顺延" in paragraph:
            yield Finding(
                clause.label,
                "wording_unclear",
                _INFO,
                Text(
                    "“后续条款顺延”含义不明，疑为编辑时误留。",
                    "“后续条款顺延” has no clear meaning here; probably left over.",
                ),
                {"written": "后续条款顺延"},
                paragraph,
            )
        for opening, closing in (("“", "”"), ("《", "》"), ("（", "）")):
            opened, closed = paragraph.count(opening), paragraph.count(closing)
            if opening == "（":
                opened += paragraph.count("(")
                closed += paragraph.count(")")
                closed -= len(re.findall(r"(?:^|\s)(?:\d{1,2}|[a-zA-Z])[)）]", paragraph))
            if opened != closed:
                extra = closing if closed > opened else opening
                yield Finding(
                    clause.label,
                    "typo_quote",
                    _INFO,
                    Text(f"符号不成对：多出或缺少“{extra}”的另一半。", f"An unpaired mark: {extra}"),
                    {"mark": extra},
                    paragraph,
                )


def _confidentiality(tree: ClauseTree) -> Iterator[Finding]:
    """Information past its term of secrecy is let go, while the duty has no end."""
    ended = [c for c in tree.clauses if re.search(r"(?:超过|届满)[^。；]{0,4}保密期(?:限)?", c.text)]
    endless = [c for c in tree.clauses if re.search(r"保密[^。；]{0,8}(?:长期有效|永久有效|无期限|无限期)", c.text)]
    if ended and endless:
        clause, other = ended[0], endless[0]
        yield Finding(
            clause.label,
            "confidentiality_term",
            _WARNING,
            Text(
                f"本条排除“已经超过保密期限的信息”，而 {other.label} 约定保密责任长期有效，没有期限。",
                f"This clause leaves out information past its term of secrecy, but by {other.label} the duty has no end.",
            ),
            {"other_clause": other.label},
            clause.text,
        )


def _boundary(tree: ClauseTree) -> Iterator[Finding]:
    client = [
        c for c in tree.clauses if re.search(r"(?:甲方|采购人)承担[^。；]{0,40}数据[^。；]{0,16}安全责任", c.text)
    ]
    supplier = [
        c for c in tree.clauses if re.search(r"(?:乙方|供应商)承担[^。；]{0,60}数据[^。；]{0,10}安全责任", c.text)
    ]
    if client and supplier:
        yield Finding(
            supplier[0].label,
            "security_boundary",
            _WARNING,
            Text(
                f"{client[0].label} 把数据的安全责任归甲方，本条又把“数据防篡改”归乙方，界线未划清。"
                if "数据防篡改" in supplier[0].text
                else f"{client[0].label} 与本条都约定了数据的安全责任，界线未划清。",
                f"{client[0].label} makes the client answer for data security, this clause makes the supplier answer for "
                "part of it; the boundary is not drawn.",
            ),
            {"other_clause": client[0].label},
            supplier[0].text,
        )
