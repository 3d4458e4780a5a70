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
        pieces = [piece for item in wanted for piece in grams(item)] + _tokens(facets)
        if not pieces:
            return None
        query: Any
        if connection.dialect.name == "sqlite":
            asked = literal(" ".join(f'"{piece}"' for piece in dict.fromkeys(pieces)))
            query = select(self._fts.c.rowid).where(self._fts.c[self.name].op("MATCH")(asked))
        else:
            query = select(self._arrays.c.number).where(self._arrays.c.grams.op("@>")(literal(pieces, ARRAY(Text))))
        found = connection.execute(query.limit(limit + 1)).scalars().all()
        return list(found) if len(found) <= limit else None


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
