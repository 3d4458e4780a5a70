"""The clause tree: which lines belong to which numbered clause, in the contract's own notation.

Known numberings: 第一章, 第一条, 一、, （一）, 1. / 1、, 1.1, （1） / 1）, ①, A. — in any nesting, full or half
width. A label joins the numbers from the top: "(四)2(3)", "第八条 2", "5.2.1", "附件一-5" (a row of a table), "附件二 第一条 2".
"""

# ruff: noqa: E501  (patterns and sentences stay whole; a Chinese character counts two columns)

from __future__ import annotations

import re
from dataclasses import dataclass, field

from miyun.delivery.contract.amounts import chinese_integer
from miyun.delivery.contract.document import Document, Line
from miyun.delivery.contract.text import close_gaps, columns, half_width

PREAMBLE = "首部"
SIGNATURE = "签署页"
WHOLE = "全文"

_CN = "一二三四五六七八九十百零〇"
_BULLET = re.compile(r"^\s*[-•·●➤►◆■□*–—]\s+")
_BODY_AFTER_ARTICLE = "的规定所约第款项中之及和与、至或内列述"
_MARKERS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("annex", re.compile(rf"^(附\s*件\s*([{_CN}\d]+))\s*(?=[：:《（(、.\s]|$|[^\d{_CN}所中的第])")),
    ("chapter", re.compile(rf"^(第\s*([{_CN}\d]+)\s*[章篇部节])(?=[\s：:、.]|$|[^{_BODY_AFTER_ARTICLE}])[\s：:、.]*")),
    ("article", re.compile(rf"^(第\s*([{_CN}\d]+)\s*条)(?=[\s：:、.]|$|[^{_BODY_AFTER_ARTICLE}])[\s：:、.]*")),
    ("paren_cn", re.compile(rf"^(\(([{_CN}]+)\))[\s、.]*")),
    ("cn", re.compile(rf"^(([{_CN}]+)[、.])\s*")),
    ("dotted", re.compile(r"^((\d{1,2}(?:\.\d{1,2}){1,4}))\.?(?=\s|[^\d.\s%万亿元年月日小个天时分秒倍\-/~、,，])\s*")),
    ("dec", re.compile(r"^((\d{1,2})(?:[、]|\.(?!\d)))\s*")),
    ("paren_dec", re.compile(r"^(\(\s*(\d{1,2})\s*\))[\s、.]*")),
    ("paren_dec", re.compile(r"^((\d{1,2})\))[\s、.]*")),
    ("circled", re.compile(r"^(([①-⑳]))\s*")),
    ("alpha", re.compile(r"^(\(?([A-Za-z])(?:\)|[.、](?!\w)))\s*")),
)
_BARE = re.compile(r"^((\d{1,2}))\s+(?=[\u4e00-\u9fff]{2,16}\s*$)")
_SIGNATURE_LINE = re.compile(r"签字盖章页|签署页|以下无正文|此页无正文|本页无正文|\(无正文\)|^\W*无正文\W*$")
_SEAL = re.compile(r"\(?\s*(?:盖\s*章|公\s*章|签\s*章|签\s*字)\s*[)：:]?")
_ANNEX_INTRO = re.compile(r"附件|组成部分|下列文件|清单|目录")
_SENTENCE_END = "。；：！？;:.!?…）)」”】》、，,"


@dataclass(slots=True)
class Clause:
    """One numbered clause; `lines` are its own (heading first), without those of its children."""

    label: str
    kind: str
    ordinal: int
    title: str
    scope: str
    depth: int
    parent: Clause | None
    lines: list[Line] = field(default_factory=list)
    children: list[Clause] = field(default_factory=list)

    @property
    def paragraphs(self) -> list[str]:
        """Own text, with lines that were broken by the page put together."""
        return _join(self.lines)

    @property
    def text(self) -> str:
        return "\n".join(self.paragraphs)

    @property
    def titles(self) -> tuple[str, ...]:
        """Headings from the top down to this one."""
        above = self.parent.titles if self.parent else ()
        return (*above, self.title) if self.title else above

    def family(self) -> list[Clause]:
        """This clause and everything below it, in order."""
        found = [self]
        for child in self.children:
            found.extend(child.family())
        return found

    @property
    def whole_text(self) -> str:
        return "\n".join(clause.text for clause in self.family())

    @property
    def top(self) -> Clause:
        clause = self
        while clause.parent is not None and clause.parent.kind not in ("root", "annex"):
            clause = clause.parent
        return clause


