"""Text found anywhere by its pieces: all that hold the text are among the candidates, and what is rare is few."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, text

from miyun.core.storage.search import Entry, TextIndex

COUNT = 5000


@pytest.fixture(scope="module")
def index() -> TextIndex:
    """Of no room: it is in no schema."""
    from miyun.core.storage.database import metadata

    made = TextIndex("search_test")
    metadata.info["text_indexes"].remove(made)
    return made


def subject(number: int) -> str:
    return f"CN=设备{number:05},O=某局"


@pytest.fixture(scope="module")
def connection(index: TextIndex, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """Rows of one tenant, and one of another that has the text of all."""
    file: Path = tmp_path_factory.mktemp("search") / "search.db"
    with create_engine(f"sqlite:///{file}").connect() as connection:
        for statement in index.statements("sqlite"):
            connection.execute(text(statement))
        index.add(connection, [Entry(n, subject(n), [("tenant", "a")]) for n in range(1, COUNT + 1)])
        index.add(connection, [Entry(COUNT + 1, "CN=设备,O=某局", [("tenant", "b")])])
        yield connection


@pytest.mark.parametrize("wanted", ["设备00042", "04242", "备0012", "某局", "CN=设备04", "0001"])
def test_every_row_that_holds_the_text_is_a_candidate(index: TextIndex, connection: Connection, wanted: str) -> None:
    found = index.candidates(connection, [wanted], [("tenant", "a")], 2 * COUNT)
    assert found is not None
    assert {n for n in range(1, COUNT + 1) if wanted in subject(n)} <= set(found)


def test_what_is_rare_is_found_beside_what_every_row_holds(index: TextIndex, connection: Connection) -> None:
    found = index.candidates(connection, ["设备04242"], [("tenant", "a")], 100)
    assert found is not None and 4242 in found


def test_what_is_common_is_no_narrowing(index: TextIndex, connection: Connection) -> None:
    assert index.candidates(connection, ["设备"], [("tenant", "a")], 100) is None
    assert index.candidates(connection, ["设"], [], 100) is None, "it has no pieces"


def test_a_facet_narrows_what_the_text_does_not(index: TextIndex, connection: Connection) -> None:
    assert index.candidates(connection, ["设备"], [("tenant", "b")], 100) == [COUNT + 1]
    assert index.candidates(connection, ["没有的"], [("tenant", "a")], 100) == []
