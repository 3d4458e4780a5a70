"""Revocation, one row each, and the lists that tell of it."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from miyun.core.storage.database import Database
from miyun.offerings.certificate.model import (
    TRANSITIONS,
    BaseList,
    Certificate,
    Change,
    RevocationList,
    RevocationReason,
    Shard,
    State,
    serial_text,
)
from miyun.offerings.certificate.store.claims import note_change
from miyun.offerings.certificate.store.tables import (
    address_table,
    certificate_table,
    crl_table,
    shard_table,
    suspension_table,
)

_T = certificate_table.c


class ListQueries:
    _database: Database

    def move(self, serial: int, wanted: State, reason: RevocationReason | None, at: datetime) -> bool:
        """One row, whatever the size of the list; and one more for a suspension that ends. False when its state does
        not lead to the wanted one."""
        # What is only allocated is completed, not moved.
        before = [state for state, after in TRANSITIONS.items() if wanted in after and state is not State.ALLOCATED]
        since = at if wanted is not State.ISSUED else None
        with self._database.write() as connection:
            held = connection.execute(
                select(_T.revoked_at)
                .where(_T.serial == serial_text(serial), _T.state == State.SUSPENDED)
                .with_for_update()
            ).scalar()
            done = connection.execute(
                update(certificate_table)
                .where(_T.serial == serial_text(serial), _T.state.in_(before))
                .values(state=wanted, revoked_at=since, reason=reason)
                .returning(_T.number, _T.authority, _T.shard)
            ).one_or_none()
            if done is None:
                return False
            note_change(connection, done.number, done.authority, done.shard)
            if held is not None:
                connection.execute(insert(suspension_table).values(certificate=done.number, began_at=held, ended_at=at))
        return True

    def out_since(self, certificate: Certificate, at: datetime) -> datetime | None:
        """Since when it was not to be relied upon at that time, revoked or suspended; None: it was."""
        if certificate.revoked_at is not None and certificate.revoked_at <= at:
            return certificate.revoked_at
        if not certificate.changed:
            return None
        past = suspension_table.c
        query = (
            select(func.min(past.began_at))
            .join(certificate_table, _T.number == past.certificate)
            .where(_T.serial == serial_text(certificate.serial), past.began_at <= at, past.ended_at > at)
        )
        with self._database.read() as connection:
            return connection.execute(query).scalar_one()

    def revoked(self, shard: Shard, after: datetime) -> list[Change]:
        """Revoked and suspended certificates of a shard that had not expired by `after`, in the order of change."""
        query = select(_T.serial, _T.revoked_at, _T.reason).where(
            *_of(shard), _T.changed.is_not(None), _T.revoked_at.is_not(None), _T.not_after > after
        )
        with self._database.read() as connection:
            return [_change(row) for row in connection.execute(query.order_by(_T.changed)).all()]

    def changed_since(self, shard: Shard, changes: int, after: datetime) -> list[Change]:
        """What happened to a shard's certificates after a list that told of `changes`."""
        query = select(_T.serial, _T.revoked_at, _T.reason).where(
            *_of(shard), _T.changed.is_not(None), _T.changed > changes, _T.not_after > after
        )
        with self._database.read() as connection:
            return [_change(row) for row in connection.execute(query.order_by(_T.changed)).all()]

    def remember_address(self, url: str, now: datetime) -> list[str]:
        """All addresses that certificates have named, the newest first. With a new one every list is due, so that what
        names it finds lists that name it too."""
        query = select(address_table.c.url).order_by(address_table.c.since.desc(), address_table.c.url)
        with self._database.read() as connection:
            known = connection.execute(query).scalars().all()
        if url not in known:
            with suppress(IntegrityError), self._database.write() as connection:  # another process may be first
                connection.execute(insert(address_table).values(url=url, since=now))
                connection.execute(update(shard_table).values(crl_due=True))
        return list(known) if url in known else [url, *known]

    def take_crl_number(self, shard: Shard) -> tuple[int, int]:
        """The next number, durably, before the list is made: a crash can waste a number but never use one twice. And
        how many changes the list has to tell of at least."""
        table = shard_table.c
        with self._database.write() as connection:
            taken = connection.execute(
                update(shard_table)
                .where(table.authority == shard.authority, table.shard == shard.shard)
                .values(crl_number=table.crl_number + 1)
                .returning(table.crl_number, table.crl_changes)
            ).one()
        return taken.crl_number, taken.crl_changes

    def add_crl(self, item: RevocationList, keep: int) -> None:
        """Store a list. Another is due at once when something changed after what it tells. `keep` lists stay, and the
        newest base with those after it."""
        shard, table = shard_table.c, crl_table.c
        place = and_(table.authority == item.authority, table.shard == item.shard)
        with self._database.write() as connection:
            connection.execute(
                update(shard_table)
                .where(shard.authority == item.authority, shard.shard == item.shard)
                .values(crl_due=shard.crl_changes != item.changes)
            )
            connection.execute(
                insert(crl_table).values(
                    authority=item.authority,
                    shard=item.shard,
                    number=item.number,
                    this_update=item.this_update,
                    next_update=item.next_update,
                    entries=item.entries,
                    changes=item.changes,
                    base=item.base,
                    der=item.der,
                    delta=item.delta,
                )
            )
            base = select(func.coalesce(func.max(table.number), item.number)).where(place, table.base)
            connection.execute(
                delete(crl_table).where(
                    place, table.number <= item.number - keep, table.number < base.scalar_subquery()
                )
            )

    def newest_base(self, shard: Shard) -> BaseList | None:
        table = crl_table.c
        query = (
            select(table.number, table.changes, table.this_update)
            .where(table.authority == shard.authority, table.shard == shard.shard, table.base)
            .order_by(table.number.desc())
            .limit(1)
        )
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return BaseList(row.number, row.changes, row.this_update) if row else None

    def latest_crl_number(self, shard: Shard) -> int | None:
        with self._database.read() as connection:
            return connection.execute(
                select(func.max(crl_table.c.number)).where(
                    crl_table.c.authority == shard.authority, crl_table.c.shard == shard.shard
                )
            ).scalar_one()

    def crl(self, shard: Shard, number: int) -> RevocationList | None:
        table = crl_table.c
        query = select(crl_table).where(
            table.authority == shard.authority, table.shard == shard.shard, table.number == number
        )
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return _list(row) if row else None

    def crl_states(self) -> dict[Shard, tuple[bool, datetime | None, datetime | None]]:
        """Per shard: (a list is due, when the newest was made, when it ends)."""
        shard, table = shard_table.c, crl_table.c
        newest = (
            select(table.authority, table.shard, func.max(table.number).label("number"))
            .group_by(table.authority, table.shard)
            .subquery()
        )
        query = (
            select(shard.authority, shard.shard, shard.crl_due, table.this_update, table.next_update)
            .outerjoin(newest, and_(newest.c.authority == shard.authority, newest.c.shard == shard.shard))
            .outerjoin(
                crl_table,
                and_(
                    table.authority == newest.c.authority,
                    table.shard == newest.c.shard,
                    table.number == newest.c.number,
                ),
            )
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return {Shard(row.authority, row.shard): (row.crl_due, row.this_update, row.next_update) for row in rows}


def _of(shard: Shard) -> tuple[Any, Any]:
    return _T.authority == shard.authority, _T.shard == shard.shard


def _change(row: Any) -> Change:
    return Change(int(row.serial, 16), row.revoked_at, RevocationReason(row.reason) if row.reason else None)


def _list(row: Row[Any]) -> RevocationList:
    return RevocationList(
        authority=row.authority,
        shard=row.shard,
        number=row.number,
        this_update=row.this_update,
        next_update=row.next_update,
        entries=row.entries,
        changes=row.changes,
        base=row.base,
        der=row.der,
        delta=row.delta,
    )
