"""Tables of the key management room and their queries. Every tenant's query filters by tenant in the SQL itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    Text,
    delete,
    exists,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from miyun.core.storage import Database, UtcDateTime, metadata
from miyun.hsm.port import KeyAlgorithm
from miyun.offerings.kms.model import (
    ROTATES_BY_ITSELF,
    Alias,
    Erasure,
    Key,
    KeyOrigin,
    KeyRecord,
    KeyState,
    KeyUsage,
    KeyVersion,
    record_of,
)

key_table = Table(
    "kms_key",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("algorithm", String(16), nullable=False),
    Column("usage", String(16), nullable=False),
    Column("label", String(128), nullable=False),
    Column("description", String(1024), nullable=False),
    Column("owner", String(64), nullable=False),
    Column("origin", String(16), nullable=False),
    Column("state", String(24), nullable=False),
    Column("version", Integer, nullable=False),
    Column("min_decryption_version", Integer, nullable=False),
    Column("rotation_days", Integer),
    Column("next_rotation_at", UtcDateTime),
    Column("deletion_at", UtcDateTime),
    Column("destroyed_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revision", Integer, nullable=False),
    Index("ix_kms_key_tenant_id", "tenant", "id"),
    Index("ix_kms_key_next_rotation_at", "next_rotation_at"),
    Index("ix_kms_key_deletion_at", "deletion_at"),
)
version_table = Table(
    "kms_version",
    metadata,
    Column("key", String(40), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("blob", LargeBinary, nullable=False),
    Column("public", LargeBinary),
    Column("created_at", UtcDateTime, nullable=False),
    Column("uses", BigInteger, nullable=False),
)
tag_table = Table(
    "kms_tag",
    metadata,
    Column("key", String(40), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("value", String(256), nullable=False),
)
application_table = Table(
    "kms_application",  # which applications may use a key besides its owner
    metadata,
    Column("key", String(40), primary_key=True),
    Column("application", String(40), primary_key=True),
)
alias_table = Table(
    "kms_alias",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("key", String(40), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_kms_alias_key", "key"),
)
erasure_table = Table(
    "kms_erasure",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("key", String(40), nullable=False),
    Column("label", String(128), nullable=False),
    Column("algorithm", String(16), nullable=False),
    Column("fingerprints", Text, nullable=False),
    Column("reason", String(64), nullable=False),
    Column("destroyed_at", UtcDateTime, nullable=False),
    Column("recorded", Boolean, nullable=False),
    Index("ix_kms_erasure_tenant_id", "tenant", "id"),
)


class KmsStore:
    """Synchronous. Changes are optimistic: they name the revision they were decided on, and answer whether it held."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- keys ------------------------------------------------------------------------------------------------------

    def find(self, tenant: str, key: str) -> KeyRecord | None:
        with self._database.read() as connection:
            row = connection.execute(
                select(key_table).where(key_table.c.id == key, key_table.c.tenant == tenant)
            ).one_or_none()
            if row is None:
                return None
            versions = connection.execute(
                select(version_table).where(version_table.c.key == key).order_by(version_table.c.version)
            ).all()
            tags, opened = _tags(connection, [key]), _applications(connection, [key])
        return record_of(_key(row, tags.get(key, {}), opened.get(key, ())), [_version(v) for v in versions])

    def exists(self, key: str) -> bool:
        """In whatever tenant: only to keep identifiers unique."""
        with self._database.read() as connection:
            return bool(connection.execute(select(exists().where(key_table.c.id == key))).scalar_one())

    def add(self, key: Key, versions: Iterable[KeyVersion]) -> bool:
        """False when there is a key of that identifier."""
        try:
            with self._database.write() as connection:
                connection.execute(insert(key_table).values(**_columns(key)))
                connection.execute(insert(version_table), [_version_columns(key.id, v) for v in versions])
                _put_tags(connection, key)
                _put_applications(connection, key)
        except IntegrityError:
            return False
        return True

    def change(
        self,
        new: Key,
        *,
        blobs: Mapping[int, bytes] | None = None,
        added: KeyVersion | None = None,
        erasure: Erasure | None = None,
    ) -> bool:
        """Put `new` (whose revision is the old one's + 1) in place, with re-bound blobs, a new version, or an
        erasure, in one transaction. False when the key was changed in between: then nothing happens."""
        table = key_table
        try:
            with self._database.write() as connection:
                if erasure and connection.dialect.name == "sqlite":
                    # Overwrites what is freed in the file, instead of only forgetting where it was.
                    connection.exec_driver_sql("PRAGMA secure_delete=ON")
                matched = connection.execute(
                    update(table)
                    .where(table.c.id == new.id, table.c.tenant == new.tenant, table.c.revision == new.revision - 1)
                    .values(**_columns(new))
                ).rowcount
                if not matched:
                    return False
                for version, blob in (blobs or {}).items():
                    connection.execute(
                        update(version_table)
                        .where(version_table.c.key == new.id, version_table.c.version == version)
                        .values(blob=blob)
                    )
                if added:
                    connection.execute(insert(version_table).values(**_version_columns(new.id, added)))
                if erasure:
                    connection.execute(insert(erasure_table).values(**_erasure_columns(erasure)))
                    connection.execute(delete(alias_table).where(alias_table.c.key == new.id))
                _put_tags(connection, new)
                _put_applications(connection, new)
        except IntegrityError:
            return False
        if erasure:
            self._checkpoint()
        return True

    def _checkpoint(self) -> None:
        """Older pages in SQLite's write-ahead log still hold what was erased. As long as somebody reads them they stay;
        the next checkpoint takes them."""
        with self._database.engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                driver: Any = connection.connection.driver_connection
                driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def page(
        self,
        tenant: str,
        *,
        state: KeyState | None,
        algorithm: KeyAlgorithm | None,
        text: str | None,
        tag: tuple[str, str] | None,
        limit: int,
        cursor: str | None,
    ) -> list[Key]:
        """Newest first, `limit` + 1 rows at most, so that the caller sees whether there are more."""
        table = key_table
        query = select(table).where(table.c.tenant == tenant)
        if state:
            query = query.where(table.c.state == state)
        if algorithm:
            query = query.where(table.c.algorithm == algorithm)
        if text:
            query = query.where(table.c.label.icontains(text, autoescape=True))
        if tag:
            query = query.where(
                exists().where(tag_table.c.key == table.c.id, tag_table.c.name == tag[0], tag_table.c.value == tag[1])
            )
        if cursor:
            query = query.where(table.c.id < cursor)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(table.c.id.desc()).limit(limit + 1)).all()
            names = [row.id for row in rows]
            tags, opened = _tags(connection, names), _applications(connection, names)
        return [_key(row, tags.get(row.id, {}), opened.get(row.id, ())) for row in rows]

    def reserve_uses(self, key: str, version: int, count: int, limit: int) -> bool:
        """Add to the uses of a version, unless they would pass `limit`."""
        table = version_table
        with self._database.write() as connection:
            done = connection.execute(
                update(table)
                .where(table.c.key == key, table.c.version == version, table.c.uses + count <= limit)
                .values(uses=table.c.uses + count)
            )
        return bool(done.rowcount)

    def worn(self, uses: int, limit: int = 100) -> list[tuple[str, str]]:
        """(tenant, key) whose current version was used so often, of keys that rotate by themselves."""
        keys, versions = key_table, version_table
        query = (
            select(keys.c.tenant, keys.c.id)
            .join(versions, (versions.c.key == keys.c.id) & (versions.c.version == keys.c.version))
            .where(
                versions.c.uses >= uses,
                keys.c.state == KeyState.ENABLED,
                keys.c.algorithm.in_(ROTATES_BY_ITSELF),
                keys.c.origin != KeyOrigin.IMPORTED,
            )
        )
        with self._database.read() as connection:
            return [(row.tenant, row.id) for row in connection.execute(query.limit(limit))]

    def due_for_rotation(self, now: datetime, limit: int = 100) -> list[tuple[str, str]]:
        """(tenant, key)."""
        table = key_table
        query = select(table.c.tenant, table.c.id).where(
            table.c.next_rotation_at <= now, table.c.state == KeyState.ENABLED
        )
        with self._database.read() as connection:
            return [(row.tenant, row.id) for row in connection.execute(query.limit(limit))]

    def due_for_destruction(self, now: datetime, limit: int = 100) -> list[tuple[str, str]]:
        """(tenant, key)."""
        table = key_table
        query = select(table.c.tenant, table.c.id).where(
            table.c.deletion_at <= now, table.c.state == KeyState.PENDING_DELETION
        )
        with self._database.read() as connection:
            return [(row.tenant, row.id) for row in connection.execute(query.limit(limit))]

    # --- aliases ---------------------------------------------------------------------------------------------------

    def alias(self, tenant: str, name: str) -> str | None:
        """The key that it names."""
        with self._database.read() as connection:
            return connection.execute(
                select(alias_table.c.key).where(alias_table.c.tenant == tenant, alias_table.c.name == name)
            ).scalar_one_or_none()

    def add_alias(self, tenant: str, alias: Alias) -> bool:
        """False when the name is taken."""
        try:
            with self._database.write() as connection:
                connection.execute(
                    insert(alias_table).values(
                        tenant=tenant, name=alias.name, key=alias.key, created_at=alias.created_at
                    )
                )
        except IntegrityError:
            return False
        return True

    def move_alias(self, tenant: str, name: str, key: str) -> bool:
        table = alias_table
        with self._database.write() as connection:
            return bool(
                connection.execute(
                    update(table).where(table.c.tenant == tenant, table.c.name == name).values(key=key)
                ).rowcount
            )

    def delete_alias(self, tenant: str, name: str) -> bool:
        table = alias_table
        with self._database.write() as connection:
            return bool(
                connection.execute(delete(table).where(table.c.tenant == tenant, table.c.name == name)).rowcount
            )

    def aliases(
        self, tenant: str, *, key: str | None = None, limit: int = 500, cursor: str | None = None
    ) -> list[Alias]:
        """By name, `limit` + 1 rows at most."""
        table = alias_table
        query = select(table).where(table.c.tenant == tenant)
        if key:
            query = query.where(table.c.key == key)
        if cursor:
            query = query.where(table.c.name > cursor)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(table.c.name).limit(limit + 1)).all()
        return [Alias(row.name, row.key, row.created_at) for row in rows]

    # --- erasures --------------------------------------------------------------------------------------------------

    def erasures(self, tenant: str, start: datetime, end: datetime) -> list[Erasure]:
        table = erasure_table
        query = select(table).where(table.c.tenant == tenant, table.c.destroyed_at >= start, table.c.destroyed_at < end)
        with self._database.read() as connection:
            return [_erasure(row) for row in connection.execute(query.order_by(table.c.id))]

    def unrecorded_erasures(self, limit: int = 100) -> list[Erasure]:
        """Those that the ledger may not know of yet."""
        table = erasure_table
        with self._database.read() as connection:
            return [_erasure(row) for row in connection.execute(select(table).where(~table.c.recorded).limit(limit))]

    def mark_recorded(self, erasure: str) -> None:
        with self._database.write() as connection:
            connection.execute(update(erasure_table).where(erasure_table.c.id == erasure).values(recorded=True))


