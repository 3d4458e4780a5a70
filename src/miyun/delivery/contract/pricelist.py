"""The price list: which services, at what price, how many; its own total; what its remarks add."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from miyun.delivery.contract import mapping, tables
from miyun.delivery.contract.amounts import chinese_integer, find_capitals, parse_figure
from miyun.delivery.contract.clauses import ClauseTree
from miyun.delivery.contract.document import Document
from miyun.delivery.contract.model import CapacityRule, ServiceLine, StatedAmount
from miyun.delivery.contract.text import half_width

_COLUMNS = (
    ("number", r"^(?:序号|编号|No\.?|#|项次)$"),
    ("unit_price", r"单价|UnitPrice"),
    ("amount", r"金额|小计|总价|合价|合计|Amount|报价"),
    ("quantity", r"数量|Qty|Quantity"),
    ("periods", r"期限|年限|服务期|月数|周期"),
    ("unit", r"单位|^Unit$"),
    ("remark", r"备注|Remark|计数|计算方式"),
    ("name", r"名称|^(?:服务|服务项目|产品|项目|品名|服务内容)$|Service|Item"),
    ("description", r"说明|描述|内容|要求|规格|参数|Description"),
)
_TOTAL = re.compile(r"^(?:合计|总计|总价|共计|合计金额|总金额|价税合计)")
_PER = {
    "小时": "hour",
    "时": "hour",
    "分钟": "minute",
    "秒": "second",
    "天": "day",
    "日": "day",
    "月": "month",
    "年": "year",
}
_CAPACITY = re.compile(
    r"每(?P<per>小时|分钟|秒|天|日|月|年)\s*(?P<count>\d[\d,]*)\s*(?P<wan>万)?\s*[次笔][^，,。；;]{0,12}[，,]?\s*"
    r"(?:需要?|须|应购买|对应)\s*(?P<licences>\d+|[一二两三四五六七八九十]+)\s*个\s*(?P<noun>[\u4e00-\u9fff]{0,6}?(?:授权|许可))"
)
_PER_LICENCE = re.compile(
    r"每(?:一?个|1\s*个)\s*(?P<noun>[\u4e00-\u9fff]{0,6}?(?:授权|许可))[^，,。；;]{0,8}?(?:支持|提供|为|可|含|对应|[，,])?\s*"
    r"每(?P<per>小时|分钟|秒|天|日|月|年)\s*(?P<count>\d[\d,]*)\s*(?P<wan>万)?\s*[次笔]"
)
_PER_APPLICATION = re.compile(
    r"每个?(?:密码|云)?[\u4e00-\u9fff]{0,6}服务接入[一1每]个?应用|每个?应用(?:系统)?(?:接入|对接)[一1每]个?[\u4e00-\u9fff]{0,6}服务[为计]"
)


@dataclass(frozen=True, slots=True)
class PriceList:
    services: tuple[ServiceLine, ...]
    total: StatedAmount | None
    clauses: tuple[str, ...]
    unread: tuple[tuple[str, str], ...]
    """(clause, words) of rows that could not be read."""


def read_price_list(document: Document, tree: ClauseTree) -> PriceList:
    """All tables whose header names services and prices; later ones that only repeat the names are left out."""
    services: list[ServiceLine] = []
    total: StatedAmount | None = None
    clauses: list[str] = []
    unread: list[tuple[str, str]] = []
    for table in document.tables:
        header = next((i for i, row in enumerate(table.rows[:3]) if tables.is_header(row)), None)
        if header is None:
            continue
        columns = _columns(table.rows[header])
        if "name" not in columns or not columns.keys() & {"amount", "unit_price"}:
            continue
        place = tree.label(table.first_line)
        clauses.append(place)
        rows = _whole_rows(table.rows[header + 1 :], columns)
        factor = _factors(table.rows[header], columns)
        for row in rows:
            cells = {name: row[i].strip() if i < len(row) else "" for name, i in columns.items()}
            if any(_TOTAL.match(re.sub(r"\s", "", cell)) for cell in row if cell.strip()):
                total = total or _total(row, cells, place, factor.get("amount", Decimal(1)))
                continue
            line = _service(cells, row, place, factor, len(services) + 1)
            if line is None:
                words = " ".join(cell for cell in row if cell.strip())
                if words and not re.match(r"^(?:备注|注|说明)\s*[:：]", words):
                    unread.append((place, words))
                continue
            services.append(line)
    return PriceList(tuple(services), total, tuple(dict.fromkeys(clauses)), tuple(unread))


def _columns(header: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    taken: set[int] = set()
    for name, pattern in _COLUMNS:
        for index, cell in enumerate(header):
            words = re.sub(r"[\s(（].*$", "", cell.strip()) if name != "number" else cell.strip()
            words = re.sub(r"\s", "", words) or re.sub(r"\s", "", cell)
            if index not in taken and name not in found and re.search(pattern, words, re.I):
                found[name] = index
                taken.add(index)
    return found


def _factors(header: Sequence[str], columns: dict[str, int]) -> dict[str, Decimal]:
    """Prices in 万元 when the header says so."""
    return {
        name: Decimal(10_000) if "万元" in header[columns[name]] else Decimal(1)
        for name in ("unit_price", "amount")
        if name in columns
    }


def _whole_rows(rows: Sequence[Sequence[str]], columns: dict[str, int]) -> list[list[str]]:
    """Put a row without number, price and amount back into the one above it."""
    whole: list[list[str]] = []
    keys = [columns[k] for k in ("number", "unit_price", "quantity", "amount") if k in columns]
    for row in rows:
        cells = list(row)
        if not any(cell.strip() for cell in cells):
            continue
        text_only = all(i >= len(cells) or not cells[i].strip() for i in keys)
        is_total = any(_TOTAL.match(re.sub(r"\s", "", c)) for c in cells)
        if whole and text_only and not is_total and len(cells) == len(whole[-1]):
            whole[-1] = [(old + " " + new).strip() for old, new in zip(whole[-1], cells, strict=True)]
        else:
            whole.append(cells)
    return whole


def _words(cell: str) -> str:
    """Cells are broken anywhere: blanks between Chinese characters are typesetting."""
    cell = re.sub(r"\s*\n\s*", " ", half_width(cell)).strip()
    return re.sub(r"(?<=[^\x00-\x7f])\s+(?=[^\x00-\x7f])", "", cell)


def _number(cell: str, factor: Decimal = Decimal(1)) -> Decimal | None:
    text = re.sub(r"\s", "", half_width(cell))
    found = parse_figure(re.sub(r"(?:[万千亿]?元(?:/.*)?|整)$", "", text))
    if found is None:
        return None
    if "万元" in text:
        factor = Decimal(10_000)
    return found[0] * factor


def _quantity(cell: str) -> Decimal | None:
    match = re.match(r"\s*(\d[\d,]*(?:\.\d+)?|[一二两三四五六七八九十壹贰叁肆伍陆柒捌玖拾]+)", half_width(cell))
    if match is None:
        return None
    figure = parse_figure(match[1])
    if figure is not None:
        return figure[0]
    whole = chinese_integer(match[1])
    return Decimal(whole) if whole is not None else None


def _total(row: Sequence[str], cells: dict[str, str], place: str, factor: Decimal) -> StatedAmount | None:
    figure = _number(cells.get("amount", ""), factor)
    quote = " ".join(cell for cell in row if cell.strip())
    written = cells.get("amount", "") or None
    capitals = next(iter(find_capitals(quote)), None)
    if figure is None:
        numbers = [n for n in (_number(c, factor) for c in row) if n is not None]
        if not numbers:
            numbers = [v for m in re.finditer(r"\d[\d,]*(?:\.\d+)?", half_width(quote)) if (v := _number(m[0], factor))]
        figure = numbers[-1] if numbers else None
        written = str(figure) if figure is not None else None
    if figure is None and capitals is None:
        return None
    return StatedAmount(
        clause=place,
        quote=quote,
        figure_as_written=written,
        figure=figure,
        capitals_as_written=capitals.as_written if capitals else None,
        capitals=capitals.amount if capitals else None,
    )


def _service(
    cells: dict[str, str], row: Sequence[str], place: str, factor: dict[str, Decimal], position: int
) -> ServiceLine | None:
    name = re.sub(r"\s", "", _words(cells["name"])) if not cells["name"].isascii() else cells["name"].strip()
    amount = _number(cells.get("amount", ""), factor.get("amount", Decimal(1)))
    price = _number(cells.get("unit_price", ""), factor.get("unit_price", Decimal(1)))
    if not name or (amount is None and price is None):
        return None
    number = re.sub(r"\D", "", half_width(cells.get("number", ""))) or str(position)
    clause = f"{place}-{number}"
    remark = _words(cells.get("remark", ""))
    description = _words(cells.get("description", ""))
    quote = " ".join(_words(cell) for cell in row if cell.strip())
    offering, certainty = mapping.offering_of(name, description)
    complete = all(cells.get(key) for key in ("unit_price", "quantity", "amount"))
    unit = _words(cells.get("unit", ""))
    if not unit:
        match = re.search(r"/\s*(.+)$", half_width(cells.get("unit_price", "")))
        unit = match[1].strip() if match else ""
    return ServiceLine(
        number=number,
        name=name,
        description=description,
        unit_price=price,
        unit=unit,
        quantity=_quantity(cells.get("quantity", "")),
        amount=amount,
        remark=remark,
        clause=clause,
        quote=quote,
        confidence=1.0 if complete else 0.8,
        periods=_quantity(cells.get("periods", "")),
        capacity=capacity_rule(f"{description}；{remark}", clause),
        per_application_and_service=_PER_APPLICATION.search(re.sub(r"[\s，,]", "", remark + "；" + description))
        is not None,
        offering=offering,
        offering_confidence=certainty,
    )


def capacity_rule(text: str, clause: str) -> CapacityRule | None:
    """每小时20000次时间戳，需要2个服务授权 → 10,000 an hour for each licence."""
    plain = re.sub(r"\s", "", half_width(text))
    match = _CAPACITY.search(plain) or _PER_LICENCE.search(plain)
    if match is None:
        return None
    operations = int(match["count"].replace(",", "")) * (10_000 if match["wan"] else 1)
    licences = chinese_integer(match["licences"]) if "licences" in match.groupdict() else 1
    if not licences:
        return None
    return CapacityRule(operations, _PER[match["per"]], licences, match["noun"], clause, match.group())
