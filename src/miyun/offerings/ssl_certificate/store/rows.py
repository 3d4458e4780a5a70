"""Rows of this room's tables as plain dictionaries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol, TypeVar

from miyun.core.listing import Sorting
from miyun.core.storage import Database

NEWEST: Final = Sorting({"id": str}, default="-id", key=str)
"""Identifiers sort by the time of their making."""


class _Identified(Protocol):
    @property
    def id(self) -> str: ...


Item = TypeVar("Item", bound=_Identified)


def page(found: Sequence[Item], limit: int) -> tuple[Sequence[Item], str | None]:
    """What is shown of a page that was read with one row more, and where the next begins."""
    items = found[:limit]
    more = len(found) > limit
    return items, NEWEST.cursor(NEWEST.default, items[-1].id, items[-1].id) if more else None


class Rows:
    def __init__(self, database: Database) -> None:
        self._database = database

    def _first(self, query: Any) -> dict[str, Any] | None:
        with self._database.read() as connection:
            row = connection.execute(query).mappings().first()
        return dict(row) if row else None

    def _all(self, query: Any) -> list[dict[str, Any]]:
        with self._database.read() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


def row_of(item: Any) -> dict[str, Any]:
    return {name: getattr(item, name) for name in item.__slots__}
