"""Text of a .docx in reading order: paragraphs with their automatic numbers, tables, content controls.

Inserted text of tracked changes is read, deleted text is not, and the file's notes say that changes are tracked.
"""

from __future__ import annotations

import io
import re
import zipfile
from typing import Any

import docx as python_docx
from docx.oxml.ns import qn

from miyun.core.i18n import Text
from miyun.delivery.contract.docx_numbering import Numbering

MAX_UNPACKED = 200 * 2**20
_PARTY_CELL = re.compile(r"(?:甲方|乙方|采购人|供应商|买方|卖方|采购方|服务方|委托方|受托方|发包人|承包人)")


def extract(data: bytes, name: str) -> tuple[list[str | tuple[str, ...]], tuple[str, ...]]:
    """Rows of the paper (a tuple for a table row), and notes. Raises UnreadableDocument."""
    from miyun.delivery.contract.document import UnreadableDocument

    damaged = UnreadableDocument(name, Text("不是有效的 .docx。", "not a valid .docx."))
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            if sum(item.file_size for item in package.infolist()) > MAX_UNPACKED:
                raise UnreadableDocument(name, Text("解压后超过 200 MiB。", "unpacks to more than 200 MiB."))
        paper = python_docx.Document(io.BytesIO(data))
        body = paper.element.body
        walker = _Walker(Numbering(paper))
        walker.container(body)
    except UnreadableDocument:
        raise
    except Exception:
        # zipfile, lxml and python-docx each have their own errors for a broken package.
        raise damaged from None
    notes = []
    if body.findall(".//" + qn("w:ins")) or body.findall(".//" + qn("w:del")):
        notes.append("tracked_changes")
    if not any(row if isinstance(row, str) else any(row) for row in walker.rows):
        if body.findall(".//" + qn("w:drawing")) or body.findall(".//" + qn("w:pict")):
            raise UnreadableDocument(name, Text("只有图像（扫描件），没有文字。", "only images (a scan), no text."))
        raise UnreadableDocument(name, Text("没有文字。", "it holds no text."))
    return walker.rows, tuple(notes)


class _Walker:
    def __init__(self, numbering: Numbering) -> None:
        self.rows: list[str | tuple[str, ...]] = []
        self._numbering = numbering

    def container(self, element: Any) -> None:
        for child in element:
            if child.tag == qn("w:p"):
                self.rows.extend((self._numbering.label(child) + _text(child)).split("\n"))
            elif child.tag == qn("w:tbl"):
                self._table(child)
            elif child.tag in (qn("w:sdt"), qn("w:sdtContent"), qn("w:ins"), qn("w:smartTag"), qn("w:customXml")):
                self.container(child)

    def _table(self, table: Any) -> None:
        grid = [[self._cell(cell) for cell in row.iter(qn("w:tc"))] for row in table.findall(qn("w:tr"))]
        # The signature block is often a table of two columns: read it party by party.
        if len({len(row) for row in grid}) == 1 and sum(bool(_PARTY_CELL.match(c)) for c in grid[0]) == 2 == len(
            grid[0]
        ):
            for column in range(2):
                for row in grid:
                    self.rows.extend(row[column].split("\n"))
                self.rows.append("")
            return
        self.rows.extend(tuple(row) for row in grid if any(row))
        self.rows.append("")

    def _cell(self, cell: Any) -> str:
        parts = [self._numbering.label(p) + _text(p) for p in cell.iter(qn("w:p"))]
        return "\n".join(part for part in parts if part.strip()).strip()


def _text(paragraph: Any) -> str:
    words: list[str] = []

    def walk(element: Any) -> None:
        for child in element:
            tag = child.tag
            if tag == qn("w:t"):
                words.append(child.text or "")
            elif tag == qn("w:tab"):
                if element.tag == qn("w:r"):
                    words.append("\t")
            elif tag in (qn("w:br"), qn("w:cr")):
                words.append("\n")
            elif tag == qn("w:noBreakHyphen"):
                words.append("-")
            elif tag in (qn("w:del"), qn("w:moveFrom")) or str(tag).endswith("}Fallback"):
                continue
            else:
                walk(child)

    walk(paragraph)
    return "".join(words).replace("\u00a0", " ")
