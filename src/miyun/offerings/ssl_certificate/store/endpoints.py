"""Tables of watched endpoints and of how they looked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Index, Integer, String, Table, UniqueConstraint, delete, select, update
from sqlalchemy.exc import IntegrityError

from miyun.core.listing import Place, Sort
from miyun.core.storage import UtcDateTime, metadata
from miyun.core.storage.keyset import page_of
from miyun.offerings.ssl_certificate.endpoint.model import Check, Endpoint, Outcome
from miyun.offerings.ssl_certificate.store.rows import Rows, row_of

ENDPOINT = Table(
    "ssl_certificate_endpoint",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(40), nullable=False),
    Column("instance", String(40), nullable=False),
    Column("host", String(253), nullable=False),
    Column("port", Integer, nullable=False),
    Column("protocol", String(8), nullable=False),
    Column("note", String(128), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("next_check_at", UtcDateTime, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("reason", String(512), nullable=False),
    Column("checked_at", UtcDateTime),
    Column("not_after", UtcDateTime),
    Column("subject", String(1024), nullable=False),
    Column("issuer", String(1024), nullable=False),
    Column("names", JSON, nullable=False),
    Column("serial", String(64), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("version", String(16), nullable=False),
    Column("cipher", String(64), nullable=False),
    Column("alarmed", Integer),
    Column("rehearsal", String(40)),
    UniqueConstraint("tenant", "host", "port"),
    Index("ix_ssl_certificate_endpoint_tenant_id", "tenant", "id"),
    Index("ix_ssl_certificate_endpoint_next_check_at", "next_check_at"),
)

CHECK = Table(
    "ssl_certificate_check",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(40), nullable=False),
    Column("endpoint", String(40), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("reason", String(512), nullable=False),
    Column("serial", String(64), nullable=False),
    Column("not_after", UtcDateTime),
    Index("ix_ssl_certificate_check_endpoint_id", "endpoint", "id"),
    Index("ix_ssl_certificate_check_at", "at"),
)


class EndpointStore(Rows):
    def add(self, endpoint: Endpoint) -> bool:
        """False when the tenant watches it already."""
        try:
            with self._database.write() as connection:
                connection.execute(ENDPOINT.insert().values(**row_of(endpoint)))
        except IntegrityError:
            return False
        return True

    def endpoint(self, tenant: str, endpoint_id: str) -> Endpoint | None:
        row = self._first(select(ENDPOINT).where(ENDPOINT.c.tenant == tenant, ENDPOINT.c.id == endpoint_id))
        return _endpoint(row) if row else None

    def endpoints(
        self, tenant: str, outcome: str | None, sort: Sort, place: Place | None, limit: int
    ) -> list[Endpoint]:
        query = select(ENDPOINT).where(ENDPOINT.c.tenant == tenant)
        if outcome:
            query = query.where(ENDPOINT.c.outcome == outcome)
        columns = {"id": ENDPOINT.c.id, "host": ENDPOINT.c.host}
        query = page_of(query, sort, place, columns=columns, key=ENDPOINT.c.id, limit=limit)
        return [_endpoint(row) for row in self._all(query)]

    def remove(self, tenant: str, endpoint_id: str) -> bool:
        with self._database.write() as connection:
            connection.execute(delete(CHECK).where(CHECK.c.tenant == tenant, CHECK.c.endpoint == endpoint_id))
            which = (ENDPOINT.c.tenant == tenant, ENDPOINT.c.id == endpoint_id)
            return connection.execute(delete(ENDPOINT).where(*which)).rowcount == 1

    def change(self, endpoint: Endpoint, **values: Any) -> bool:
        which = (ENDPOINT.c.tenant == endpoint.tenant, ENDPOINT.c.id == endpoint.id)
        with self._database.write() as connection:
            return connection.execute(update(ENDPOINT).where(*which).values(**values)).rowcount == 1

    def due(self, now: datetime, limit: int) -> list[Endpoint]:
        query = select(ENDPOINT).where(ENDPOINT.c.next_check_at <= now).order_by(ENDPOINT.c.next_check_at)
        return [_endpoint(row) for row in self._all(query.limit(limit))]

    def note(self, check: Check) -> None:
        with self._database.write() as connection:
            connection.execute(CHECK.insert().values(**row_of(check)))

    def history(self, endpoint: Endpoint, limit: int) -> Sequence[Check]:
        """Newest first."""
        query = select(CHECK).where(CHECK.c.tenant == endpoint.tenant, CHECK.c.endpoint == endpoint.id)
        return [Check(**row) for row in self._all(query.order_by(CHECK.c.id.desc()).limit(limit))]

    def sweep(self, before: datetime, limit: int) -> None:
        with self._database.write() as connection:
            old = select(CHECK.c.id).where(CHECK.c.at < before).order_by(CHECK.c.at).limit(limit)
            identifiers = [row.id for row in connection.execute(old)]
            connection.execute(delete(CHECK).where(CHECK.c.id.in_(identifiers)))


def _endpoint(row: dict[str, Any]) -> Endpoint:
    return Endpoint(**{**row, "names": tuple(row["names"]), "outcome": Outcome(row["outcome"])})
