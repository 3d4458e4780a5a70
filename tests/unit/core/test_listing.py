"""Sorting, cursors and exports, and pages of a real table."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column as SqlColumn
from sqlalchemy import Integer, MetaData, String, Table, insert, select

from miyun.core.errors import InvalidArgument
from miyun.core.i18n import Text
from miyun.core.listing import Column, Page, Sorting, csv_table, export
from miyun.core.storage import Database, UtcDateTime
from miyun.core.storage.keyset import page_of

START = datetime(2026, 1, 1, tzinfo=UTC)
SORTING = Sorting({"name": str, "at": datetime, "size": int}, default="-at")
TABLE = Table(
    "thing",
    MetaData(),
    SqlColumn("number", Integer, primary_key=True),
    SqlColumn("name", String(20)),
    SqlColumn("at", UtcDateTime),
    SqlColumn("size", Integer),
)


def test_the_sort_is_one_of_the_declared_fields() -> None:
    assert str(SORTING.sort("")) == "-at"
    assert str(SORTING.sort("name")) == "name"
    for text in ("colour", "-", "--at", "at desc", "AT"):
        with pytest.raises(InvalidArgument) as error:
            SORTING.sort(text)
        assert error.value.field == "sort"


@given(
    st.sampled_from(["name", "-name", "at", "-at", "size", "-size"]),
    st.text(max_size=30),
    st.datetimes(timezones=st.just(UTC)),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 2**63 - 1),
)
def test_a_cursor_comes_back_as_the_place_it_was_made_of(
    text: str, name: str, at: datetime, size: int, key: int
) -> None:
    sort = SORTING.sort(text)
    value = {"name": name, "at": at, "size": size}[sort.field]
    place = SORTING.place(sort, SORTING.cursor(sort, value, key))
    assert place is not None
    assert (place.value, place.key) == (value, key)


def test_a_cursor_is_good_for_its_own_sort_only() -> None:
    cursor = SORTING.cursor(SORTING.sort("-at"), START, 7)
    for other in ("at", "name", "size"):
        with pytest.raises(InvalidArgument) as error:
            SORTING.place(SORTING.sort(other), cursor)
        assert error.value.field == "cursor"


def _packed(*parts: object) -> str:
    import base64

    return base64.urlsafe_b64encode(msgspec.msgpack.encode(parts)).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "0",
        "ä",
        "a" * 4096,
        "AAAA",
        _packed("-at"),
        _packed("-at", "2026-01-01T00:00:00", 1),
        _packed("-at", "2026", 1),
        _packed("-at", START, "1 OR 1=1"),
        _packed("-at", START, 1 << 63),
    ],
)
def test_what_never_was_a_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidArgument):
        SORTING.place(SORTING.sort("-at"), cursor)


_THINGS = st.lists(
    st.tuples(st.text("abß中\x01", max_size=3), st.integers(0, 5), st.integers(-3, 3)), min_size=0, max_size=25
)


@given(_THINGS, st.sampled_from(["name", "-name", "at", "-at", "size", "-size"]), st.integers(1, 7))
def test_pages_hold_every_row_once_in_order(things: list[tuple[str, int, int]], text: str, limit: int) -> None:
    database = Database("sqlite://")
    rows = [
        {"number": number, "name": name, "at": START + timedelta(days=day), "size": size}
        for number, (name, day, size) in enumerate(things)
    ]
    sort = SORTING.sort(text)
    with database.write() as connection:
        TABLE.metadata.create_all(connection)
        if rows:
            connection.execute(insert(TABLE), rows)
        found: list[Any] = []
        cursor = None
        while True:
            place = SORTING.place(sort, cursor)
            query = page_of(select(TABLE), sort, place, columns=dict(TABLE.c.items()), key=TABLE.c.number, limit=limit)
            page = connection.execute(query).all()
            found += page[:limit]
            if len(page) <= limit:
                break
            last = page[limit - 1]
            cursor = SORTING.cursor(sort, getattr(last, sort.field), last.number)
    database.close()
    wanted = sorted(rows, key=lambda row: (row[sort.field], row["number"]), reverse=sort.descending)
    assert [row.number for row in found] == [row["number"] for row in wanted]


COLUMNS: Sequence[Column[tuple[str, datetime, list[str]]]] = (
    Column("subject", Text("主题", "Subject"), lambda row: row[0]),
    Column("at", Text("时间", "Time"), lambda row: row[1]),
    Column("names", Text("名称", "Names"), lambda row: row[2]),
    Column("none", Text("无", "None"), lambda row: None),
)


def _exported(rows: list[tuple[str, datetime, list[str]]], form: Any) -> bytes:
    async def pages(cursor: str | None) -> Page[tuple[str, datetime, list[str]]]:
        start = int(cursor or 0)
        return Page(rows[start : start + 2], str(start + 2) if start + 2 < len(rows) else None)

    async def gather() -> bytes:
        made = export(pages, COLUMNS, form=form, locale="zh", name="things")
        assert made.file_name == f"things.{form}"
        return b"".join([chunk async for chunk in made.chunks])

    return asyncio.run(gather())


def test_a_csv_is_what_spreadsheets_read() -> None:
    rows = [
        ('CN=甲,O="乙"', START, ["a.cn", "b.cn"]),
        ("=HYPERLINK()", START, []),
        ("@x", START, []),
        ("-1", START, []),
    ]
    text = _exported(rows, "csv").decode("utf-8-sig")
    head, *lines = csv.reader(io.StringIO(text))
    assert head == ["主题", "时间", "名称", "无"]
    assert lines[0] == ['CN=甲,O="乙"', "2026-01-01T08:00:00+08:00", "a.cn b.cn", ""]
    assert [line[0] for line in lines[1:]] == ["'=HYPERLINK()", "'@x", "'-1"]


def test_json_lines_hold_every_row() -> None:
    rows = [(f"CN={number}\n", START, ["a"]) for number in range(5)]
    lines = [json.loads(line) for line in _exported(rows, "jsonl").splitlines()]
    assert [line["subject"] for line in lines] == [row[0] for row in rows]
    assert lines[0] == {"subject": "CN=0\n", "at": "2026-01-01T00:00:00Z", "names": ["a"], "none": None}


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠a"])
def test_what_a_spreadsheet_takes_for_a_formula_is_text(text: str) -> None:
    """In full width too, as Chinese and Japanese keyboards write it."""
    [_, [cell]] = csv.reader(io.StringIO(csv_table(("甲",), [(text,)]).decode("utf-8-sig"), newline=""))
    assert cell == f"'{text}"


def test_an_empty_list_is_a_file_too() -> None:
    assert _exported([], "csv").decode("utf-8-sig") == "主题,时间,名称,无\r\n"
    assert _exported([], "jsonl") == b""


def test_a_register_holds_no_formula_and_says_its_times_as_offices_do() -> None:
    rows = [("=1+1", None, START, Decimal("-0.000012")), ("@cmd", "a", START, 7)]
    read = list(csv.reader(io.StringIO(csv_table(("甲", "乙", "时间", "数"), rows).decode("utf-8-sig"))))
    assert read == [
        ["甲", "乙", "时间", "数"],
        ["'=1+1", "", "2026-01-01T08:00:00+08:00", "-0.000012"],
        ["'@cmd", "a", "2026-01-01T08:00:00+08:00", "7"],
    ]
