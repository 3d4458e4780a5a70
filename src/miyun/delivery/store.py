"""Tables of delivery: probes of availability."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, Column, Integer, String, Table, delete, select
from sqlalchemy.exc import IntegrityError

from miyun.core.storage import Database, UtcDateTime, metadata
from miyun.delivery.service_levels import Probe

PROBE = Table(
    "delivery_probe",
    metadata,
    Column("minute", UtcDateTime, primary_key=True),
    Column("ok", Boolean, nullable=False),
    Column("milliseconds", Integer, nullable=False),
    Column("code", String(80), nullable=False),
)


class DeliveryStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add_probe(self, probe: Probe) -> None:
        """The first probe of a minute counts."""
        try:
            with self._database.write() as connection:
                connection.execute(PROBE.insert().values(**{n: getattr(probe, n) for n in Probe.__slots__}))
        except IntegrityError:
            return

    def probes(self, start: datetime, end: datetime) -> list[Probe]:
        query = select(PROBE).where(PROBE.c.minute >= start, PROBE.c.minute < end).order_by(PROBE.c.minute)
        with self._database.read() as connection:
            return [Probe(**dict(row)) for row in connection.execute(query).mappings()]

    def forget_probes(self, before: datetime) -> None:
        with self._database.write() as connection:
            connection.execute(delete(PROBE).where(PROBE.c.minute < before))
