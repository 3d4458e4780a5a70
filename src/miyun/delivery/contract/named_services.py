"""Services that the text names without a price list: in a clause about what is to be delivered, in a row of words or
line by line. Only names that fit one of our offerings count; quantity and price stay unknown, which the text leaves
them."""

from __future__ import annotations

import re

from miyun.delivery.contract.clauses import Clause, ClauseTree
from miyun.delivery.contract.mapping import offering_of
from miyun.delivery.contract.model import ServiceLine

_ABOUT = re.compile(r"服务(?:内容|范围|项目|清单|目录)|采购(?:内容|范围|项目|标的)|项目(?:内容|范围)|建设内容|标的")
_SEPARATORS = re.compile(r"[、，,；;。\n]")
_AND = re.compile(r"以及|和|及")
_LEAD = re.compile(r"^.*?[：:]|^.*?(?:包括|包含|下列服务|如下服务|以下服务)")
_NUMBER = re.compile(r"^\s*[（(]?\s*(?:\d{1,3}|[一二三四五六七八九十]{1,3})\s*[）).．、]\s*")
_LONGEST = 24  # characters of a name; what is longer is a sentence
_CONFIDENCE = 0.7
_FEWEST = 2  # one name alone may stand in any sentence


def read_named_services(tree: ClauseTree) -> tuple[ServiceLine, ...]:
    """In order of the text, each offering once; nothing when fewer than two names are found."""
    for top in tree.tops(""):
        if not _ABOUT.search(top.title) and not any(_ABOUT.search(clause.title) for clause in top.family()):
            continue
        found: dict[str, tuple[str, Clause, str]] = {}
        for clause in top.family():
            for paragraph in clause.paragraphs:
                for name in _names(paragraph):
                    slug, _ = offering_of(name)
                    if slug is not None:
                        found.setdefault(slug, (name, clause, paragraph))
        if len(found) >= _FEWEST:
            return tuple(
                _line(number, slug, name, clause, paragraph)
                for number, (slug, (name, clause, paragraph)) in enumerate(found.items(), 1)
            )
    return ()


def _names(paragraph: str) -> list[str]:
    text = _LEAD.sub("", paragraph, count=1) if _LEAD.match(paragraph) else paragraph
    pieces = [_NUMBER.sub("", piece).strip(' \t“”"《》（）()') for piece in _SEPARATORS.split(text)]
    return [name for piece in pieces for name in _apart(piece) if 2 <= len(name) <= _LONGEST]


def _apart(piece: str) -> list[str]:
    """ "签名验签和时间戳" names two services, "内容加速及视频加速" one."""
    halves = _AND.split(piece, maxsplit=1)
    if len(halves) == 2:
        first, second = (offering_of(half)[0] for half in halves)
        if first and second and first != second:
            return halves
    return [piece]


def _line(number: int, slug: str, name: str, clause: Clause, paragraph: str) -> ServiceLine:
    return ServiceLine(
        number=str(number),
        name=name,
        description="",
        unit_price=None,
        unit="",
        quantity=None,
        amount=None,
        remark="",
        clause=clause.label,
        quote=paragraph,
        confidence=_CONFIDENCE,
        offering=slug,
        offering_confidence=_CONFIDENCE,
    )
