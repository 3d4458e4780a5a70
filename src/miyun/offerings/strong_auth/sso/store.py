"""Tables of single sign-on. Every query of what a tenant owns filters by tenant in the SQL itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import JSON, Boolean, Column, Index, LargeBinary, String, Table, Text, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from miyun.core.errors import AlreadyExists
from miyun.core.listing import Place, Sort, Sorting
from miyun.core.storage import Database, UtcDateTime, metadata
from miyun.core.storage.keyset import page_of
from miyun.offerings.strong_auth.model import Session
from miyun.offerings.strong_auth.sso.model import (
    MAX_NONCE,
    BrowserSession,
    Client,
    ClientAuth,
    ClientState,
    Grant,
    Protocol,
    SigningKey,
    Token,
    TokenKind,
)
from miyun.offerings.strong_auth.store import SESSION

CLIENTS: Final = Sorting({"id": str, "name": str}, default="id", key=str)

CLIENT = Table(
    "strong_auth_client",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(40), nullable=False),
    Column("application", String(40), nullable=False),
    Column("name", String(128), nullable=False),
    Column("protocol", String(8), nullable=False),
    Column("state", String(16), nullable=False),
    Column("redirects", JSON, nullable=False),
    Column("logout_redirects", JSON, nullable=False),
    Column("auth", String(32), nullable=False),
    Column("secret", String(64), nullable=False),
    Column("algorithm", String(16), nullable=False),
    Column("backchannel", String(2048), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("tls_field", String(16), nullable=False),
    Column("tls_value", String(1024), nullable=False),
    Column("bound", Boolean, nullable=False),
    Index("ix_strong_auth_client_tenant_id", "tenant", "id"),
)

GRANT = Table(
    "strong_auth_grant",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(40), nullable=False),
    Column("client", String(40), nullable=False),
    Column("application", String(40), nullable=False),
    Column("session", String(64), nullable=False),
    Column("sso", String(64), nullable=False),
    Column("code", String(64), nullable=False, unique=True),
    Column("redirect", Text, nullable=False),
    Column("scope", String(256), nullable=False),
    Column("nonce", String(MAX_NONCE), nullable=False),
    Column("challenge", String(128), nullable=False),
    Column("auth_time", UtcDateTime, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("renewed", Boolean, nullable=False),
    Column("redeemed_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Index("ix_strong_auth_grant_session", "session"),
    Index("ix_strong_auth_grant_created_at", "created_at"),
)

TOKEN = Table(
    "strong_auth_token",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("kind", String(8), nullable=False),
    Column("grant", String(40), nullable=False),
    Column("tenant", String(40), nullable=False),
    Column("client", String(40), nullable=False),
    Column("scope", String(256), nullable=False),
    Column("issued_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
    Column("thumbprint", String(64), nullable=False),
    Index("ix_strong_auth_token_expires_at", "expires_at"),
)

BROWSER = Table(
    "strong_auth_browser",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("tenant", String(40), nullable=False),
    Column("certificate", LargeBinary, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("last_seen_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Index("ix_strong_auth_browser_expires_at", "expires_at"),
)

SIGNING_KEY = Table(
    "strong_auth_signing_key",
    metadata,
    Column("kid", String(64), primary_key=True),
    Column("tenant", String(40), nullable=False),
    Column("algorithm", String(16), nullable=False),
    Column("key", String(40), nullable=False),
    Column("public", LargeBinary, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_strong_auth_signing_key_tenant_algorithm", "tenant", "algorithm"),
)

SPENT = Table(
    "strong_auth_spent",
    metadata,
    Column("challenge", String(40), primary_key=True),
    Column("expires_at", UtcDateTime, nullable=False),
    Index("ix_strong_auth_spent_expires_at", "expires_at"),
)


class SsoStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    # clients

    def add_client(self, client: Client) -> None:
        with self._database.write() as connection:
            connection.execute(CLIENT.insert().values(**_row(client)))

    def client(self, tenant: str, client_id: str) -> Client | None:
        return self._client(CLIENT.c.tenant == tenant, CLIENT.c.id == client_id)

    def cas_client(self, tenant: str, service: str) -> Client | None:
        """The client in use that has registered this very address."""
        query = select(CLIENT).where(
            CLIENT.c.tenant == tenant, CLIENT.c.protocol == Protocol.CAS, CLIENT.c.state == ClientState.ACTIVE
        )
        with self._database.read() as connection:
            found = [_client(row) for row in connection.execute(query.order_by(CLIENT.c.id)).mappings()]
        return next((client for client in found if service in client.redirects), None)

    def clients(
        self, tenant: str, *, application: str | None, sort: Sort, place: Place | None, limit: int
    ) -> list[Client]:
        """`limit` + 1 at most."""
        query = select(CLIENT).where(CLIENT.c.tenant == tenant)
        if application:
            query = query.where(CLIENT.c.application == application)
        columns = {name: CLIENT.c[name] for name in CLIENTS.fields}
        query = page_of(query, sort, place, columns=columns, key=CLIENT.c.id, limit=limit)
        with self._database.read() as connection:
            return [_client(row) for row in connection.execute(query).mappings()]

    def change_client(self, tenant: str, client_id: str, **values: Any) -> bool:
        statement = update(CLIENT).where(CLIENT.c.tenant == tenant, CLIENT.c.id == client_id).values(**values)
        with self._database.write() as connection:
            return connection.execute(statement).rowcount == 1

    def _client(self, *conditions: Any) -> Client | None:
        with self._database.read() as connection:
            row = connection.execute(select(CLIENT).where(*conditions)).mappings().first()
        return _client(row) if row else None

    # logging in

    def open_login(
        self, *, challenge: tuple[str, datetime] | None, browser: BrowserSession | None, session: Session, grant: Grant
    ) -> bool:
        """All of a login or nothing. `challenge`, with its expiry, is used up: False when it was before."""
        try:
            with self._database.write() as connection:
                if challenge is not None:
                    connection.execute(SPENT.insert().values(challenge=challenge[0], expires_at=challenge[1]))
                if browser is not None:
                    connection.execute(BROWSER.insert().values(**_row(browser)))
                connection.execute(SESSION.insert().values(**_row(session)))
                connection.execute(GRANT.insert().values(**_row(grant)))
        except IntegrityError:
            return False
        return True

    def browser(self, tenant: str, browser_id: str) -> BrowserSession | None:
        query = select(BROWSER).where(BROWSER.c.tenant == tenant, BROWSER.c.id == browser_id)
        with self._database.read() as connection:
            row = connection.execute(query).mappings().first()
        return BrowserSession(**dict(row)) if row else None

    def browser_of(self, tenant: str, sid: str) -> str | None:
        """By the session name that an ID token carries."""
        query = select(SESSION.c.sso).where(SESSION.c.tenant == tenant, SESSION.c.id == sid)
        with self._database.read() as connection:
            found = connection.execute(query).scalar()
        return str(found) if found else None

    def touch_browser(self, browser_id: str, now: datetime) -> None:
        with self._database.write() as connection:
            connection.execute(update(BROWSER).where(BROWSER.c.id == browser_id).values(last_seen_at=now))

    def end_browser(self, tenant: str, browser_id: str, now: datetime) -> None:
        """And every application's session that it opened."""
        with self._database.write() as connection:
            for table, column in ((BROWSER, BROWSER.c.id), (SESSION, SESSION.c.sso)):
                statement = update(table).where(
                    table.c.tenant == tenant, column == browser_id, table.c.ended_at.is_(None)
                )
                connection.execute(statement.values(ended_at=now))

    def untold(self, since: datetime, *, limit: int) -> list[tuple[Session, Client]]:
        """Sessions that ended after `since` and whose clients want to be told, of every tenant: the oldest of each
        client before the second of any, so that none is kept waiting by what another does not take."""
        place = func.row_number().over(partition_by=SESSION.c.client, order_by=SESSION.c.ended_at)
        query = (
            select(SESSION, CLIENT)
            .join_from(SESSION, CLIENT, (CLIENT.c.id == SESSION.c.client) & (CLIENT.c.tenant == SESSION.c.tenant))
            .where(SESSION.c.ended_at > since, SESSION.c.told_at.is_(None), CLIENT.c.backchannel != "")
            .order_by(place, SESSION.c.ended_at)
            .limit(limit)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        size = len(SESSION.c)
        names, of_client = [c.name for c in SESSION.c], [c.name for c in CLIENT.c]
        return [
            (
                Session(**dict(zip(names, row[:size], strict=True))),
                _client(dict(zip(of_client, row[size:], strict=True))),
            )
            for row in rows
        ]

    def tell(self, session: str, now: datetime) -> None:
        with self._database.write() as connection:
            connection.execute(update(SESSION).where(SESSION.c.id == session).values(told_at=now))

    # grants and tokens

    def grant_by_code(self, tenant: str, code: str) -> Grant | None:
        return self._grant(GRANT.c.tenant == tenant, GRANT.c.code == code)

    def grant(self, tenant: str, grant_id: str) -> Grant | None:
        return self._grant(GRANT.c.tenant == tenant, GRANT.c.id == grant_id)

    def _grant(self, *conditions: Any) -> Grant | None:
        with self._database.read() as connection:
            row = connection.execute(select(GRANT).where(*conditions)).mappings().first()
        return Grant(**dict(row)) if row else None

    def session(self, tenant: str, session_id: str) -> Session | None:
        query = select(SESSION).where(SESSION.c.tenant == tenant, SESSION.c.id == session_id)
        with self._database.read() as connection:
            row = connection.execute(query).mappings().first()
        return Session(**dict(row)) if row else None

    def redeem(self, grant: Grant, tokens: Sequence[Token], now: datetime) -> bool:
        """The code is taken and the tokens are there, or neither: of two that bring one code exactly one gets them."""
        taken = update(GRANT).where(
            GRANT.c.id == grant.id,
            GRANT.c.tenant == grant.tenant,
            GRANT.c.redeemed_at.is_(None),
            GRANT.c.revoked_at.is_(None),
        )
        with self._database.write() as connection:
            if connection.execute(taken.values(redeemed_at=now)).rowcount != 1:
                return False
            if tokens:
                connection.execute(TOKEN.insert(), [_row(token) for token in tokens])
        return True

    def rotate(self, old: Token, tokens: Sequence[Token], now: datetime) -> bool:
        """The refresh token is used up and the new tokens are there, or neither."""
        used = update(TOKEN).where(TOKEN.c.id == old.id, TOKEN.c.tenant == old.tenant, TOKEN.c.used_at.is_(None))
        live = select(GRANT.c.id).where(GRANT.c.id == old.grant, GRANT.c.revoked_at.is_(None))
        with self._database.write() as connection:
            if connection.execute(used.where(live.exists()).values(used_at=now)).rowcount != 1:
                return False
            connection.execute(TOKEN.insert(), [_row(token) for token in tokens])
        return True

    def token(self, tenant: str, token_id: str) -> Token | None:
        query = select(TOKEN).where(TOKEN.c.tenant == tenant, TOKEN.c.id == token_id)
        with self._database.read() as connection:
            row = connection.execute(query).mappings().first()
        return Token(**{**row, "kind": TokenKind(row["kind"])}) if row else None

    def revoke_grant(self, tenant: str, grant_id: str, now: datetime) -> None:
        """With every token that came from it."""
        statement = update(GRANT).where(GRANT.c.tenant == tenant, GRANT.c.id == grant_id, GRANT.c.revoked_at.is_(None))
        with self._database.write() as connection:
            connection.execute(statement.values(revoked_at=now))

    def remove_token(self, tenant: str, token_id: str) -> None:
        with self._database.write() as connection:
            connection.execute(delete(TOKEN).where(TOKEN.c.tenant == tenant, TOKEN.c.id == token_id))

    # signing keys

    def signing_keys(self, tenant: str, algorithm: str | None = None) -> list[SigningKey]:
        """Oldest first."""
        query = select(SIGNING_KEY).where(SIGNING_KEY.c.tenant == tenant)
        if algorithm:
            query = query.where(SIGNING_KEY.c.algorithm == algorithm)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(SIGNING_KEY.c.created_at, SIGNING_KEY.c.kid)).mappings()
            return [SigningKey(**dict(row)) for row in rows]

    def newest_signing_keys(self) -> list[SigningKey]:
        """Of every tenant and algorithm."""
        query = select(SIGNING_KEY).order_by(SIGNING_KEY.c.created_at)
        with self._database.read() as connection:
            keys = [SigningKey(**dict(row)) for row in connection.execute(query).mappings()]
        return list({(key.tenant, key.algorithm): key for key in keys}.values())

    def add_signing_key(self, key: SigningKey) -> None:
        try:
            with self._database.write() as connection:
                connection.execute(SIGNING_KEY.insert().values(**_row(key)))
        except IntegrityError as error:
            raise AlreadyExists(kind="key", name=key.kid) from error

    def sweep(self, now: datetime, before: datetime) -> None:
        """Forget challenges, tokens and browsers that are over; grants made before `before`."""
        with self._database.write() as connection:
            for table in (SPENT, TOKEN, BROWSER):
                connection.execute(delete(table).where(table.c.expires_at < now))
            connection.execute(delete(GRANT).where(GRANT.c.created_at < before))


def _row(item: Any) -> dict[str, Any]:
    return {field.name: getattr(item, field.name) for field in fields(item)}


def _client(row: Any) -> Client:
    return Client(
        **{
            **row,
            "protocol": Protocol(row["protocol"]),
            "state": ClientState(row["state"]),
            "auth": ClientAuth(row["auth"]),
            "redirects": tuple(row["redirects"]),
            "logout_redirects": tuple(row["logout_redirects"]),
        }
    )