@dataclass(frozen=True, slots=True)
class ClauseTree:
    """`clauses` in order of the text: the preamble first; scope "" is the body, else "附件一" ..."""

    clauses: tuple[Clause, ...]
    by_line: dict[int, Clause]

    def label(self, line_number: int) -> str:
        clause = self.by_line.get(line_number)
        return clause.label if clause else PREAMBLE

    def scope(self, scope: str) -> list[Clause]:
        return [c for c in self.clauses if c.scope == scope]

    def tops(self, scope: str) -> list[Clause]:
        """The uppermost numbered clauses of the body ("") or of an annex; chapters only if nothing else is there."""
        inside = [c for c in self.scope(scope) if c.kind not in ("root", "annex", "signature")]
        rest = [c for c in inside if c.kind != "chapter"]
        tops = [c for c in rest if c.parent is None or c.parent.kind in ("root", "annex", "chapter")]
        return tops or inside

    def annexes(self) -> list[Clause]:
        return [c for c in self.clauses if c.kind == "annex"]


def build(document: Document) -> ClauseTree:
    """Read the numbering of the whole document."""
    return _Builder(document).run()


@dataclass(frozen=True, slots=True)
class _Marker:
    kind: str
    written: str
    ordinal: int
    path: str
    rest: str


def marker(text: str) -> _Marker | None:
    """The number at the head of a line, or None."""
    plain = half_width(_BULLET.sub("", text)).strip()
    for kind, pattern in _MARKERS:
        match = pattern.match(plain)
        if match is None:
            continue
        written, number = re.sub(r"\s", "", match[1]), match[2]
        if kind == "dotted":
            ordinal: int | None = int(number.rpartition(".")[2])
        elif kind == "circled":
            ordinal = ord(number) - 0x2460 + 1
        elif kind == "alpha":
            ordinal = ord(number.upper()) - ord("A") + 1
        else:
            ordinal = chinese_integer(number)
        if ordinal is None or not 0 < ordinal < 200:
            continue
        return _Marker(kind, written, ordinal, number, plain[match.end() :].strip())
    return None


