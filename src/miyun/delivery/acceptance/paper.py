"""A .docx paper in the manner offices file: title, facts table, numbered sections, rehearsal mark on every page."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from docx import Document
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml.ns import qn
from docx.shared import Pt, RGBColor

MARK = "演练：服务期已平移至当前日期，非合同正式履行文件"


class Paper:
    def __init__(self, title: str, *, rehearsal: bool, at: datetime) -> None:
        self._document = Document()
        style = self._document.styles["Normal"]
        style.font.name = "宋体"
        style.font.size = Pt(12)
        style.element.rPr.rFonts.set(qn("w:eastAsia"), "宋体")
        # fixed properties: the same facts give the same paper
        properties = self._document.core_properties
        properties.title, properties.author, properties.comments = title, "密云 Miyun", MARK if rehearsal else ""
        properties.created = properties.modified = at.astimezone(UTC).replace(tzinfo=None, microsecond=0)
        self._numbered = 0
        if rehearsal:
            for line in (self._document.sections[0].header, self._document.sections[0].footer):
                run = line.paragraphs[0].add_run(MARK)
                run.bold = True
                run.font.color.rgb = RGBColor(0xC0, 0x00, 0x00)
                line.paragraphs[0].alignment = WD_ALIGN_PARAGRAPH.CENTER
        heading = self._document.add_paragraph()
        heading.alignment = WD_ALIGN_PARAGRAPH.CENTER
        run = heading.add_run(title)
        run.bold = True
        run.font.size = Pt(22)
        run._element.get_or_add_rPr().get_or_add_rFonts().set(qn("w:eastAsia"), "黑体")

    def facts(self, rows: Iterable[tuple[str, str]]) -> None:
        self.table(("项目", "内容"), list(rows))

    def section(self, title: str) -> None:
        self._numbered += 1
        run = self._document.add_paragraph().add_run(f"{_numeral(self._numbered)}、{title}")
        run.bold = True
        run.font.size = Pt(14)

    def text(self, *paragraphs: str) -> None:
        for paragraph in paragraphs:
            added = self._document.add_paragraph(paragraph)
            added.paragraph_format.first_line_indent = Pt(24)

    def items(self, lines: Iterable[str]) -> None:
        for number, line in enumerate(lines, 1):
            self._document.add_paragraph(f"{number}. {line}")

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str = "（无）") -> None:
        table = self._document.add_table(rows=1, cols=len(header))
        table.style = "Table Grid"
        for cell, title in zip(table.rows[0].cells, header, strict=True):
            cell.paragraphs[0].add_run(title).bold = True
        for row in rows:
            for cell, value in zip(table.add_row().cells, row, strict=True):
                cell.text = value
        if not rows:
            table.add_row().cells[0].text = empty
        self._document.add_paragraph()

    def signatures(self, client: str, supplier: str) -> None:
        self.table(
            ("甲方", "乙方"),
            [
                (client, supplier),
                (
                    "（盖章）\n\n负责人签字：\n\n日期：    年  月  日",
                    "（盖章）\n\n负责人签字：\n\n日期：    年  月  日",
                ),
            ],
        )

    def to_bytes(self) -> bytes:
        out = io.BytesIO()
        self._document.save(out)
        return out.getvalue()


def _numeral(number: int) -> str:
    digits = "零一二三四五六七八九十"
    if number <= 10:
        return digits[number]
    return f"十{digits[number - 10]}" if number < 20 else str(number)
