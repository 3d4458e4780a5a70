"""Rows of this room's tables as plain dictionaries."""

from __future__ import annotations

from typing import Any

from miyun.core.listing import Sorting
from miyun.core.storage import Database


def newest_first(**others: type) -> Sorting:
    """By identifier, which sorts by the time of making, or by one of `others`."""
    return Sorting({"id": str, **others}, default="-id", key=str)


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
