"""Lines of a PDF page from where its letters stand: what shares a height is a line, what stands apart is a cell.

pypdf's own layout counts a Chinese character as wide as a Latin one, so the cells of narrow tables run together
(`30,000.0060,000.00`); and every paragraph comes out cut at the margin, in the middle of a number or of the capitals.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from miyun.delivery.contract.text import columns

_BEGINS = re.compile(
    r"^(?:附件|附录|第[一二三四五六七八九十百零〇\d]+[条章节款]|[（(]?[一二三四五六七八九十]{1,3}[）)、.．]"
    r"|[（(]?\d{1,2}(?:\.\d{1,2})*(?:[）)、．]|\.(?!\d)|\s)|[-•·●*])|^\w{2,8}[：:]"
)
_ENDS = re.compile(r"[。；：;:！？!?]\s*$")
_OPEN = re.compile(r"[（(][^（(）)]*$")
_CLOSES = re.compile(r"^[^（(）)]*[）)]")
_BAR = re.compile(r"[|│┃｜┊]")


@dataclass(frozen=True, slots=True)
class Piece:
    """Letters written in one go: left and right edge, baseline and size in points."""

    left: float
    right: float
    base: float
    size: float
    text: str


def assemble(pieces: Iterable[Piece]) -> list[str]:
    """Lines from top to bottom; cells stand two or more blanks apart, wrapped paragraphs are whole again."""
    rows = [_cells(row) for row in _rows(pieces)]
    if not rows:
        return []
    margin_left = min(row[0].left for row in rows)
    margin_right = max(row[-1].right for row in rows)
    lines: list[str] = []
    before: list[Piece] = []
    for row in rows:
        if before and _wrapped(before, row, margin_left, margin_right):
            lines[-1] += row[0].text.strip()
        else:
            lines.append(_spaced(row, margin_left))
        before = row
    return lines


def _rows(pieces: Iterable[Piece]) -> list[list[Piece]]:
    rows: list[list[Piece]] = []
    for piece in sorted((p for p in pieces if p.text.strip()), key=lambda p: (-p.base, p.left)):
        if rows and abs(rows[-1][0].base - piece.base) <= 0.4 * max(piece.size, rows[-1][0].size):
            rows[-1].append(piece)
        else:
            rows.append([piece])
    return [sorted(row, key=lambda p: p.left) for row in rows]


def _cells(row: list[Piece]) -> list[Piece]:
    """Pieces that touch are one; a third of a letter between them makes two cells, or two Latin words."""
    cells = [row[0]]
    for piece in row[1:]:
        last = cells[-1]
        if piece.left - last.right < 0.33 * piece.size:
            # Blanks that reach under the next letters are pypdf's, made from the printer's spacing.
            text = last.text if piece.left > last.right - 0.33 * piece.size else re.sub(r" {2,}", "", last.text)
            cells[-1] = Piece(last.left, piece.right, last.base, last.size, text + piece.text)
        else:
            cells.append(piece)
    return cells


def _spaced(row: list[Piece], margin: float) -> str:
    line = ""
    for piece in row:
        column = round((piece.left - margin) / (piece.size / 2))
        line += " " * max(column - columns(line), 2 if line else 0) + piece.text.strip()
    return line


def _wrapped(before: list[Piece], row: list[Piece], left: float, right: float) -> bool:
    """Whether `row` carries on the paragraph of `before`: that reached the margin, and this begins nothing new."""
    if len(before) != 1 or len(row) != 1:
        return False
    size, text = row[0].size, row[0].text.strip()
    if row[0].left >= left + size or abs(before[0].size - size) > 0.1 * size:
        return False
    if _BAR.search(before[0].text) or _BAR.search(text):
        return False
    if _OPEN.search(before[0].text) and _CLOSES.search(text):
        return True
    full = before[0].right > right - 2 * size
    return full and _ENDS.search(before[0].text) is None and _BEGINS.search(text) is None
