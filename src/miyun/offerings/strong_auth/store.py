"""Tables of certificate login. Every query filters by tenant in the SQL itself."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    JSON,
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from miyun.core.errors import AlreadyExists
from miyun.core.storage import Database, UtcDateTime, metadata
from miyun.offerings.strong_auth.model import Account, AccountState, Challenge, Policy, Session

ACCOUNT = Table(
    "strong_auth_account",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(40), nullable=False),
    Column("application", String(40), nullable=False),
    Column("account", String(128), nullable=False),
    Column("subject", String(1024), nullable=False),
    Column("issuer", String(1024), nullable=False),
    Column("serial", String(64), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("certificate", LargeBinary, nullable=False),
    Column("not_after", UtcDateTime, nullable=False),
    Column("state", String(16), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("application", "fingerprint"),
    Index("ix_strong_auth_account_tenant_id", "tenant", "id"),
    Index("ix_strong_auth_account_application_account", "application", "account"),
)

POLICY = Table(
    "strong_auth_policy",
    metadata,
    Column("tenant", String(40), primary_key=True),
    Column("application", String(40), primary_key=True),
    Column("lists", JSON, nullable=False),
    Column("level", String(16), nullable=False),
    Column("stale_seconds", Integer, nullable=False),
    Column("account_field", String(32), nullable=False),
)

CHALLENGE = Table(
    "strong_auth_challenge",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(40), nullable=False),
    Column("application", String(40), nullable=False),
    Column("message", LargeBinary, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Index("ix_strong_auth_challenge_application_expires_at", "application", "expires_at"),
    Index("ix_strong_auth_challenge_expires_at", "expires_at"),
)

SESSION = Table(
    "strong_auth_session",
    metadata,
    Column("id", String(64), primary_key=True),  # hash of the token: a copy of this table opens no session
    Column("tenant", String(40), nullable=False),
    Column("application", String(40), nullable=False),
    Column("account", String(128), nullable=False),
    Column("serial", String(64), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("last_seen_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("method", String(16), nullable=False),
    Column("revocation", String(16), nullable=False),
    Column("client", String(40), nullable=False),
    Column("sso", String(64), nullable=False),
    Column("told_at", UtcDateTime),
    Index("ix_strong_auth_session_ended_at", "ended_at"),
    Index("ix_strong_auth_session_tenant_sso", "tenant", "sso"),
    Index("ix_strong_auth_session_tenant_opened_at", "tenant", "opened_at"),
    Index("ix_strong_auth_session_expires_at", "expires_at"),
)


class StrongAuthStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add_account(self, account: Account) -> None:
        try:
            with self._database.write() as connection:
                connection.execute(ACCOUNT.insert().values(**_row(account)))
        except IntegrityError as error:
            raise AlreadyExists(kind="certificate", name=account.serial, field="certificate") from error

    def account_by_fingerprint(self, tenant: str, application: str, fingerprint: str) -> Account | None:
        query = select(ACCOUNT).where(
            ACCOUNT.c.tenant == tenant, ACCOUNT.c.application == application, ACCOUNT.c.fingerprint == fingerprint
        )
        with self._database.read() as connection:
            row = connection.execute(query).mappings().first()
        return _account(dict(row)) if row else None

    def account(self, tenant: str, account_id: str) -> Account | None:
        query = select(ACCOUNT).where(ACCOUNT.c.tenant == tenant, ACCOUNT.c.id == account_id)
        with self._database.read() as connection:
            row = connection.execute(query).mappings().first()
        return _account(dict(row)) if row else None

    def is_suspended(self, tenant: str, application: str, name: str) -> bool:
        """Whether one of its certificates is."""
        which = (ACCOUNT.c.tenant == tenant, ACCOUNT.c.application == application, ACCOUNT.c.account == name)
        query = select(ACCOUNT.c.id).where(*which, ACCOUNT.c.state == AccountState.SUSPENDED).limit(1)
        with self._database.read() as connection:
            return connection.execute(query).first() is not None

    def accounts(self, tenant: str, *, application: str | None, cursor: str | None, limit: int) -> list[Account]:
        query = select(ACCOUNT).where(ACCOUNT.c.tenant == tenant).order_by(ACCOUNT.c.id).limit(limit)
        if application:
            query = query.where(ACCOUNT.c.application == application)
        if cursor:
            query = query.where(ACCOUNT.c.id > cursor)
        with self._database.read() as connection:
            return [_account(dict(row)) for row in connection.execute(query).mappings()]

    def set_account_state(self, tenant: str, account_id: str, old: AccountState, new: AccountState) -> bool:
        statement = (
            update(ACCOUNT)
            .where(ACCOUNT.c.tenant == tenant, ACCOUNT.c.id == account_id, ACCOUNT.c.state == old)
            .values(state=new)
        )
        with self._database.write() as connection:
            return connection.execute(statement).rowcount == 1

    def remove_account(self, tenant: str, account_id: str) -> bool:
        with self._database.write() as connection:
            statement = delete(ACCOUNT).where(ACCOUNT.c.tenant == tenant, ACCOUNT.c.id == account_id)
            return connection.execute(statement).rowcount == 1

    def policy(self, tenant: str, application: str) -> Policy | None:
        query = select(POLICY).where(POLICY.c.tenant == tenant, POLICY.c.application == application)
        with self._database.read() as connection:
            row = connection.execute(query).mappings().first()
        return Policy(**{**row, "lists": tuple(row["lists"])}) if row else None

    def set_policy(self, policy: Policy) -> None:
        values = {name: getattr(policy, name) for name in Policy.__slots__}
        which = (POLICY.c.tenant == policy.tenant, POLICY.c.application == policy.application)
        with self._database.write() as connection:
            connection.execute(delete(POLICY).where(*which))
            connection.execute(POLICY.insert().values(**values))

    def add_challenge(self, challenge: Challenge, now: datetime) -> int:
        """Store it and answer how many of the application were open before."""
        open_ones = (
            select(func.count())
            .select_from(CHALLENGE)
            .where(CHALLENGE.c.application == challenge.application, CHALLENGE.c.expires_at > now)
        )
        with self._database.write() as connection:
            count = int(connection.execute(open_ones).scalar_one())
            connection.execute(CHALLENGE.insert().values(**{n: getattr(challenge, n) for n in Challenge.__slots__}))
        return count

    def take_challenge(self, tenant: str, application: str, challenge_id: str) -> Challenge | None:
        """Removes it: of two concurrent logins with one challenge exactly one gets it."""
        which = (
            CHALLENGE.c.id == challenge_id,
            CHALLENGE.c.tenant == tenant,
            CHALLENGE.c.application == application,
        )
        with self._database.write() as connection:
            row = connection.execute(select(CHALLENGE).where(*which)).mappings().first()
            if row is None or connection.execute(delete(CHALLENGE).where(*which)).rowcount != 1:
                return None
        return Challenge(**dict(row))

    def open_session(self, session: Session) -> None:
        with self._database.write() as connection:
            connection.execute(SESSION.insert().values(**{n: getattr(session, n) for n in Session.__slots__}))

    def session(self, tenant: str, application: str, session_id: str) -> Session | None:
        query = select(SESSION).where(
            SESSION.c.id == session_id, SESSION.c.tenant == tenant, SESSION.c.application == application
        )
        with self._database.read() as connection:
            row = connection.execute(query).mappings().first()
        return Session(**dict(row)) if row else None

    def touch_session(self, session_id: str, now: datetime) -> None:
        with self._database.write() as connection:
            connection.execute(update(SESSION).where(SESSION.c.id == session_id).values(last_seen_at=now))

    def end_session(self, session_id: str, now: datetime) -> None:
        statement = update(SESSION).where(SESSION.c.id == session_id, SESSION.c.ended_at.is_(None))
        with self._database.write() as connection:
            connection.execute(statement.values(ended_at=now))

    def end_sessions(self, account: Account, now: datetime) -> None:
        """All that were opened with the account's certificate."""
        statement = update(SESSION).where(
            SESSION.c.tenant == account.tenant,
            SESSION.c.application == account.application,
            SESSION.c.fingerprint == account.fingerprint,
            SESSION.c.ended_at.is_(None),
        )
        with self._database.write() as connection:
            connection.execute(statement.values(ended_at=now))

    def sessions(self, tenant: str, start: datetime, end: datetime, *, limit: int) -> list[Session]:
        query = (
            select(SESSION)
            .where(SESSION.c.tenant == tenant, SESSION.c.opened_at >= start, SESSION.c.opened_at < end)
            .order_by(SESSION.c.opened_at.desc())
            .limit(limit)
        )
        with self._database.read() as connection:
            return [Session(**dict(row)) for row in connection.execute(query).mappings()]

    def accounts_of_certificate(self, tenant: str, fingerprint: str) -> list[Account]:
        query = select(ACCOUNT).where(ACCOUNT.c.tenant == tenant, ACCOUNT.c.fingerprint == fingerprint)
        with self._database.read() as connection:
            return [_account(dict(row)) for row in connection.execute(query.order_by(ACCOUNT.c.id)).mappings()]

    def open_sessions_of_certificate(self, tenant: str, fingerprint: str, now: datetime) -> list[Session]:
        which = (SESSION.c.tenant == tenant, SESSION.c.fingerprint == fingerprint)
        query = select(SESSION).where(*which, SESSION.c.ended_at.is_(None), SESSION.c.expires_at > now)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(SESSION.c.opened_at.desc()).limit(1000)).mappings()
            return [Session(**dict(row)) for row in rows]

    def sweep(self, now: datetime, forget: datetime) -> None:
        """Forget expired challenges, and sessions that were over at `forget`; end those that have run their whole time:
        their clients want to know."""
        over = update(SESSION).where(SESSION.c.expires_at <= now, SESSION.c.ended_at.is_(None))
        with self._database.write() as connection:
            connection.execute(delete(CHALLENGE).where(CHALLENGE.c.expires_at < now))
            connection.execute(over.values(ended_at=now))
            connection.execute(delete(SESSION).where(SESSION.c.expires_at < forget))


def _row(account: Account) -> dict[str, object]:
    return {name: getattr(account, name) for name in Account.__slots__}


def _account(row: dict[str, object]) -> Account:
    return Account(**{**row, "state": AccountState(str(row["state"]))})  # type: ignore[arg-type]
