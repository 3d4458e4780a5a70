"""The table of attempts, and the lists. Every query filters by tenant in the SQL itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Column, ColumnElement, Index, String, Table, delete, func, or_, select, update

from miyun.core.listing import Place, Sort
from miyun.core.storage import Database, UtcDateTime, metadata
from miyun.core.storage.keyset import page_of
from miyun.offerings.strong_auth.model import Account, AccountState, Session
from miyun.offerings.strong_auth.report.model import Attempt
from miyun.offerings.strong_auth.store import ACCOUNT, SESSION

ATTEMPT = Table(
    "strong_auth_attempt",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("tenant", String(40), nullable=False),
    Column("application", String(40), nullable=False),
    Column("client", String(40), nullable=False),
    Column("method", String(16), nullable=False),
    Column("account", String(128), nullable=False),
    Column("subject", String(1024), nullable=False),
    Column("serial", String(64), nullable=False),
    Column("outcome", String(64), nullable=False),
    Column("revocation", String(16), nullable=False),
    Column("signed", Boolean, nullable=False),
    Column("peer", String(64), nullable=False),
    Index("ix_strong_auth_attempt_tenant_at_id", "tenant", "at", "id"),
    Index("ix_strong_auth_attempt_tenant_account_id", "tenant", "account", "id"),
    Index("ix_strong_auth_attempt_tenant_outcome_id", "tenant", "outcome", "id"),
    Index("ix_strong_auth_attempt_peer_at", "peer", "at"),
    Index("ix_strong_auth_attempt_at", "at"),
)


class ReportStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, attempt: Attempt) -> None:
        with self._database.write() as connection:
            connection.execute(ATTEMPT.insert().values(**{f.name: getattr(attempt, f.name) for f in fields(attempt)}))

    def failures_from(self, peer: str, since: datetime) -> int:
        query = select(func.count()).where(ATTEMPT.c.peer == peer, ATTEMPT.c.at > since, ATTEMPT.c.outcome != "ok")
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def sweep(self, before: datetime) -> None:
        with self._database.write() as connection:
            connection.execute(delete(ATTEMPT).where(ATTEMPT.c.at < before))

    def attempts(
        self,
        tenant: str,
        *,
        start: datetime | None,
        end: datetime | None,
        application: str,
        account: str,
        outcome: str,
        sort: Sort,
        place: Place | None,
        limit: int,
    ) -> list[Attempt]:
        query = select(ATTEMPT).where(ATTEMPT.c.tenant == tenant)
        if start:
            query = query.where(ATTEMPT.c.at >= start)
        if end:
            query = query.where(ATTEMPT.c.at < end)
        if application:
            query = query.where(ATTEMPT.c.application == application)
        if account:
            query = query.where(ATTEMPT.c.account == account)
        if outcome:
            query = query.where((ATTEMPT.c.outcome == "ok") if outcome == "ok" else (ATTEMPT.c.outcome != "ok"))
        columns: dict[str, ColumnElement[Any]] = {name: ATTEMPT.c[name] for name in ("at", "account", "outcome")}
        page = page_of(query, sort, place, columns=columns, key=ATTEMPT.c.id, limit=limit)
        return [Attempt(**row) for row in self._rows(page)]

    def accounts(
        self, tenant: str, *, application: str, text: str, sort: Sort, place: Place | None, limit: int
    ) -> list[Account]:
        query = select(ACCOUNT).where(ACCOUNT.c.tenant == tenant)
        if application:
            query = query.where(ACCOUNT.c.application == application)
        if text:
            query = query.where(
                or_(
                    ACCOUNT.c.account.contains(text, autoescape=True),
                    ACCOUNT.c.subject.contains(text, autoescape=True),
                    ACCOUNT.c.serial == text.upper(),
                )
            )
        columns: dict[str, ColumnElement[Any]] = {
            "created": ACCOUNT.c.id, "account": ACCOUNT.c.account, "not_after": ACCOUNT.c.not_after,
        }  # fmt: skip
        page = page_of(query, sort, place, columns=columns, key=ACCOUNT.c.id, limit=limit)
        return [Account(**{**row, "state": AccountState(row["state"])}) for row in self._rows(page)]

    def sessions(
        self,
        tenant: str,
        *,
        application: str,
        now: datetime,
        idle: datetime,
        sort: Sort,
        place: Place | None,
        limit: int,
    ) -> list[Session]:
        """Those that may be open: not ended, not over, seen since `idle`."""
        query = select(SESSION).where(
            SESSION.c.tenant == tenant,
            SESSION.c.ended_at.is_(None),
            SESSION.c.expires_at > now,
            SESSION.c.last_seen_at > idle,
        )
        if application:
            query = query.where(SESSION.c.application == application)
        columns: dict[str, ColumnElement[Any]] = {"opened": SESSION.c.opened_at, "account": SESSION.c.account}
        page = page_of(query, sort, place, columns=columns, key=SESSION.c.id, limit=limit)
        return [Session(**row) for row in self._rows(page)]

    def end_session(self, tenant: str, session: str, now: datetime) -> bool:
        statement = update(SESSION).where(
            SESSION.c.tenant == tenant, SESSION.c.id == session, SESSION.c.ended_at.is_(None)
        )
        with self._database.write() as connection:
            return connection.execute(statement.values(ended_at=now)).rowcount == 1

    def _rows(self, query: Any) -> Sequence[dict[str, Any]]:
        with self._database.read() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]
