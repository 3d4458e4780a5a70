"""Tables of kept evidence. Every query of a tenant's filters by tenant in the SQL itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import (
    Column,
    Index,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    insert,
    or_,
    select,
    update,
)

from miyun.core.listing import Place as ListPlace
from miyun.core.listing import Sort
from miyun.core.storage.database import Database, UtcDateTime, metadata
from miyun.core.storage.keyset import page_of
from miyun.offerings.signature.archive.model import Batch, Documents, Kept, Kind, Place

kept_table = Table(
    "signature_kept",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("name", String(200), nullable=False),
    Column("kind", String(8), nullable=False),
    Column("signers", String(1024), nullable=False),
    Column("size", Integer, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("chain", Integer, nullable=False),
    Column("pending", String(16)),
    Column("kept_at", UtcDateTime, nullable=False),
    Column("sealed_at", UtcDateTime),
    Column("proven_at", UtcDateTime),
    Index("ix_signature_kept_tenant_id", "tenant", "id"),
    Index("ix_signature_kept_tenant_name_id", "tenant", "name", "id"),
    Index("ix_signature_kept_pending_id", "pending", "id"),
)

document_table = Table(
    "signature_kept_document",
    metadata,
    Column("kept", String(40), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("file", String(40), nullable=False),
    Column("octets", LargeBinary, nullable=False),
)

batch_table = Table(
    "signature_kept_batch",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("algorithm", String(16), nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("tokens", LargeBinary, nullable=False),
    Column("objects", Integer, nullable=False),
    Column("sealed_at", UtcDateTime, nullable=False),
    Column("renew_at", UtcDateTime, nullable=False),
    Column("problem", String(300), nullable=False),
    Index("ix_signature_kept_batch_renew_at", "renew_at"),
)

place_table = Table(
    "signature_kept_place",
    metadata,
    Column("kept", String(40), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("batch", String(40), nullable=False),
    Column("tree", LargeBinary, nullable=False),
)


class ArchiveStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, item: Kept, documents: Documents) -> None:
        with self._database.write() as connection:
            connection.execute(
                insert(kept_table).values(
                    id=item.id,
                    tenant=item.tenant,
                    name=item.name,
                    kind=item.kind,
                    signers=item.signers,
                    size=item.size,
                    fingerprint=item.fingerprint,
                    chain=item.chain,
                    pending=item.pending,
                    kept_at=item.kept_at,
                    proven_at=item.proven_at,
                )
            )
            connection.execute(
                insert(document_table),
                [
                    {"kept": item.id, "number": number, "file": file, "octets": octets}
                    for number, (file, octets) in enumerate(documents)
                ],
            )

    def find(self, tenant: str, kept: str) -> Kept | None:
        table = kept_table
        with self._database.read() as connection:
            row = connection.execute(select(table).where(table.c.id == kept, table.c.tenant == tenant)).one_or_none()
        return _kept(row) if row else None

    def page(self, tenant: str, *, text: str, sort: Sort, place: ListPlace | None, limit: int) -> list[Kept]:
        """`limit` + 1 rows at most."""
        table = kept_table
        query = select(table).where(table.c.tenant == tenant)
        if text:
            matches = (column.icontains(text, autoescape=True) for column in (table.c.name, table.c.signers))
            query = query.where(or_(*matches))
        columns = {"kept_at": table.c.id, "name": table.c.name}
        with self._database.read() as connection:
            rows = connection.execute(page_of(query, sort, place, columns=columns, key=table.c.id, limit=limit)).all()
        return [_kept(row) for row in rows]

    def kept_between(self, tenant: str, start: datetime, end: datetime) -> list[Kept]:
        table = kept_table
        query = select(table).where(table.c.tenant == tenant, table.c.kept_at >= start, table.c.kept_at < end)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(table.c.id)).all()
        return [_kept(row) for row in rows]

    def documents(self, kept: str) -> Documents:
        """Of an object that was found for its tenant."""
        table = document_table
        query = select(table.c.file, table.c.octets).where(table.c.kept == kept).order_by(table.c.number)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return tuple((row.file, row.octets) for row in rows)

    def waiting(self, limit: int) -> list[Kept]:
        """Of every tenant, oldest first, all for the same hash."""
        table = kept_table
        with self._database.read() as connection:
            first = connection.execute(
                select(table.c.pending).where(table.c.pending.is_not(None)).order_by(table.c.pending).limit(1)
            ).scalar_one_or_none()
            if first is None:
                return []
            rows = connection.execute(
                select(table).where(table.c.pending == first).order_by(table.c.id).limit(limit)
            ).all()
        return [_kept(row) for row in rows]

    def rehash(self, tenant: str, kept: str, algorithm: str) -> bool:
        """Let a sealed object wait for a chain by another hash. False when it waits already, or is not sealed."""
        table = kept_table
        with self._database.write() as connection:
            done = connection.execute(
                update(table)
                .where(table.c.id == kept, table.c.tenant == tenant, table.c.chain > 0, table.c.pending.is_(None))
                .values(pending=algorithm)
            )
        return done.rowcount == 1

    def seal(self, batch: Batch, places: Sequence[Place]) -> None:
        """The batch, and that its objects wait no longer: all or nothing."""
        table = kept_table
        with self._database.write() as connection:
            connection.execute(
                insert(batch_table).values(
                    id=batch.id,
                    algorithm=batch.algorithm,
                    root=batch.root,
                    tokens=msgspec.msgpack.encode(batch.tokens),
                    objects=batch.objects,
                    sealed_at=batch.sealed_at,
                    renew_at=batch.renew_at,
                    problem="",
                )
            )
            connection.execute(
                insert(place_table),
                [
                    {
                        "kept": item.kept,
                        "number": item.number,
                        "batch": item.batch,
                        "tree": msgspec.msgpack.encode(item.tree),
                    }
                    for item in places
                ],
            )
            for item in places:
                connection.execute(
                    update(table)
                    .where(table.c.id == item.kept)
                    .values(chain=item.number + 1, pending=None, sealed_at=batch.sealed_at)
                )

    def places(self, kept: str) -> list[tuple[Place, Batch]]:
        """In the order of its chains."""
        query = (
            select(place_table, batch_table)
            .join(batch_table, batch_table.c.id == place_table.c.batch)
            .where(place_table.c.kept == kept)
            .order_by(place_table.c.number)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [
            (
                Place(
                    kept, row.number, row.batch, msgspec.msgpack.decode(row.tree, type=tuple[tuple[bytes, ...], ...])
                ),
                _batch(row),
            )
            for row in rows
        ]

    def due(self, at: datetime, limit: int) -> list[Batch]:
        """Batches whose newest time-stamp is to be renewed, most urgent first."""
        table = batch_table
        with self._database.read() as connection:
            rows = connection.execute(
                select(table).where(table.c.renew_at <= at).order_by(table.c.renew_at).limit(limit)
            ).all()
        return [_batch(row) for row in rows]

    def renew(self, batch: Batch, former: int) -> bool:
        """The batch with one more token than the `former` number, or its problem. False when somebody was first."""
        table = batch_table
        with self._database.write() as connection:
            row = connection.execute(select(table.c.tokens).where(table.c.id == batch.id)).scalar_one()
            if len(msgspec.msgpack.decode(row, type=list[bytes])) != former:
                return False
            connection.execute(
                update(table)
                .where(table.c.id == batch.id)
                .values(
                    tokens=msgspec.msgpack.encode(batch.tokens), renew_at=batch.renew_at, problem=batch.problem[:300]
                )
            )
        return True


def _kept(row: Row[tuple[object, ...]]) -> Kept:
    return Kept(
        id=row.id,
        tenant=row.tenant,
        name=row.name,
        kind=Kind(row.kind),
        signers=row.signers,
        size=row.size,
        fingerprint=row.fingerprint,
        chain=row.chain,
        pending=row.pending,
        kept_at=row.kept_at,
        sealed_at=row.sealed_at,
        proven_at=row.proven_at,
    )


def _batch(row: Row[tuple[object, ...]]) -> Batch:
    return Batch(
        id=row.id,
        algorithm=row.algorithm,
        root=row.root,
        tokens=msgspec.msgpack.decode(row.tokens, type=tuple[bytes, ...]),
        objects=row.objects,
        sealed_at=row.sealed_at,
        renew_at=row.renew_at,
        problem=row.problem,
    )
