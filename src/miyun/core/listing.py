"""Lists of any length: sorted by a declared field, paged by where the last page ended, taken away as a file.

A room declares `Sorting`, turns the request's `sort` and `cursor` into a `Sort` and a `Place` by it, hands both to
`core.storage.keyset`, and gives the caller `cursor` of the last row. A page costs the same wherever it begins, and rows
that come or go in the meantime make no row appear twice or be left out.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

import msgspec

from miyun.core.clock import SHANGHAI
from miyun.core.errors import InvalidArgument
from miyun.core.i18n import Locale, Text
from miyun.core.operation import Call, Download
from miyun.wire import base64url

Row = TypeVar("Row")
Format = Literal["csv", "jsonl"]
SortText = Annotated[str, msgspec.Meta(max_length=64)]
Cursor = Annotated[str, msgspec.Meta(max_length=4096)]
EXPORT_PAGE: Final = 1000  # rows that an export has in memory at a time

_ASKED: Final = 500  # at once, of a list: the most that its callers may

_CONTENT: Final = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl"}
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@dataclass(frozen=True, slots=True)
class Sort:
    field: str
    descending: bool

    def __str__(self) -> str:
        return f"-{self.field}" if self.descending else self.field


@dataclass(frozen=True, slots=True)
class Place:
    """Behind which row a page begins: its value in the sorted field, and its key, which no other row has."""

    value: str | int | datetime
    key: str | int


class Sorting:
    """The fields that a list can be sorted by, with the types of their values; `default` as a request says it."""

    def __init__(self, fields: Mapping[str, type], *, default: str, key: type = int) -> None:
        self._fields = fields
        self._key = key
        self.default = self.sort(default)

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(self._fields)

    def sort(self, text: str) -> Sort:
        """`field`, or `-field` for descending; empty is the default. Raises InvalidArgument."""
        if not text:
            return self.default
        field = text.removeprefix("-")
        if field not in self._fields:
            known = ", ".join(self._fields)
            raise InvalidArgument(
                "sort",
                Text(
                    f"不能按它排序；可用：{known}，前加 - 为降序",
                    f"not a field to sort by; one of {known}, with - before it for descending",
                ),
            )
        return Sort(field, text.startswith("-"))

    def cursor(self, sort: Sort, value: str | int | datetime, key: str | int) -> str:
        """Where the next page begins, opaque, and good for this sort only."""
        packed = msgspec.msgpack.encode((str(sort), value, key))
        return base64url.encode(packed)

    def page(self, sort: Sort, found: Sequence[Row], limit: int) -> Page[Row]:
        """Of what was read with one row more than `limit`; a row has the sorted field, and `id`, as attributes."""
        items = found[:limit]
        if len(found) <= limit:
            return Page(items)
        last: Any = items[-1]
        return Page(items, self.cursor(sort, getattr(last, sort.field), last.id))

    def place(self, sort: Sort, cursor: str | None) -> Place | None:
        """Raises InvalidArgument for what `cursor` never made, or made for another sort."""
        if not cursor:
            return None
        kind: Any = tuple.__class_getitem__((str, self._fields[sort.field], self._key))
        try:
            made_for, value, key = msgspec.msgpack.decode(base64url.decode(cursor), type=kind)
        except (ValueError, msgspec.DecodeError):
            made_for, value, key = None, None, None
        if made_for != str(sort) or (isinstance(value, datetime) and value.tzinfo is None) or _too_large(value, key):
            raise InvalidArgument(
                "cursor",
                Text(
                    "不是同一排序的上一页给出的值；请从第一页重新开始",
                    "not what the page before gave for this sort; begin again at the first page",
                ),
            )
        return Place(value, key)


def _too_large(*values: object) -> bool:
    """No database keeps such a number: it cannot have come from a row."""
    return any(isinstance(value, int) and not -(1 << 63) <= value < 1 << 63 for value in values)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    items: Sequence[Row]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """Of an export: `name` in JSON lines, `title` in the first line of a CSV."""

    name: str
    title: Text
    value: Callable[[Row], object]


def export(
    pages: Callable[[str | None], Awaitable[Page[Row]]],
    columns: Sequence[Column[Row]],
    *,
    form: Format,
    locale: Locale,
    name: str,
) -> Download:
    """The whole list as a file, made while it is sent. `pages` answers the page behind a cursor; its own page size."""
    lines = _csv_lines if form == "csv" else _json_lines
    return Download(_chunks(pages, columns, lines, locale), _CONTENT[form], f"{name}.{form}")


def exporting(
    lists: Callable[[Any, Call, Any], Awaitable[Any]], ask: type[Any], columns: Sequence[Column[Any]], *, name: str
) -> Callable[[Any, Call, Any], Awaitable[Download]]:
    """The handler that sends a whole list as a file. `lists` is the handler of the list, whose answers have `items` and
    `next_cursor`; it is asked by `ask` with what the export's request says of the same fields: filters and sort."""
    shared = {field.name for field in msgspec.structs.fields(ask)} - {"limit", "cursor"}

    async def handler(service: Any, call: Call, request: Any) -> Download:
        given = {field: getattr(request, field) for field in request.__struct_fields__ if field in shared}

        async def pages(cursor: str | None) -> Page[Any]:
            found = await lists(service, call, ask(**given, limit=_ASKED, cursor=cursor))
            return Page(found.items, found.next_cursor)

        first = await pages(None)  # what is wrong with the request is said before anything is sent

        async def from_first(cursor: str | None) -> Page[Any]:
            return first if cursor is None else await pages(cursor)

        return export(from_first, columns, form=request.format, locale=call.locale, name=name)

    return handler


def csv_of(rows: Sequence[Row], columns: Sequence[Column[Row]], locale: Locale) -> bytes:
    """A list that is short enough to be made at once."""
    return _csv_lines(rows, columns, locale, True)


async def _chunks(
    pages: Callable[[str | None], Awaitable[Page[Row]]],
    columns: Sequence[Column[Row]],
    lines: Callable[[Sequence[Row], Sequence[Column[Row]], Locale, bool], bytes],
    locale: Locale,
) -> AsyncIterator[bytes]:
    page = await pages(None)
    yield lines(page.items, columns, locale, True)
    while page.next_cursor is not None:
        page = await pages(page.next_cursor)
        yield lines(page.items, columns, locale, False)


def _csv_lines(rows: Sequence[Row], columns: Sequence[Column[Row]], locale: Locale, first: bool) -> bytes:
    head = [column.title.to(locale) for column in columns] if first else None
    return _table(head, ([column.value(row) for column in columns] for row in rows))


def csv_table(head: Sequence[str] | None, rows: Iterable[Sequence[object]]) -> bytes:
    """A whole CSV: a register among acceptance evidence, for example. Without `head`, more lines of one."""
    return _table(head, rows)


def _table(head: Sequence[str] | None, rows: Iterable[Sequence[object]]) -> bytes:
    """As spreadsheets read it: a byte order mark, local time, and no cell that they would take for a formula."""
    text = io.StringIO()
    writer = csv.writer(text)
    if head is not None:
        text.write("\ufeff")
        writer.writerow(head)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(SHANGHAI).isoformat(timespec="seconds")
    if isinstance(value, (list, tuple)):
        value = " ".join(map(str, value))
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) and not isinstance(value, (int, float, Decimal)) else text


def _json_lines(rows: Sequence[Row], columns: Sequence[Column[Row]], locale: Locale, first: bool) -> bytes:
    return msgspec.json.Encoder().encode_lines([{item.name: item.value(row) for item in columns} for row in rows])