class _Builder:
    def __init__(self, document: Document) -> None:
        self.lines = document.lines
        self.root = Clause(PREAMBLE, "root", 0, "", "", 0, None)
        self.clauses = [self.root]
        self.stack: list[Clause] = [self.root]
        self.by_line: dict[int, Clause] = {}
        self.bare_numbers = any(
            (found := marker(line.text)) is not None and found.kind == "dotted" for line in self.lines
        )
        self.annex_lines = self._annex_headings()

    def run(self) -> ClauseTree:
        for index, line in enumerate(self.lines):
            if line.cells is None and line.text.strip():
                self._place(index, line)
            current = self.stack[-1]
            current.lines.append(line)
            self.by_line[line.number] = current
        return ClauseTree(tuple(self.clauses), self.by_line)

    def _place(self, index: int, line: Line) -> None:
        found = marker(line.text)
        in_signature = self.stack[-1].kind == "signature"
        if found is None and self.bare_numbers:
            match = _BARE.match(half_width(line.text).strip())
            if match and self._next_bare(int(match[2])):
                found = _Marker("dec", match[1], int(match[2]), match[2], half_width(line.text).strip()[match.end() :])
        if found is not None and found.kind == "annex":
            if index in self.annex_lines:
                self._open_annex(found)
            return
        if self._begins_signature(index, line):
            self.stack = [c for c in self.stack if c.kind in ("root", "annex")]
            scope = self.stack[-1].scope
            label = f"{scope} {SIGNATURE}".strip()
            self._push(Clause(label, "signature", 0, "", scope, len(self.stack), self.stack[-1]))
            return
        if found is None or (in_signature and found.kind not in ("article", "chapter", "paren_cn", "cn")):
            return
        if found.kind == "cn" and found.written.endswith(".") and len(found.rest) == 0:
            return
        self._open(found)

    def _open(self, found: _Marker) -> None:
        kind, depth_key = found.kind, found.kind
        if kind == "dotted":
            depth_key = f"dotted{found.path.count('.')}"
        at = self._level(depth_key, found)
        del self.stack[at:]
        parent = self.stack[-1]
        clause = Clause("", depth_key, found.ordinal, _title(found.rest), parent.scope, len(self.stack), parent)
        clause.label = self._label(parent, found)
        parent.children.append(clause)
        self._push(clause, attach=False)

    def _level(self, kind: str, found: _Marker) -> int:
        """Index in the stack at which this clause stands; everything from there on is closed."""
        base = max(i for i, c in enumerate(self.stack) if c.kind in ("root", "annex"))
        same = [i for i in range(len(self.stack) - 1, base, -1) if self.stack[i].kind == kind]
        if kind.startswith("dotted"):
            return self._dotted_level(base, found, same)
        if kind == "chapter":
            return same[0] if same else base + 1
        if kind == "article":
            chapter = [i for i in range(base + 1, len(self.stack)) if self.stack[i].kind == "chapter"]
            return same[0] if same else (chapter[-1] + 1 if chapter else base + 1)
        for i in same:
            if self.stack[i].ordinal + 1 == found.ordinal:
                return i
        if not same or (found.ordinal == 1 and same[0] < len(self.stack) - 1):
            if self.stack[-1].kind == "signature":
                return base + 1
            return len(self.stack)
        return same[0]

    def _dotted_level(self, base: int, found: _Marker, same: list[int]) -> int:
        """1.2.3 stands below 1.2 or, if that has no heading of its own, below 1."""
        parts = [int(p) for p in found.path.split(".")]
        for length in range(len(parts) - 1, 0, -1):
            for i in range(len(self.stack) - 1, base, -1):
                clause = self.stack[i]
                own = clause.kind == f"dotted{length - 1}" if length > 1 else clause.kind in ("dec", "article", "cn")
                if own and clause.ordinal == parts[length - 1]:
                    return i + 1
        return same[0] if same else len(self.stack)

    @staticmethod
    def _label(parent: Clause, found: _Marker) -> str:
        if found.kind == "dotted":
            base, first = parent, int(found.path.partition(".")[0])
            while base.parent is not None and base.kind.startswith("dotted"):
                base = base.parent
            # 5.2 below "5." or "第五条" repeats that number; below "第四条 1." it does not repeat 第四条.
            if base.parent is not None and base.kind in ("dec", "article", "cn") and base.ordinal == first:
                base = base.parent
            return _glue(_stem(base), found.path)
        written = found.written
        if found.kind in ("cn", "dec"):
            written = written.rstrip("、.")
        elif found.kind == "paren_dec":
            written = f"({found.ordinal})"
        elif found.kind == "alpha":
            written = found.path
        stem = _stem(parent)
        if found.kind == "article" and parent.kind == "chapter":
            assert parent.parent is not None
            stem = _stem(parent.parent)
        return _glue(stem, written)

    def _open_annex(self, found: _Marker) -> None:
        self.stack = [self.root]
        label = re.sub(r"\s", "", found.written)
        title = found.rest.strip("《》：:、. 　()")
        self._push(Clause(label, "annex", found.ordinal, title, label, 1, None))

    def _push(self, clause: Clause, attach: bool = True) -> None:
        if attach and clause.parent is not None:
            clause.parent.children.append(clause)
        self.stack.append(clause)
        self.clauses.append(clause)

    def _next_bare(self, number: int) -> bool:
        last = next((c.ordinal for c in reversed(self.stack) if c.kind == "dec"), 0)
        return number == last + 1

    def _begins_signature(self, index: int, line: Line) -> bool:
        text = re.sub(r"^([甲买需])\s+方", r"\1方", half_width(line.text).strip())
        if self.stack[-1].kind == "signature":
            return False
        if _SIGNATURE_LINE.search(text) and len(text) < 120:
            return True
        if re.match(r"(?:甲方|采购人|买方|采购方|委托方|发包人|需方)", text) is None or len(text) > 80:
            return False
        near = [half_width(follow.text) for follow in self.lines[index : index + 3]]
        return any(_SEAL.search(follow) and len(follow.strip()) < 80 and "。" not in follow for follow in near)

    def _annex_headings(self) -> set[int]:
        """Indices of lines that open an annex, as against those that only list it."""
        standing: list[tuple[int, str, str]] = []
        for index, line in enumerate(self.lines):
            found = marker(line.text) if line.cells is None else None
            if found is not None and found.kind == "annex" and len(line.text.strip()) <= 60:
                standing.append((index, re.sub(r"\s", "", found.written), found.rest))
        headings = set()
        for place, (index, name, rest) in enumerate(standing):
            later = any(other == name for _, other, _ in standing[place + 1 :])
            if later or rest.endswith(("；", ";", "，", "。")):
                continue
            following = self._next_text(index)
            before = self._previous_text(index)
            neighbours = [t for t in (following, before) if t and (m := marker(t)) and m.kind == "annex"]
            listed = bool(before and _ANNEX_INTRO.search(before) and before.rstrip().endswith(("：", ":")))
            if following and not neighbours and not listed and not self._ends_here(following):
                headings.add(index)
        return headings

    @staticmethod
    def _ends_here(following: str) -> bool:
        """After a list of annexes comes the signature block; after an annex's heading comes its text."""
        return _SIGNATURE_LINE.search(half_width(following)) is not None

    def _next_text(self, index: int) -> str:
        return next((line.text.strip() for line in self.lines[index + 1 :] if line.text.strip()), "")

    def _previous_text(self, index: int) -> str:
        return next((line.text.strip() for line in reversed(self.lines[:index]) if line.text.strip()), "")


