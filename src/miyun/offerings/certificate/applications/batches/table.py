"""A batch as a table: CSV with a line of titles, as spreadsheets write it."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import Final

from miyun.core.errors import InvalidArgument
from miyun.core.i18n import Text
from miyun.offerings.certificate.applications.batches.messages import ApplyRow
from miyun.offerings.certificate.applications.batches.model import MAX_ROWS

_OWN: Final = ("reference", "csr", "names", "on_behalf_of")
_SUBJECT: Final = ("C", "ST", "L", "O", "OU", "T", "CN", "SERIALNUMBER", "UID", "E")
_TITLES: Final[Mapping[str, str]] = {
    **{name: name for name in _OWN},
    **{name.lower(): name for name in _SUBJECT},
    "编号": "reference",
    "证书请求": "csr",
    "备用名称": "names",
    "代为申请": "on_behalf_of",
    "姓名": "CN",
    "名称": "CN",
    "单位": "O",
    "部门": "OU",
    "邮箱": "E",
}
_LONGEST: Final = {"reference": 128, "csr": 128 * 1024, "on_behalf_of": 200}
MAX_CELL: Final = 128 * 1024


def rows_of(text: str) -> list[ApplyRow]:
    """Raises InvalidArgument naming the line, or the title that is not known."""
    csv.field_size_limit(MAX_CELL)
    reader = csv.reader(text.removeprefix("\ufeff").splitlines(keepends=True), strict=True)
    try:
        titles = _titles(next(reader, []))
        rows: list[ApplyRow] = []
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(titles):
                raise _wrong(f"第 {reader.line_num} 行的列多于表头", f"line {reader.line_num}: more cells than titles")
            if len(rows) == MAX_ROWS:
                raise _wrong(f"多于 {MAX_ROWS} 行", f"more than {MAX_ROWS} rows")
            rows.append(_row(dict(zip(titles, (cell.strip() for cell in cells), strict=False)), reader.line_num))
    except csv.Error as error:
        raise _wrong(f"第 {reader.line_num} 行不是 CSV", f"line {reader.line_num}: {error}") from None
    if not rows:
        raise _wrong("表中没有申请", "there is no row in the table")
    return rows


def _titles(cells: list[str]) -> list[str]:
    found = []
    for cell in cells:
        name = _TITLES.get(cell.strip().lower())
        if name is None:
            raise _wrong(f"不认识的表头“{cell[:40]}”", f"no column is called '{cell[:40]}'")
        if name in found:
            raise _wrong(f"表头“{cell[:40]}”重复", f"the column '{cell[:40]}' comes twice")
        found.append(name)
    if "csr" not in found:
        raise _wrong("缺少“证书请求”（csr）列", "the column csr is missing")
    return found


def _row(cells: Mapping[str, str], line: int) -> ApplyRow:
    for name, longest in _LONGEST.items():
        if len(cells.get(name, "")) > longest:
            raise _wrong(f"第 {line} 行的 {name} 过长", f"line {line}: {name} is too long")
    names = cells.get("names", "").replace(";", " ").split()
    if len(names) > 100:
        raise _wrong(f"第 {line} 行的名称过多", f"line {line}: more than 100 names")
    return ApplyRow(
        reference=cells.get("reference", "") or str(line),
        csr=cells.get("csr", ""),
        subject={name: cells[name] for name in _SUBJECT if cells.get(name)},
        names=names,
        on_behalf_of=cells.get("on_behalf_of", ""),
    )


def _wrong(zh: str, en: str) -> InvalidArgument:
    return InvalidArgument("table", Text(zh, en))
