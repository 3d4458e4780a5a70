"""Tables of held revocation lists and OCSP answers. Authorities belong to one tenant each: who may ask about one was
decided where it was found."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Index,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    and_,
    delete,
    insert,
    or_,
    select,
    update,
)

from miyun.core.storage.database import Database, UtcDateTime, metadata
from miyun.offerings.certificate.trust.model import PAGE, Fetching, HeldAnswer, HeldList, ListKind
from miyun.wire.revoked import SERIAL, PackedEntries, RevokedEntry


class State(StrEnum):
    WRITING = "writing"  # its pages are not all there yet
    HELD = "held"
    GONE = "gone"  # another took its place, or its authority is gone; swept away later


crl_table = Table(
    "certificate_trust_crl",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("authority", String(40), nullable=False),
    Column("kind", String(8), nullable=False),
    Column("state", String(8), nullable=False),
    Column("number", String(44)),
    Column("base_number", String(44)),
    Column("this_update", UtcDateTime, nullable=False),
    Column("next_update", UtcDateTime),
    Column("entries", Integer, nullable=False),
    Column("extension", LargeBinary, nullable=False),
    Column("source", String(512), nullable=False),
    Column("held_at", UtcDateTime, nullable=False),
    Column("der", LargeBinary, nullable=False),
    Index("ix_certificate_trust_crl_authority_state", "authority", "state"),
    Index("ix_certificate_trust_crl_state", "state"),
)

page_table = Table(
    "certificate_trust_page",
    metadata,
    Column("crl", String(40), primary_key=True),
    Column("first", String(2 * SERIAL), primary_key=True),
    Column("records", LargeBinary, nullable=False),
)

fetch_table = Table(
    "certificate_trust_fetch",
    metadata,
    Column("authority", String(40), primary_key=True),
    Column("kind", String(8), primary_key=True),
    Column("tried_at", UtcDateTime, nullable=False),
    Column("error", String(300), nullable=False),
)

answer_table = Table(
    "certificate_trust_ocsp",
    metadata,
    Column("authority", String(40), primary_key=True),
    Column("serial", String(2 * SERIAL), primary_key=True),
    Column("waiting", Boolean, nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("answered_at", UtcDateTime),
    Column("this_update", UtcDateTime),
    Column("next_update", UtcDateTime),
    Column("known", Boolean, nullable=False),
    Column("revoked_at", UtcDateTime),
    Column("reason", Integer, nullable=False),
    Column("error", String(300), nullable=False),
    Column("der", LargeBinary, nullable=False),
    Index("ix_certificate_trust_ocsp_waiting_asked_at", "waiting", "asked_at"),
)

_ROWS = 64  # pages written in one transaction: others write in between


class HeldStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    # revocation lists

    def hold(self, item: HeldList, entries: PackedEntries) -> None:
        """In place of the authority's former list of this kind; until the last page is there, that one stands."""
        table = crl_table
        rows = [{"crl": item.id, "first": first.hex(), "records": page} for first, page in entries.pages(PAGE)]
        with self._database.write() as connection:
            connection.execute(insert(table).values(_values(item)))
        for at in range(0, len(rows), _ROWS):
            with self._database.write() as connection:
                connection.execute(insert(page_table), rows[at : at + _ROWS])
        former = table.c.authority == item.authority, table.c.kind == item.kind, table.c.state == State.HELD
        with self._database.write() as connection:
            connection.execute(update(table).where(*former).values(state=State.GONE))
            connection.execute(update(table).where(table.c.id == item.id).values(state=State.HELD))

    def held(self, authorities: Sequence[str]) -> dict[str, dict[str, HeldList]]:
        """Per authority, by kind."""
        table = crl_table
        columns = (column for column in table.c if column is not table.c.der)
        query = select(*columns).where(table.c.authority.in_(authorities), table.c.state == State.HELD)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        found: dict[str, dict[str, HeldList]] = {}
        for row in rows:
            found.setdefault(row.authority, {})[row.kind] = _held(row)
        return found

    def whole(self, crl: str) -> bytes:
        """A list as it was signed; empty when it was too large to hold."""
        with self._database.read() as connection:
            return connection.execute(select(crl_table.c.der).where(crl_table.c.id == crl)).scalar_one_or_none() or b""

    def entry(self, crl: str, serial: int) -> RevokedEntry | None:
        """One row is read, whatever the size of the list."""
        table = page_table
        query = select(table.c.records).where(table.c.crl == crl, table.c.first <= _serial(serial))
        with self._database.read() as connection:
            records = connection.execute(query.order_by(table.c.first.desc()).limit(1)).scalar_one_or_none()
        return PackedEntries(records).get(serial) if records else None

    def forget(self, authorities: Sequence[str]) -> None:
        """What is held of authorities that are on no list any more."""
        mine = crl_table.c.authority.in_(authorities)
        with self._database.write() as connection:
            connection.execute(update(crl_table).where(mine).values(state=State.GONE))
            for table in (fetch_table, answer_table):
                connection.execute(delete(table).where(table.c.authority.in_(authorities)))

    def sweep(self, *, written_before: datetime, asked_before: datetime) -> int:
        """Pages of lists that are gone or were never finished, one list a transaction; answers nobody asks for."""
        table = crl_table
        unfinished = and_(table.c.state == State.WRITING, table.c.held_at < written_before)
        with self._database.write() as connection:
            connection.execute(delete(answer_table).where(answer_table.c.asked_at < asked_before))
            gone = list(
                connection.execute(select(table.c.id).where(or_(table.c.state == State.GONE, unfinished))).scalars()
            )
        removed = 0
        for name in gone:
            with self._database.write() as connection:
                removed += connection.execute(delete(page_table).where(page_table.c.crl == name)).rowcount
                connection.execute(delete(table).where(table.c.id == name))
        return removed

    # fetching

    def fetchings(self, authorities: Sequence[str]) -> dict[tuple[str, str], Fetching]:
        table = fetch_table
        with self._database.read() as connection:
            rows = connection.execute(select(table).where(table.c.authority.in_(authorities))).all()
        return {(row.authority, row.kind): Fetching(row.authority, row.kind, row.tried_at, row.error) for row in rows}

    def note_fetch(self, item: Fetching) -> None:
        table = fetch_table
        with self._database.write() as connection:
            connection.execute(delete(table).where(table.c.authority == item.authority, table.c.kind == item.kind))
            connection.execute(
                insert(table).values(
                    authority=item.authority, kind=item.kind, tried_at=item.tried_at, error=item.error[:300]
                )
            )

    def try_again(self, authority: str) -> None:
        """At once, whatever was tried before."""
        with self._database.write() as connection:
            connection.execute(delete(fetch_table).where(fetch_table.c.authority == authority))

    # OCSP

    def answer(self, authority: str, serial: int) -> HeldAnswer | None:
        with self._database.read() as connection:
            row = connection.execute(select(answer_table).where(*_asked_about(authority, serial))).one_or_none()
        return _answer(row) if row else None

    def ask(self, authority: str, serial: int, at: datetime) -> None:
        """Let the jobs process bring an answer."""
        table = answer_table
        waiting = update(table).where(*_asked_about(authority, serial)).values(waiting=True, asked_at=at)
        with self._database.write() as connection:
            if connection.execute(waiting).rowcount:
                return
            connection.execute(
                insert(table).values(
                    authority=authority,
                    serial=_serial(serial),
                    waiting=True,
                    asked_at=at,
                    known=False,
                    reason=0,
                    error="",
                    der=b"",
                )
            )

    def asked(self, limit: int) -> list[HeldAnswer]:
        """Questions that wait, oldest first."""
        table = answer_table
        query = select(table).where(table.c.waiting.is_(True)).order_by(table.c.asked_at).limit(limit)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [_answer(row) for row in rows]

    def keep_answer(self, item: HeldAnswer) -> None:
        """With an `error` what was answered before stays."""
        values = {"waiting": False, "error": item.error[:300], "answered_at": item.answered_at}
        if not item.error:
            values |= {
                "this_update": item.this_update,
                "next_update": item.next_update,
                "known": item.known,
                "revoked_at": item.revoked_at,
                "reason": item.reason,
                "der": item.der,
            }
        with self._database.write() as connection:
            connection.execute(update(answer_table).where(*_asked_about(item.authority, item.serial)).values(values))


