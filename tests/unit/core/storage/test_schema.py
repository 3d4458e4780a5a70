"""The migrations lead to the tables the rooms declare, on every database, and never from a newer schema."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import insert, inspect, select, text

from miyun.core.storage import Database, metadata, schema, search
from miyun.core.storage.autogenerate import import_stores
from miyun.core.tenancy.store import tenants

HINT = "tables and migrations differ; while unreleased run: python -m miyun.core.storage.autogenerate"


def _is_declared(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "table" or name is None or not search.is_table(name)


def test_an_empty_database_gets_every_table(database: Database) -> None:
    stores = import_stores()
    assert "miyun.core.tenancy.store" in stores
    assert schema.current(database) is None
    assert schema.upgrade(database) == ""
    assert schema.current(database) == schema.head()
    with database.read() as connection:
        options = {"compare_type": True, "compare_server_default": True, "include_name": _is_declared}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == [], HINT
        names = set(inspect(connection).get_table_names())
        assert {name for name in names if not search.is_table(name)} == {*metadata.tables, "alembic_version"}
        assert {index.name for index in search.text_indexes()} <= names
    schema.check(database)


def test_upgrading_again_changes_nothing(database: Database) -> None:
    schema.upgrade(database)
    with database.write() as connection:
        connection.execute(
            insert(tenants).values(id="ten_1", code="t", name="甲", state="active", created_at=datetime.now(UTC))
        )
    assert schema.upgrade(database) == schema.head()
    with database.read() as connection:
        assert connection.execute(select(tenants.c.name)).scalar_one() == "甲"


def test_two_upgrades_at_once_do_it_once(database: Database) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(schema.upgrade(database))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["", *[schema.head()] * 3]


def test_a_newer_schema_is_refused_and_left_alone(database: Database) -> None:
    schema.upgrade(database)
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for refuse in (schema.check, schema.upgrade):
        with pytest.raises(schema.SchemaNewer) as caught:
            refuse(database)
        assert "9999" in caught.value.message.en and caught.value.advice.zh
    assert schema.current(database) == "9999"


def test_an_empty_or_older_schema_is_not_started_on(database: Database) -> None:
    with pytest.raises(schema.SchemaOutdated):
        schema.check(database)


def test_a_failed_upgrade_leaves_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: object, **_options: object) -> None:
        original(*_args, **_options)
        raise RuntimeError("the power fails")

    original = schema.command.upgrade
    monkeypatch.setattr(schema.command, "upgrade", broken)
    with pytest.raises(RuntimeError):
        schema.upgrade(database)
    with database.read() as connection:
        assert inspect(connection).get_table_names() == []


def test_times_come_back_aware_and_naive_ones_are_refused(database: Database) -> None:
    schema.upgrade(database)
    moment = datetime(2026, 3, 2, 9, 30, 0, 123456, tzinfo=timezone(timedelta(hours=8)))
    row = {"id": "ten_1", "code": "t", "name": "甲", "state": "active"}
    with database.write() as connection:
        connection.execute(insert(tenants).values(created_at=moment, **row))
    with database.read() as connection:
        found = connection.execute(select(tenants.c.created_at)).scalar_one()
    assert found == moment and found.utcoffset() == timedelta(0)
    with pytest.raises(Exception, match="naive"), database.write() as connection:
        connection.execute(insert(tenants).values(created_at=moment.replace(tzinfo=None), **{**row, "id": "ten_2"}))


def test_names_fit_postgresql() -> None:
    import_stores()
    names = [index.name for table in metadata.tables.values() for index in table.indexes]
    names += [c.name for table in metadata.tables.values() for c in table.constraints]
    names += [c.name for table in metadata.tables.values() for c in table.columns]
    assert not [name for name in names if name and len(name) > 63]
