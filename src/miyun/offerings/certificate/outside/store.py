"""Tables of CAs outside and of what they delivered. Every query filters by tenant in the SQL itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Column, Index, LargeBinary, Row, String, Table, insert, select, update
from sqlalchemy.exc import IntegrityError

from miyun.core.storage.database import Database, UtcDateTime, metadata
from miyun.offerings.certificate.outside.model import Delivery, OutsideCa

outside_table = Table(
    "certificate_outside_ca",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("name", String(100), nullable=False),
    Column("templates", String(1024), nullable=False),
    Column("certificates", LargeBinary, nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("removed_at", UtcDateTime),
    Index("ix_certificate_outside_ca_tenant", "tenant"),
)

delivery_table = Table(
    "certificate_outside_delivery",
    metadata,
    Column("application", String(40), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("certificate", LargeBinary, nullable=False),
    Column("chain", LargeBinary, nullable=False),
    Column("encryption", LargeBinary),
    Column("enveloped_key", LargeBinary),
    Column("serial", String(48), nullable=False),
    Column("not_after", UtcDateTime, nullable=False),
    Column("delivered_by", String(64), nullable=False),
    Column("delivered_at", UtcDateTime, nullable=False),
    Index("ix_certificate_outside_delivery_tenant_not_after", "tenant", "not_after"),
)
_pack = msgspec.msgpack.encode
_unpack = msgspec.msgpack.Decoder(tuple[bytes, ...]).decode


class OutsideStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, item: OutsideCa) -> None:
        with self._database.write() as connection:
            connection.execute(
                insert(outside_table).values(
                    id=item.id,
                    tenant=item.tenant,
                    name=item.name,
                    templates="\n".join(item.templates),
                    certificates=_pack(item.certificates),
                    created_by=item.created_by,
                    created_at=item.created_at,
                )
            )

    def remove(self, tenant: str, outside: str, at: datetime) -> bool:
        table = outside_table
        with self._database.write() as connection:
            done = connection.execute(
                update(table)
                .where(table.c.id == outside, table.c.tenant == tenant, table.c.removed_at.is_(None))
                .values(removed_at=at)
            )
        return done.rowcount == 1

    def find(self, tenant: str, outside: str) -> OutsideCa | None:
        """Also one that was removed: what it issued was issued."""
        query = select(outside_table).where(outside_table.c.id == outside, outside_table.c.tenant == tenant)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return _outside(row) if row else None

    def all(self, tenant: str) -> list[OutsideCa]:
        table = outside_table
        query = select(table).where(table.c.tenant == tenant, table.c.removed_at.is_(None)).order_by(table.c.id)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [_outside(row) for row in rows]

    def deliver(self, item: Delivery) -> bool:
        """False when something was delivered for the application already."""
        try:
            with self._database.write() as connection:
                connection.execute(
                    insert(delivery_table).values(
                        application=item.application,
                        tenant=item.tenant,
                        certificate=item.certificate,
                        chain=_pack(item.chain),
                        encryption=item.encryption,
                        enveloped_key=item.enveloped_key,
                        serial=item.serial,
                        not_after=item.not_after,
                        delivered_by=item.delivered_by,
                        delivered_at=item.delivered_at,
                    )
                )
        except IntegrityError:
            return False
        return True

    def delivery(self, tenant: str, application: str) -> Delivery | None:
        table = delivery_table
        query = select(table).where(table.c.application == application, table.c.tenant == tenant)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return _delivery(row) if row else None


def _outside(row: Row[Any]) -> OutsideCa:
    return OutsideCa(
        id=row.id,
        tenant=row.tenant,
        name=row.name,
        templates=tuple(row.templates.split("\n")) if row.templates else (),
        certificates=_unpack(row.certificates),
        created_by=row.created_by,
        created_at=row.created_at,
        removed_at=row.removed_at,
    )


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        application=row.application,
        tenant=row.tenant,
        certificate=row.certificate,
        chain=_unpack(row.chain),
        encryption=row.encryption,
        enveloped_key=row.enveloped_key,
        serial=row.serial,
        not_after=row.not_after,
        delivered_by=row.delivered_by,
        delivered_at=row.delivered_at,
    )