def _stem(clause: Clause) -> str:
    return "" if clause.kind in ("root", "signature") else clause.label


def _glue(stem: str, written: str) -> str:
    if not stem:
        return written
    if stem.startswith("附件") and " " not in stem:
        return f"{stem} {written}"
    loose = stem[-1] in "条章节" or (stem[-1].isdigit() and written[0].isdigit())
    return f"{stem} {written}" if loose else stem + written


def _title(rest: str) -> str:
    """The heading's words when the line is a heading, not a sentence."""
    head = close_gaps(rest).strip()
    head = re.split(r"[：:]", head, maxsplit=1)[0].strip() if re.match(r"[^。；，]{1,20}[：:]", head) else head
    return head if 0 < len(head) <= 30 and not re.search(r"[。；，,;]", head) else ""


def _join(lines: list[Line]) -> list[str]:
    """Paragraphs: a long line without a closing mark goes on in the next, even over one blank line."""
    paragraphs: list[str] = []
    open_width, blanks = 0, 0
    for line in lines:
        text = line.text.strip()
        if line.cells is not None:
            continue
        if not text:
            blanks += 1
            continue
        goes_on = open_width >= 56 and blanks <= 1 and not _BULLET.match(line.text) and len(paragraphs[-1]) < 2000
        if goes_on and paragraphs:
            paragraphs[-1] += ("" if ord(paragraphs[-1][-1]) > 127 or ord(text[0]) > 127 else " ") + text
        else:
            paragraphs.append(text)
        open_width = columns(text) if text[-1] not in _SENTENCE_END else 0
        blanks = 0
    return [close_gaps(p) for p in paragraphs]
