"""Text found anywhere in a field, in a table of millions, on both databases.

A `TextIndex` keeps, beside a table whose key is a number, which short pieces of text ("grams") a row holds: two
characters where one is not ASCII, since Chinese words are short, three otherwise. Facets (tenant, template …) are
pieces too, so that what is rare within a tenant is found without other tenants' rows. SQLite has it as an FTS5 table
without content, PostgreSQL as arrays under a GIN index; neither needs an extension. What is found are candidates: the
caller compares them with the text itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Connection,
    MetaData,
    Text,
    column,
    event,
    insert,
    literal,
    select,
    table,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from miyun.core.storage.database import metadata

_SAMPLE: Final = 64  # rows by which it is told how often a piece comes
_RARE: Final = 32  # in one of so many rows, or fewer
_ENOUGH: Final = 3  # such pieces together are in one row of tens of thousands
_LOOKED_AT: Final = 12  # pieces of a text
_FACETS: Final = 4  # that come last
_SHADOWS: Final = ("", "_data", "_idx", "_docsize", "_config", "_content")


Facet = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """What a row is found by: pieces of its text, and facets, (name, value) each, by their whole value."""

    number: int
    text: str
    facets: Sequence[Facet]


class TextIndex:
    """`name` is prefixed by the room's slug, as tables are."""

    def __init__(self, name: str) -> None:
        self.name = name
        metadata.info.setdefault("text_indexes", []).append(self)
        self._fts = table(name, column("rowid", BigInteger), column("grams", Text), column(name))
        # asked a dozen times a search: building the expression would take longer than the database
        self._match = text(f"SELECT rowid FROM {name} WHERE {name} MATCH :pieces LIMIT :count")
        self._arrays = table(name, column("number", BigInteger), column("grams", ARRAY(Text)))

    def statements(self, dialect: str) -> list[str]:
        """DDL."""
        if dialect == "sqlite":
            options = "grams, content='', detail=none, tokenize='ascii'"
            return [f"CREATE VIRTUAL TABLE IF NOT EXISTS {self.name} USING fts5({options})"]
        return [
            f"CREATE TABLE IF NOT EXISTS {self.name} (number BIGINT PRIMARY KEY, grams TEXT[] NOT NULL)",
            f"CREATE INDEX IF NOT EXISTS ix_{self.name}_grams ON {self.name} USING gin (grams)",
        ]

    def tables(self) -> frozenset[str]:
        """That the database shows for it, beside those of the metadata."""
        return frozenset(self.name + shadow for shadow in _SHADOWS)

    def add(self, connection: Connection, entries: Iterable[Entry]) -> None:
        """In ascending numbers, which SQLite takes fastest. A number is added once and never changed."""
        found = [(entry.number, [*grams(entry.text), *_tokens(entry.facets)]) for entry in entries]
        if not found:
            return
        if connection.dialect.name == "sqlite":
            connection.execute(
                insert(self._fts), [{"rowid": number, "grams": " ".join(pieces)} for number, pieces in found]
            )
        else:
            connection.execute(insert(self._arrays), [{"number": number, "grams": pieces} for number, pieces in found])

    def candidates(
        self, connection: Connection, wanted: Iterable[str], facets: Sequence[Facet], limit: int
    ) -> list[int] | None:
        """Numbers of the rows that hold the pieces of every text wanted, and the facets; None when there are more than
        `limit` of them."""
        pieces = list(dict.fromkeys([piece for item in wanted for piece in grams(item)] + _tokens(facets)))
        if not pieces:
            return None
        if connection.dialect.name == "sqlite":
            telling = self._telling(connection, pieces)
            if telling and (found := self._holding(connection, telling, limit)) is not None:
                return found
        return self._holding(connection, pieces, limit)

    def _holding(self, connection: Connection, pieces: Sequence[str], limit: int) -> list[int] | None:
        found = self._first(connection, pieces, limit + 1)
        return found if len(found) <= limit else None

    def _first(self, connection: Connection, pieces: Sequence[str], count: int) -> list[int]:
        """The first rows that hold all of the pieces."""
        if connection.dialect.name == "sqlite":
            asked = {"pieces": " ".join(f'"{piece}"' for piece in pieces), "count": count}
            return list(connection.execute(self._match, asked).scalars())
        wanted = self._arrays.c.grams.op("@>")(literal(list(pieces), ARRAY(Text)))
        return list(connection.execute(select(self._arrays.c.number).where(wanted).limit(count)).scalars())

    def _telling(self, connection: Connection, pieces: Sequence[str]) -> list[str]:
        """Some pieces that few rows hold, by what the first rows of each show. FTS5 goes through every row of every
        piece that it is asked for: one which a million rows hold is left out if others will do."""
        found: list[str] = []
        for piece in (*pieces[:_LOOKED_AT], *pieces[_LOOKED_AT:][-_FACETS:]):
            rows = self._first(connection, [piece], _SAMPLE)
            if len(rows) < _SAMPLE:
                return [piece]
            if rows[-1] > _SAMPLE * _RARE:
                found.append(piece)
            if len(found) == _ENOUGH:
                break
        return found


def grams(text: str) -> list[str]:
    """The pieces of a text, in small letters, each once. What is neither letter nor digit is passed over. A part of the
    text has no pieces that the text has not."""
    letters = [letter for mark in text if mark.isalnum() for letter in mark.casefold() if letter.isalnum()]
    found: dict[str, None] = {}
    for at in range(len(letters) - 1):
        size = 3 if letters[at].isascii() and letters[at + 1].isascii() else 2
        piece = "".join(letters[at : at + size])
        if len(piece) == size and (size == 2 or piece.isascii()):
            found[piece] = None
    return list(found)


def _tokens(facets: Sequence[Facet]) -> list[str]:
    """Longer than any gram, so that no text passes for a facet."""
    return [f"{name}0{value.encode().hex()}" for name, value in facets]


def text_indexes() -> list[TextIndex]:
    return list(metadata.info.get("text_indexes", []))


def is_table(name: str) -> bool:
    """Whether a table of the database belongs to a text index."""
    return any(name in item.tables() for item in text_indexes())


@event.listens_for(metadata, "after_create")
def _create(target: MetaData, connection: Connection, **_: Any) -> None:
    for item in text_indexes():
        for statement in item.statements(connection.dialect.name):
            connection.execute(text(statement))
