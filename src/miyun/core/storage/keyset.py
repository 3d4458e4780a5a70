"""The page of a query that begins behind a place (`core.listing`), by an index walk however far the place is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Select, tuple_

from miyun.core.listing import Place, Sort


def page_of(
    query: Select[Any],
    sort: Sort,
    place: Place | None,
    *,
    columns: Mapping[str, ColumnElement[Any]],
    key: ColumnElement[Any],
    limit: int,
) -> Select[Any]:
    """`limit` + 1 rows at most, so that the caller sees whether there are more.

    `columns` are those of the sort's fields, never null; `key` differs in every row. An index over what the query asks
    to be equal, then column and key, makes the page's cost independent of its place.
    """
    column = columns[sort.field]
    if place is not None:
        at = tuple_(place.value, place.key, types=[column.type, key.type])
        row = tuple_(column, key)
        query = query.where(row < at if sort.descending else row > at)
    order = (column.desc(), key.desc()) if sort.descending else (column, key)
    return query.order_by(*order).limit(limit + 1)
