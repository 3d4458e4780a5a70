"""The table of recoveries. Every tenant's query filters by tenant in the SQL itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Column, Index, LargeBinary, Row, String, Table, insert, or_, select, update

from miyun.core.listing import Place, Sort, Sorting
from miyun.core.storage.database import Database, UtcDateTime, metadata
from miyun.core.storage.keyset import page_of
from miyun.offerings.certificate.recovery.model import TRANSITIONS, Consent, Kind, Recovery, State

SORTING: Final = Sorting({"requested_at": datetime, "subject": str}, default="-requested_at", key=str)

recovery_table = Table(
    "certificate_recovery",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("escrow", String(40), nullable=False),
    Column("subject", String(1024), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("reference", String(200), nullable=False),
    Column("receiver", LargeBinary, nullable=False),
    Column("requester", String(64), nullable=False),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("state", String(16), nullable=False),
    Column("system_consent", String(64)),
    Column("system_consent_at", UtcDateTime),
    Column("security_consent", String(64)),
    Column("security_consent_at", UtcDateTime),
    Column("closed_by", String(64)),
    Column("closed_at", UtcDateTime),
    Column("note", String(500), nullable=False),
    Index("ix_certificate_recovery_tenant_requested_at", "tenant", "requested_at", "id"),
    Index("ix_certificate_recovery_state_expires_at", "state", "expires_at"),
)
_OTHER: Final = {Consent.SYSTEM: Consent.SECURITY, Consent.SECURITY: Consent.SYSTEM}


class RecoveryStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, item: Recovery) -> None:
        with self._database.write() as connection:
            connection.execute(
                insert(recovery_table).values(
                    id=item.id,
                    tenant=item.tenant,
                    escrow=item.escrow,
                    subject=item.subject,
                    kind=item.kind,
                    reason=item.reason,
                    reference=item.reference,
                    receiver=item.receiver,
                    requester=item.requester,
                    requested_at=item.requested_at,
                    expires_at=item.expires_at,
                    state=item.state,
                    note=item.note,
                )
            )

    def find(self, tenant: str, recovery: str) -> Recovery | None:
        query = select(recovery_table).where(recovery_table.c.id == recovery, recovery_table.c.tenant == tenant)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return _recovery(row) if row else None

    def page(
        self, tenant: str, *, state: State | None, text: str, sort: Sort, place: Place | None, limit: int
    ) -> list[Recovery]:
        """`limit` + 1 at most."""
        table = recovery_table
        query = select(table).where(table.c.tenant == tenant)
        if state is not None:
            query = query.where(table.c.state == state)
        if text:
            columns = (table.c.subject, table.c.reference)
            query = query.where(or_(*(column.icontains(text, autoescape=True) for column in columns)))
        columns_by_name: dict[str, Any] = {"requested_at": table.c.requested_at, "subject": table.c.subject}
        with self._database.read() as connection:
            rows = connection.execute(
                page_of(query, sort, place, columns=columns_by_name, key=table.c.id, limit=limit)
            ).all()
        return [_recovery(row) for row in rows]

    def requested_between(self, tenant: str, start: datetime, end: datetime) -> list[Recovery]:
        table = recovery_table
        query = select(table).where(table.c.tenant == tenant, table.c.requested_at >= start, table.c.requested_at < end)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(table.c.requested_at, table.c.id)).all()
        return [_recovery(row) for row in rows]

    def consent(self, item: Recovery, consent: Consent, person: str, at: datetime, *, until: datetime) -> bool:
        """False when it was given already, or by somebody who has another part in it: the row itself is asked, so that
        two at once cannot be one person. With the second it is approved, `until` then."""
        table = recovery_table
        mine, other = table.c[f"{consent}_consent"], table.c[f"{_OTHER[consent]}_consent"]
        with self._database.write() as connection:
            done = connection.execute(
                update(table)
                .where(
                    table.c.id == item.id,
                    table.c.tenant == item.tenant,
                    table.c.state == State.REQUESTED,
                    table.c.expires_at > at,
                    table.c.requester != person,
                    mine.is_(None),
                    or_(other.is_(None), other != person),
                )
                .values({mine: person, table.c[f"{consent}_consent_at"]: at})
            )
            connection.execute(
                update(table)
                .where(
                    table.c.id == item.id,
                    table.c.tenant == item.tenant,
                    table.c.state == State.REQUESTED,
                    table.c.system_consent.is_not(None),
                    table.c.security_consent.is_not(None),
                )
                .values(state=State.APPROVED, expires_at=until)
            )
        return done.rowcount == 1

    def close(self, item: Recovery, wanted: State, at: datetime, *, by: str | None = None, note: str = "") -> bool:
        """False when it is no longer in a state that leads there: somebody else was first."""
        table = recovery_table
        before = [state for state, after in TRANSITIONS.items() if wanted in after]
        query = update(table).where(table.c.id == item.id, table.c.tenant == item.tenant, table.c.state.in_(before))
        if wanted is State.DELIVERED:
            query = query.where(table.c.expires_at > at)
        with self._database.write() as connection:
            done = connection.execute(query.values(state=wanted, closed_by=by, closed_at=at, note=note))
        return done.rowcount == 1

    def overdue(self, now: datetime, limit: int = 200) -> Sequence[Recovery]:
        table = recovery_table
        query = (
            select(table)
            .where(table.c.state.in_((State.REQUESTED, State.APPROVED)), table.c.expires_at <= now)
            .limit(limit)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [_recovery(row) for row in rows]


def _recovery(row: Row[Any]) -> Recovery:
    return Recovery(
        id=row.id,
        tenant=row.tenant,
        escrow=row.escrow,
        subject=row.subject,
        kind=Kind(row.kind),
        reason=row.reason,
        reference=row.reference,
        receiver=row.receiver,
        requester=row.requester,
        requested_at=row.requested_at,
        expires_at=row.expires_at,
        state=State(row.state),
        system_consent=row.system_consent,
        system_consent_at=row.system_consent_at,
        security_consent=row.security_consent,
        security_consent_at=row.security_consent_at,
        closed_by=row.closed_by,
        closed_at=row.closed_at,
        note=row.note,
    )
