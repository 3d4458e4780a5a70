"""Tables of delivery: probes of availability, and what was done of a contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Date,
    ForeignKey,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from miyun.core.contracts.model import ItemState
from miyun.core.contracts.store import contracts, items
from miyun.core.storage import Database, UtcDateTime, metadata
from miyun.delivery.records import Act, Record, State, Step
from miyun.delivery.service_levels import Probe

PROBE = Table(
    "delivery_probe",
    metadata,
    Column("minute", UtcDateTime, primary_key=True),
    Column("ok", Boolean, nullable=False),
    Column("milliseconds", Integer, nullable=False),
    Column("code", String(80), nullable=False),
)

RECORD = Table(
    "delivery_record",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(40), nullable=False),
    Column("contract", String(40), ForeignKey(contracts.c.id), nullable=False, index=True),
    Column("item", String(40), ForeignKey(items.c.id), nullable=False, index=True),
    Column("step", String(16), nullable=False),
    Column("side", String(16), nullable=False),
    Column("done_on", Date, nullable=False),
    Column("paper", String(300), nullable=False),
    Column("delivered_by", String(32), nullable=False),
    Column("arrived_at", UtcDateTime, nullable=False),
    Column("amount", String(20)),
    Column("note", Text, nullable=False),
    Column("media_type", String(64), nullable=False),
    Column("size", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("principal", String(40), nullable=False),
    Column("name", String(200), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("money", Boolean, nullable=False),
    Column("once", Boolean, nullable=False),
    Column("scan", LargeBinary, nullable=False),
)
# One confirmation and one withdrawal of a record at most.
ACT = Table(
    "delivery_record_act",
    metadata,
    Column("record", String(40), ForeignKey(RECORD.c.id), primary_key=True),
    Column("kind", String(16), primary_key=True),  # "confirmed" | "withdrawn"
    Column("side", String(16), nullable=False),
    Column("principal", String(40), nullable=False),
    Column("name", String(200), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("reason", String(500), nullable=False),
)
_SHOWN = [column for column in RECORD.c if column.name not in ("scan", "once")]


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


class RecordStore:
    """Records are added, never changed or removed; an item's state follows from them in the same transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, record: Record, scan: bytes, *, once: bool) -> bool:
        """False when `once` and a record of this step stands or is pending."""
        with self._database.write() as connection:
            _lock(connection, record.item, record.at)
            standing = [
                known
                for known in _records(connection, RECORD.c.item == record.item)
                if known.step is record.step and known.state is not State.WITHDRAWN
            ]
            if once and standing:
                return False
            values = {column.name: getattr(record, column.name) for column in _SHOWN}
            values |= {"amount": str(record.amount) if record.amount is not None else None, "once": once, "scan": scan}
            connection.execute(insert(RECORD).values(**values))
            _settle_item(connection, record.item)
        return True

    def settle(self, record: str, kind: str, act: Act) -> bool:
        """Confirm or withdraw. False when that was done before, or the record was withdrawn."""
        with self._database.write() as connection:
            item = connection.execute(select(RECORD.c.item).where(RECORD.c.id == record)).scalar_one()
            _lock(connection, item, act.at)
            [known] = _records(connection, RECORD.c.id == record)
            if known.withdrawn is not None or getattr(known, kind) is not None:
                return False
            values = {name: getattr(act, name) for name in Act.__slots__}
            connection.execute(insert(ACT).values(record=record, kind=kind, **values))
            _settle_item(connection, item)
        return True

    def records(self, contract: str) -> list[Record]:
        """Oldest first, without the scans."""
        with self._database.read() as connection:
            return _records(connection, RECORD.c.contract == contract)

    def scan(self, record: str) -> bytes:
        with self._database.read() as connection:
            return bytes(connection.execute(select(RECORD.c.scan).where(RECORD.c.id == record)).scalar_one())


def _lock(connection: Connection, item: str, at: datetime) -> None:
    """Two that record the same at once come one after the other."""
    connection.execute(update(items).where(items.c.id == item).values(updated_at=at))


def _settle_item(connection: Connection, item: str) -> None:
    done = connection.execute(select(RECORD.c.id).where(RECORD.c.item == item, RECORD.c.once)).scalars().all()
    stands = any(
        record.step is Step.DONE and record.state is State.STANDS and record.id in done
        for record in _records(connection, RECORD.c.item == item)
    )
    state = ItemState.DONE if stands else ItemState.OPEN
    connection.execute(update(items).where(items.c.id == item).values(state=state))


def _records(connection: Connection, condition: object) -> list[Record]:
    found = {
        row.id: _record(row)
        for row in connection.execute(select(*_SHOWN).where(condition).order_by(RECORD.c.at, RECORD.c.id))  # type: ignore[arg-type]
    }
    acts: Sequence[Row] = connection.execute(
        select(ACT).join(RECORD, RECORD.c.id == ACT.c.record).where(condition)  # type: ignore[arg-type]
    ).all()
    for row in acts:
        act = Act(row.side, row.principal, row.name, row.at, row.reason)
        known = found[row.record]
        found[row.record] = replace(known, confirmed=act) if row.kind == "confirmed" else replace(known, withdrawn=act)
    return list(found.values())


def _record(row: Row) -> Record:
    values = dict(row._mapping)
    values["step"] = Step(values["step"])
    values["amount"] = Decimal(values["amount"]) if values["amount"] is not None else None
    return Record(**values)
