"""The table of escrowed keys. Every tenant's query filters by tenant in the SQL itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Index, LargeBinary, Row, String, Table, insert, select
from sqlalchemy.exc import IntegrityError

from miyun.core.listing import Place, Sort, Sorting
from miyun.core.storage.database import Database, UtcDateTime, metadata
from miyun.core.storage.keyset import page_of
from miyun.hsm.port import KeyAlgorithm, WrappedKey
from miyun.offerings.certificate.escrow.model import EscrowedKey, escrow_binding

SORTING: Final = Sorting({"created_at": datetime, "subject": str}, default="-created_at", key=str)

escrow_table = Table(
    "certificate_escrow",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(64)),
    Column("subject", String(1024), nullable=False),
    Column("application", String(40), unique=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("key_algorithm", String(16), nullable=False),
    Column("key_blob", LargeBinary, nullable=False),
    Column("key_public", LargeBinary, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_certificate_escrow_tenant_created_at", "tenant", "created_at", "id"),
)


class EscrowStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, item: EscrowedKey) -> bool:
        """False when another process has kept a key for the application."""
        values = {
            "id": item.id,
            "tenant": item.tenant,
            "subject": item.subject,
            "application": item.application,
            "digest": item.digest,
            "key_algorithm": item.key.algorithm,
            "key_blob": item.key.blob,
            "key_public": item.key.public,
            "created_at": item.created_at,
        }
        try:
            with self._database.write() as connection:
                connection.execute(insert(escrow_table).values(**values))
        except IntegrityError:
            return False
        return True

    def find(self, tenant: str, escrow: str) -> EscrowedKey | None:
        return self._one(escrow_table.c.tenant == tenant, escrow_table.c.id == escrow)

    def page(self, tenant: str, *, text: str, sort: Sort, place: Place | None, limit: int) -> list[EscrowedKey]:
        """`limit` + 1 at most; `text` is part of the subject."""
        table = escrow_table
        query = select(table).where(table.c.tenant == tenant)
        if text:
            query = query.where(table.c.subject.icontains(text, autoescape=True))
        columns: dict[str, Any] = {"created_at": table.c.created_at, "subject": table.c.subject}
        with self._database.read() as connection:
            rows = connection.execute(page_of(query, sort, place, columns=columns, key=table.c.id, limit=limit)).all()
        return [_escrowed(row) for row in rows]

    def of_key(self, tenant: str, digest: str) -> EscrowedKey | None:
        return self._one(escrow_table.c.tenant == tenant, escrow_table.c.digest == digest)

    def of_application(self, tenant: str, application: str) -> EscrowedKey | None:
        return self._one(escrow_table.c.tenant == tenant, escrow_table.c.application == application)

    def _one(self, *conditions: ColumnElement[bool]) -> EscrowedKey | None:
        query = select(escrow_table).where(*conditions)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return _escrowed(row) if row else None


def _escrowed(row: Row[tuple[object, ...]]) -> EscrowedKey:
    binding = escrow_binding(row.tenant, row.id)
    return EscrowedKey(
        id=row.id,
        tenant=row.tenant,
        subject=row.subject,
        key=WrappedKey(KeyAlgorithm(row.key_algorithm), binding, row.key_blob, row.key_public),
        digest=row.digest,
        created_at=row.created_at,
        application=row.application,
    )