def _asked_about(authority: str, serial: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return answer_table.c.authority == authority, answer_table.c.serial == _serial(serial)


def _serial(serial: int) -> str:
    return f"{serial:0{2 * SERIAL}x}"


def _text(number: int | None) -> str | None:
    return None if number is None else f"{number:x}"


def _number(text: str | None) -> int | None:
    return None if text is None else int(text, 16)


def _values(item: HeldList) -> dict[str, object]:
    return {
        "id": item.id,
        "authority": item.authority,
        "kind": item.kind,
        "state": State.WRITING,
        "number": _text(item.number),
        "base_number": _text(item.base_number),
        "this_update": item.this_update,
        "next_update": item.next_update,
        "entries": item.entries,
        "extension": item.extension,
        "source": item.source,
        "held_at": item.held_at,
        "der": item.der,
    }


def _held(row: Row[tuple[object, ...]]) -> HeldList:
    kind: ListKind = row.kind
    return HeldList(
        id=row.id,
        authority=row.authority,
        kind=kind,
        number=_number(row.number),
        base_number=_number(row.base_number),
        this_update=row.this_update,
        next_update=row.next_update,
        entries=row.entries,
        extension=row.extension,
        source=row.source,
        held_at=row.held_at,
    )


def _answer(row: Row[tuple[object, ...]]) -> HeldAnswer:
    return HeldAnswer(
        authority=row.authority,
        serial=int(row.serial, 16),
        asked_at=row.asked_at,
        answered_at=row.answered_at,
        waiting=row.waiting,
        this_update=row.this_update,
        next_update=row.next_update,
        known=row.known,
        revoked_at=row.revoked_at,
        reason=row.reason,
        error=row.error,
        der=row.der,
    )
