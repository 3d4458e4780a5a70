"""Word's automatic numbers: they are part of what a reader sees, yet not of a paragraph's text."""

from __future__ import annotations

from typing import Any

import cn2an
from docx.oxml.ns import qn

_CHINESE = {
    "chineseCounting",
    "chineseCountingThousand",
    "taiwaneseCounting",
    "taiwaneseCountingThousand",
    "japaneseCounting",
    "ideographDigital",
}


class Numbering:
    """Counts list paragraphs in order; `label` must be called once for every paragraph of the paper."""

    def __init__(self, paper: Any) -> None:
        self._levels: dict[str, dict[int, tuple[str, str, int]]] = {}
        self._abstract: dict[str, str] = {}
        self._counters: dict[str, dict[int, int]] = {}
        self._styles: dict[str, tuple[str, int]] = {}
        try:
            root = paper.part.numbering_part.element
        except (KeyError, NotImplementedError, AttributeError):
            return
        for abstract in root.findall(qn("w:abstractNum")):
            levels = {}
            for level in abstract.findall(qn("w:lvl")):
                levels[int(level.get(qn("w:ilvl")))] = (
                    _value(level, "w:numFmt", "decimal"),
                    _value(level, "w:lvlText", ""),
                    int(_value(level, "w:start", "1")),
                )
            self._levels[abstract.get(qn("w:abstractNumId"))] = levels
        for number in root.findall(qn("w:num")):
            self._abstract[number.get(qn("w:numId"))] = _value(number, "w:abstractNumId", "")
        for style in paper.styles.element.findall(qn("w:style")):
            properties = style.find(qn("w:pPr"))
            found = _reference(properties) if properties is not None else None
            if found:
                self._styles[style.get(qn("w:styleId"))] = found

    def label(self, paragraph: Any) -> str:
        """The number that Word prints before this paragraph, with one blank after it; "" for none."""
        properties = paragraph.find(qn("w:pPr"))
        if properties is None:
            return ""
        reference = _reference(properties)
        if reference is None:
            reference = self._styles.get(_value(properties, "w:pStyle", ""))
        if reference is None or reference[0] == "0":
            return ""
        abstract = self._abstract.get(reference[0], "")
        levels, depth = self._levels.get(abstract, {}), reference[1]
        if depth not in levels:
            return ""
        counters = self._counters.setdefault(abstract, {})
        counters[depth] = counters.get(depth, levels[depth][2] - 1) + 1
        for deeper in [d for d in counters if d > depth]:
            del counters[deeper]
        text = levels[depth][1]
        for level, (style, _, start) in levels.items():
            text = text.replace(f"%{level + 1}", _written(counters.get(level, start), style))
        return text + " " if levels[depth][0] not in ("bullet", "none") else ""


def _value(element: Any, tag: str, default: str) -> str:
    child = element.find(qn(tag))
    return default if child is None else child.get(qn("w:val"), default)


def _reference(properties: Any) -> tuple[str, int] | None:
    numbering = properties.find(qn("w:numPr"))
    if numbering is None:
        return None
    number = _value(numbering, "w:numId", "")
    return (number, int(_value(numbering, "w:ilvl", "0"))) if number else None


def _written(number: int, style: str) -> str:
    if style in _CHINESE:
        return cn2an.an2cn(number).removeprefix("一") if 10 <= number < 20 else cn2an.an2cn(number)
    if style.startswith("decimalEnclosedCircle") and 1 <= number <= 20:
        return chr(0x2460 + number - 1)
    if style in ("upperLetter", "lowerLetter") and 1 <= number <= 26:
        return chr((ord("A") if style == "upperLetter" else ord("a")) + number - 1)
    return str(number)