def _columns(key: Key) -> dict[str, Any]:
    names = set(key_table.c.keys())
    return {name: getattr(key, name) for name in Key.__dataclass_fields__ if name in names}


def _version_columns(key: str, version: KeyVersion) -> dict[str, Any]:
    return {
        "key": key,
        "version": version.version,
        "blob": version.blob,
        "public": version.public,
        "created_at": version.created_at,
        "uses": version.uses,
    }


def _erasure_columns(erasure: Erasure) -> dict[str, Any]:
    return {
        "id": erasure.id,
        "tenant": erasure.tenant,
        "key": erasure.key,
        "label": erasure.label,
        "algorithm": erasure.algorithm,
        "fingerprints": json.dumps({str(v): f for v, f in erasure.fingerprints.items()}),
        "reason": erasure.reason,
        "destroyed_at": erasure.destroyed_at,
        "recorded": False,
    }


def _put_tags(connection: Connection, key: Key) -> None:
    connection.execute(delete(tag_table).where(tag_table.c.key == key.id))
    if key.tags:
        connection.execute(
            insert(tag_table), [{"key": key.id, "name": name, "value": value} for name, value in key.tags.items()]
        )


def _tags(connection: Connection, keys: list[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    if keys:
        for row in connection.execute(select(tag_table).where(tag_table.c.key.in_(keys)).order_by(tag_table.c.name)):
            found.setdefault(row.key, {})[row.name] = row.value
    return found


def _put_applications(connection: Connection, key: Key) -> None:
    connection.execute(delete(application_table).where(application_table.c.key == key.id))
    if key.applications:
        rows = [{"key": key.id, "application": name} for name in sorted(key.applications)]
        connection.execute(insert(application_table), rows)


def _applications(connection: Connection, keys: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    if keys:
        for row in connection.execute(select(application_table).where(application_table.c.key.in_(keys))):
            found.setdefault(row.key, []).append(row.application)
    return found


def _key(row: Row[Any], tags: Mapping[str, str], applications: Iterable[str]) -> Key:
    values = dict(row._mapping)
    return Key(
        **{
            **values,
            "algorithm": KeyAlgorithm(row.algorithm),
            "usage": KeyUsage(row.usage),
            "origin": KeyOrigin(row.origin),
            "state": KeyState(row.state),
            "tags": tags,
            "applications": frozenset(applications),
        }
    )


def _version(row: Row[Any]) -> KeyVersion:
    return KeyVersion(row.version, row.blob, row.public, row.created_at, row.uses)


def _erasure(row: Row[Any]) -> Erasure:
    return Erasure(
        id=row.id,
        tenant=row.tenant,
        key=row.key,
        label=row.label,
        algorithm=KeyAlgorithm(row.algorithm),
        fingerprints={int(v): f for v, f in json.loads(row.fingerprints).items()},
        reason=row.reason,
        destroyed_at=row.destroyed_at,
    )
