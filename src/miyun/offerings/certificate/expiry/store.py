"""What nears its end, and the table of reminders that were given."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Integer, Select, String, Table, and_, exists, insert, select

from miyun.core.listing import Place, Sort, Sorting
from miyun.core.storage.database import Database, UtcDateTime, metadata
from miyun.core.storage.keyset import page_of
from miyun.offerings.certificate.model import Certificate, State, Usage, serial_text
from miyun.offerings.certificate.store import certificate_of, certificate_table

SORTING: Final = Sorting({"not_after": datetime, "subject": str}, default="not_after", key=str)

reminder_table = Table(
    "certificate_reminder",
    metadata,
    Column("serial", String(40), primary_key=True),
    Column("days", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
)


class ExpiryStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self, tenant: str, *, after: datetime, until: datetime, text: str, sort: Sort, place: Place | None, limit: int
    ) -> list[Certificate]:
        """`limit` + 1 at most."""
        table = certificate_table
        query = _ending(table.c.not_after > after, table.c.not_after <= until).where(table.c.tenant == tenant)
        if text:
            query = query.where(table.c.subject.icontains(text, autoescape=True))
        columns: dict[str, Any] = {"not_after": table.c.not_after, "subject": table.c.subject}
        with self._database.read() as connection:
            rows = connection.execute(
                page_of(query, sort, place, columns=columns, key=table.c.serial, limit=limit)
            ).all()
        return [certificate_of(row) for row in rows]

    def to_remind(self, now: datetime, days: int, limit: int) -> list[Certificate]:
        """Everybody's that end within so many days and were not told so. It walks the register: not for requests."""
        table, reminder = certificate_table, reminder_table
        told = exists().where(reminder.c.serial == table.c.serial, reminder.c.days <= days)
        query = _ending(table.c.not_after > now, table.c.not_after <= now + timedelta(days=days)).where(
            table.c.tenant.is_not(None), ~told
        )
        with self._database.read() as connection:
            rows = connection.execute(query.limit(limit)).all()
        return [certificate_of(row) for row in rows]

    def reminded(self, certificates: Sequence[Certificate], days: int, at: datetime) -> None:
        if not certificates:
            return
        with self._database.write() as connection:
            connection.execute(
                insert(reminder_table),
                [{"serial": serial_text(item.serial), "days": days, "at": at} for item in certificates],
            )


def _ending(*conditions: ColumnElement[bool]) -> Select[Any]:
    """Signing certificates in force that no later one of the same subject and template follows."""
    table, later = certificate_table, certificate_table.alias("later")
    followed = exists().where(
        and_(
            later.c.tenant == table.c.tenant,
            later.c.subject == table.c.subject,
            later.c.template == table.c.template,
            later.c.usage == table.c.usage,
            later.c.state == State.ISSUED,
            later.c.not_after > table.c.not_after,
        )
    )
    return select(table).where(table.c.state == State.ISSUED, table.c.usage == Usage.SIGN, ~followed, *conditions)
