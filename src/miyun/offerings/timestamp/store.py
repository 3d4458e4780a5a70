"""Tables of the timestamp room: signing keys by generation, serial number epochs, drift history. No row per token."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    Row,
    Select,
    String,
    Table,
    delete,
    func,
    insert,
    select,
)
from sqlalchemy.exc import IntegrityError

from miyun.core.errors import Unavailable
from miyun.core.storage.database import Database, UtcDateTime, metadata
from miyun.hsm.port import KeyAlgorithm, WrappedKey
from miyun.offerings.timestamp.model import STALE_AFTER, Drift, Tsa, key_binding

_ATTEMPTS = 8

tsa_table = Table(
    "timestamp_tsa",
    metadata,
    Column("policy", String(16), primary_key=True),
    Column("generation", Integer, primary_key=True),
    Column("key_algorithm", String(16), nullable=False),
    Column("key_blob", LargeBinary, nullable=False),
    Column("key_public", LargeBinary, nullable=False),
    Column("serial", String(40), nullable=False),
    Column("der", LargeBinary, nullable=False),
    Column("not_after", UtcDateTime, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

chain_table = Table(
    "timestamp_tsa_chain",
    metadata,
    Column("policy", String(16), primary_key=True),
    Column("generation", Integer, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("der", LargeBinary, nullable=False),
)

epoch_table = Table(
    "timestamp_epoch",
    metadata,
    Column("epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
)

drift_table = Table(
    "timestamp_drift",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("source", String(255), nullable=False),
    Column("offset", Float),
    Column("trusted", Boolean, nullable=False),
    Column("reason", String(32), nullable=False),
    Index("ix_timestamp_drift_at", "at"),
)


class TimestampStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    # signing keys

    def newest_tsas(self) -> list[Tsa]:
        """The newest generation of each policy."""
        newest = (
            select(tsa_table.c.policy, func.max(tsa_table.c.generation).label("generation"))
            .group_by(tsa_table.c.policy)
            .subquery()
        )
        query = select(tsa_table).join(
            newest,
            (newest.c.policy == tsa_table.c.policy) & (newest.c.generation == tsa_table.c.generation),
        )
        return self._tsas(query)

    def all_tsas(self) -> list[Tsa]:
        """Every generation: what a verifier of old tokens needs."""
        return self._tsas(select(tsa_table).order_by(tsa_table.c.policy, tsa_table.c.generation))

    def add_tsa(self, tsa: Tsa) -> bool:
        """False when another process made this generation first; what it made stands."""
        try:
            with self._database.write() as connection:
                connection.execute(
                    insert(tsa_table).values(
                        policy=tsa.policy,
                        generation=tsa.generation,
                        key_algorithm=tsa.key.algorithm,
                        key_blob=tsa.key.blob,
                        key_public=tsa.key.public,
                        serial=f"{tsa.serial:x}",
                        der=tsa.der,
                        not_after=tsa.not_after,
                        created_at=tsa.created_at,
                    )
                )
                connection.execute(
                    insert(chain_table),
                    [
                        {"policy": tsa.policy, "generation": tsa.generation, "position": position, "der": der}
                        for position, der in enumerate(tsa.chain)
                    ],
                )
        except IntegrityError:
            return False
        return True

    def _tsas(self, query: Select[Any]) -> list[Tsa]:
        with self._database.read() as connection:
            rows = connection.execute(query).all()
            links = connection.execute(select(chain_table).order_by(chain_table.c.position)).all()
        chains: dict[tuple[str, int], list[bytes]] = {}
        for link in links:
            chains.setdefault((link.policy, link.generation), []).append(link.der)
        return [_tsa(row, tuple(chains.get((row.policy, row.generation), ()))) for row in rows]

    # serial numbers

    def take_epoch(self, at: datetime) -> int:
        """A number that no process was ever given, durably. Follows the clock, so that it also passes the numbers
        given out after the backup that a database was restored from."""
        for _ in range(_ATTEMPTS):
            try:
                with self._database.write() as connection:
                    last = connection.execute(select(func.max(epoch_table.c.epoch))).scalar_one() or 0
                    epoch = max(last + 1, int(at.timestamp()))
                    connection.execute(insert(epoch_table).values(epoch=epoch, at=at))
                return epoch
            except IntegrityError:
                continue
        raise Unavailable("serial")

    # drift history

    def add_drift(self, rows: list[Drift]) -> None:
        with self._database.write() as connection:
            connection.execute(
                insert(drift_table),
                [
                    {
                        "at": row.at,
                        "source": row.source,
                        "offset": row.offset,
                        "trusted": row.trusted,
                        "reason": row.reason,
                    }
                    for row in rows
                ],
            )

    def recent_drift(self) -> list[Drift]:
        """The newest measurement and those of STALE_AFTER before it, oldest first."""
        query = select(drift_table.c.at).order_by(drift_table.c.id.desc()).limit(1)
        with self._database.read() as connection:
            newest = connection.execute(query).scalar_one_or_none()
            if newest is None:
                return []
            rows = select(drift_table).where(drift_table.c.at >= newest - STALE_AFTER).order_by(drift_table.c.id)
            return [_drift(row) for row in connection.execute(rows).all()]

    def drift_between(self, start: datetime, end: datetime) -> list[Drift]:
        query = (
            select(drift_table)
            .where(drift_table.c.at >= start, drift_table.c.at < end)
            .order_by(drift_table.c.at, drift_table.c.id)
        )
        with self._database.read() as connection:
            return [_drift(row) for row in connection.execute(query).all()]

    def forget_drift(self, before: datetime) -> None:
        with self._database.write() as connection:
            connection.execute(delete(drift_table).where(drift_table.c.at < before))


def _tsa(row: Row, chain: tuple[bytes, ...]) -> Tsa:
    binding = key_binding(row.policy, row.generation)
    return Tsa(
        policy=row.policy,
        generation=row.generation,
        key=WrappedKey(KeyAlgorithm(row.key_algorithm), binding, row.key_blob, row.key_public),
        serial=int(row.serial, 16),
        der=row.der,
        chain=chain,
        not_after=row.not_after,
        created_at=row.created_at,
    )


def _drift(row: Row) -> Drift:
    return Drift(row.at, row.source, row.offset, row.trusted, row.reason)
