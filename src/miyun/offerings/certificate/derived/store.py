"""Tenants' own templates: never changed, only retired, since certificates go on naming them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Column, Row, String, Table, Text, insert, select, update
from sqlalchemy.exc import IntegrityError

from miyun.core.storage.database import Database, UtcDateTime, metadata
from miyun.offerings.certificate.derived.model import Derived, Narrowing

template_table = Table(
    "certificate_template",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("slug", String(64), primary_key=True),
    Column("base", String(64), nullable=False),
    Column("name_zh", String(64), nullable=False),
    Column("name_en", String(64), nullable=False),
    Column("narrowing", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("retired_at", UtcDateTime),
)
_T = template_table.c


class TemplateStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, item: Derived) -> bool:
        """False when the tenant has, or had, one of that name."""
        try:
            with self._database.write() as connection:
                connection.execute(
                    insert(template_table).values(
                        tenant=item.tenant,
                        slug=item.slug,
                        base=item.base,
                        name_zh=item.name_zh,
                        name_en=item.name_en,
                        narrowing=msgspec.json.encode(item.narrowing).decode(),
                        created_at=item.created_at,
                        created_by=item.created_by,
                    )
                )
        except IntegrityError:
            return False
        return True

    def find(self, tenant: str, slug: str) -> Derived | None:
        with self._database.read() as connection:
            row = connection.execute(select(template_table).where(_T.tenant == tenant, _T.slug == slug)).one_or_none()
        return _derived(row) if row else None

    def all(self, tenant: str) -> list[Derived]:
        """A tenant has a handful of them."""
        with self._database.read() as connection:
            rows = connection.execute(select(template_table).where(_T.tenant == tenant).order_by(_T.slug)).all()
        return [_derived(row) for row in rows]

    def retire(self, tenant: str, slug: str, at: datetime) -> bool:
        """False when it was retired already, or never was."""
        with self._database.write() as connection:
            done = connection.execute(
                update(template_table)
                .where(_T.tenant == tenant, _T.slug == slug, _T.retired_at.is_(None))
                .values(retired_at=at)
                .returning(_T.slug)
            ).one_or_none()
        return done is not None


def _derived(row: Row[Any]) -> Derived:
    return Derived(
        tenant=row.tenant,
        slug=row.slug,
        base=row.base,
        name_zh=row.name_zh,
        name_en=row.name_en,
        narrowing=msgspec.json.decode(row.narrowing, type=Narrowing),
        created_at=row.created_at,
        created_by=row.created_by,
        retired_at=row.retired_at,
    )
