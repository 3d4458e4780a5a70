"""Tables inside plain text: by tabs, by bars, by aligned blanks; cells broken over lines are put together again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from miyun.delivery.contract.text import columns

_BAR = re.compile(r"[|│┃｜┊]")
_RULE = re.compile(r"^[\s|│┃｜┊+\-—–_=:：─━═┄┈┌┐└┘├┤┬┴┼╔╗╚╝╠╣╦╩╬]+$")
_NEW_PART = re.compile(
    r"^\s*(?:附件|第[一二三四五六七八九十百\d]+[条章节]|[（(][一二三四五六七八九十]+[）)]|[一二三四五六七八九十]+、)"
)
_NAME = re.compile(r"名称|项目|服务内容|产品|品名|Service|Item", re.I)
_NUMBERS = re.compile(r"单价|数量|金额|小计|总价|合价|价格|Price|Qty|Quantity|Amount", re.I)
_TOTAL = re.compile(r"^\s*(?:合\s*计|总\s*计|总\s*价|共\s*计)")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells with the file's line number of each; the first row is the header if `is_header` says so."""

    first_line: int
    rows: tuple[tuple[str, ...], ...]
    line_numbers: tuple[int, ...]


def is_header(cells: Sequence[str]) -> bool:
    """Whether these cells head a price list: a name and at least one of price, quantity, amount."""
    short = [re.sub(r"\s", "", c) for c in cells]
    return (
        len(cells) >= 3
        and any(_NAME.search(c) for c in short)
        and sum(bool(_NUMBERS.search(c)) for c in short) >= 1
        and all(len(c) <= 24 for c in short)
    )


def fold(lines: Sequence[str]) -> Iterator[str | tuple[str, ...]]:
    """Yield each plain line, and each table row as a tuple of cells."""
    index = 0
    while index < len(lines):
        line = lines[index]
        for recognise in (_by_tabs, _by_bars, _by_blanks):
            result = recognise(lines, index)
            if result is not None:
                rows, index = result
                yield from rows
                break
        else:
            yield line
            index += 1


def collect(rows: Iterable[tuple[int, tuple[str, ...] | None]]) -> tuple[Table, ...]:
    """Group consecutive rows into tables; a second header begins a new table."""
    found: list[Table] = []
    current: list[tuple[int, tuple[str, ...]]] = []

    def close() -> None:
        if current:
            found.append(Table(current[0][0], tuple(c for _, c in current), tuple(n for n, _ in current)))
            current.clear()

    for number, cells in rows:
        if cells is None:
            close()
            continue
        if current and is_header(cells):
            close()
        current.append((number, cells))
    close()
    return tuple(found)


_Found = tuple[list[tuple[str, ...]], int]


def _by_tabs(lines: Sequence[str], index: int) -> _Found | None:
    header = lines[index].split("\t")
    if len(header) < 3 or sum(bool(c.strip()) for c in header) < 3:
        return None
    width = len(header)
    rows: list[list[str]] = [[c.strip() for c in header]]
    index += 1
    while index < len(lines):
        line = lines[index]
        parts = line.split("\t")
        last = rows[-1]
        if not line.strip() or (len(parts) == 1 and _NEW_PART.match(line)):
            break
        open_row = len(rows) > 1 and len(last) < width
        if len(parts) == 1 and not open_row:
            # A full row above and no tab here: more of its last cell, if the table goes on below.
            if len(rows) == 1 or not any("\t" in later for later in lines[index + 1 : index + 4]):
                break
            last[-1] += "\n" + line.strip()
        elif open_row and not _TOTAL.match(line) and len(last) + len(parts) - 1 <= width:
            last[-1] = (last[-1] + "\n" + parts[0].strip()).strip()
            last.extend(p.strip() for p in parts[1:])
        else:
            rows.append([p.strip() for p in parts])
        index += 1
    return [tuple(row) for row in rows], index


def _by_bars(lines: Sequence[str], index: int) -> _Found | None:
    if len(_BAR.findall(lines[index])) < 2 or _RULE.match(lines[index]):
        if not (_RULE.match(lines[index]) and lines[index].strip() and index + 1 < len(lines)):
            return None
        if len(_BAR.findall(lines[index + 1])) < 2 or _RULE.match(lines[index + 1]):
            return None
    rows: list[list[str]] = []
    ruled = False
    while index < len(lines):
        line = lines[index].strip()
        if line and _RULE.match(line):
            ruled = True
            index += 1
            continue
        if len(_BAR.findall(line)) < 2:
            break
        cells = [c.strip() for c in _BAR.split(line)]
        cells = cells[1 if not cells[0] else 0 : -1 if not cells[-1] else None]
        # Without a rule in between, a row whose first cell is blank carries on the cells above it.
        if rows and not ruled and cells and not cells[0] and len(cells) == len(rows[-1]) and any(cells):
            rows[-1] = [(old + "\n" + new).strip() for old, new in zip(rows[-1], cells, strict=True)]
        else:
            rows.append(cells)
        ruled = False
        index += 1
    return ([tuple(row) for row in rows], index) if len(rows) >= 2 else None


@dataclass(slots=True)
class _Piece:
    text: str
    start: int
    end: int


def _pieces(line: str) -> list[_Piece]:
    found = []
    for match in re.finditer(r"\S+(?:\s\S+)*", line.replace("\u3000", "  ")):
        start = columns(line[: match.start()])
        found.append(_Piece(match.group(), start, start + columns(match.group())))
    return found


def _by_blanks(lines: Sequence[str], index: int) -> _Found | None:
    """A header whose words stand two or more blanks apart; rows are told by a number or a total word in front."""
    heads = _pieces(lines[index])
    if len(heads) < 4 or not is_header([h.text for h in heads]):
        return None
    rows: list[list[str]] = [[h.text for h in heads]]
    index += 1
    while index < len(lines):
        line = lines[index]
        pieces = _pieces(line)
        if not pieces or (len(pieces) == 1 and (_NEW_PART.match(line) or pieces[0].end - pieces[0].start > 60)):
            break
        cells = [""] * len(heads)
        for place, piece in _place(heads, pieces):
            cells[place] = (cells[place] + " " + piece.text).strip()
        starts = re.match(r"\s*\d{1,3}(?!\d|\.\d)", line) is not None or _TOTAL.match(line) is not None
        if starts or len(pieces) == len(heads):
            rows.append(cells)
        elif len(rows) > 1:
            rows[-1] = [(old + "\n" + new).strip() for old, new in zip(rows[-1], cells, strict=True)]
        else:
            rows[0] = [old + new for old, new in zip(rows[0], cells, strict=True)]
        index += 1
    return ([tuple(row) for row in rows], index) if len(rows) >= 2 else None


def _place(heads: list[_Piece], pieces: list[_Piece]) -> Iterator[tuple[int, _Piece]]:
    if len(pieces) == len(heads):
        yield from enumerate(pieces)
        return
    for piece in pieces:
        yield min(range(len(heads)), key=lambda i: _distance(heads[i], piece)), piece


def _distance(head: _Piece, piece: _Piece) -> tuple[int, int]:
    gap = max(head.start - piece.end, piece.start - head.end, 0)
    return gap, min(abs(head.start - piece.start), abs(head.end - piece.end))
