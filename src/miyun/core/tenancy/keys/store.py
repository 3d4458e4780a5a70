"""Tables of people's keys. Every query about a tenant's people filters by the tenant; None: the platform's own."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, ForeignKey, LargeBinary, String, Table, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from miyun.core.operation import Role
from miyun.core.storage import Database, UtcDateTime, metadata
from miyun.core.tenancy.keys.model import KeyState, PersonKey
from miyun.core.tenancy.model import Session
from miyun.core.tenancy.store import sessions

person_keys = Table(
    "core_person_key",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("person", String(40), ForeignKey("core_person.id"), nullable=False, index=True),
    Column("tenant", String(40), ForeignKey("core_tenant.id"), nullable=True, index=True),
    Column("certificate", LargeBinary, nullable=False),
    Column("fingerprint", String(64), nullable=False, unique=True),
    Column("subject", String(1024), nullable=False),
    Column("serial", String(64), nullable=False),
    Column("not_after", UtcDateTime, nullable=False),
    Column("state", String(16), nullable=False),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("approved_by", String(40), nullable=True),
    Column("approved_at", UtcDateTime, nullable=True),
)
key_policy = Table(
    "core_key_policy",
    metadata,
    Column("side", String(40), primary_key=True),  # a tenant, or "platform"
    Column("role", String(32), primary_key=True),
)
spent = Table(
    "core_spent_challenge",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)


class PersonKeyStore:
    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, key: PersonKey, challenge: tuple[str, datetime]) -> bool:
        """False when the certificate is somebody's already, or the challenge was used."""
        try:
            with self._db.write() as c:
                c.execute(insert(spent).values(name=challenge[0], expires_at=challenge[1]))
                c.execute(insert(person_keys).values(**{f.name: getattr(key, f.name) for f in fields(key)}))
        except IntegrityError:
            return False
        return True

    def by_fingerprint(self, fingerprint: str) -> PersonKey | None:
        """Of anybody: for signing in, when nobody is known yet."""
        return self._one(person_keys.c.fingerprint == fingerprint)

    def get(self, tenant: str | None, key: str) -> PersonKey | None:
        return self._one(_of(tenant), person_keys.c.id == key)

    def active(self, person: str) -> list[PersonKey]:
        return self._all(person_keys.c.person == person, person_keys.c.state == KeyState.ACTIVE)

    def listed(self, tenant: str | None, *, person: str | None, after: str, limit: int) -> list[PersonKey]:
        conditions = [_of(tenant), person_keys.c.id > after]
        if person is not None:
            conditions.append(person_keys.c.person == person)
        return self._all(*conditions, limit=limit)

    def approve(self, key: PersonKey, *, by: str, at: datetime) -> bool:
        statement = update(person_keys).where(person_keys.c.id == key.id, person_keys.c.state == KeyState.REQUESTED)
        with self._db.write() as c:
            changed = c.execute(statement.values(state=KeyState.ACTIVE, approved_by=by, approved_at=at))
            return changed.rowcount == 1

    def remove(self, key: PersonKey) -> None:
        """With the sessions that it opened."""
        with self._db.write() as c:
            c.execute(delete(sessions).where(sessions.c.key == key.fingerprint))
            c.execute(delete(person_keys).where(person_keys.c.id == key.id))

    def open_session(self, session: Session, challenge: tuple[str, datetime]) -> bool:
        """False when the challenge was used."""
        try:
            with self._db.write() as c:
                c.execute(delete(spent).where(spent.c.expires_at < session.created_at))
                c.execute(insert(spent).values(name=challenge[0], expires_at=challenge[1]))
                c.execute(insert(sessions).values(**{f.name: getattr(session, f.name) for f in fields(session)}))
        except IntegrityError:
            return False
        return True

    def required(self, tenant: str | None) -> frozenset[Role]:
        """The roles that sign in with a key only."""
        query = select(key_policy.c.role).where(key_policy.c.side == _side(tenant))
        with self._db.read() as c:
            return frozenset(Role(row.role) for row in c.execute(query))

    def require(self, tenant: str | None, roles: frozenset[Role]) -> None:
        with self._db.write() as c:
            c.execute(delete(key_policy).where(key_policy.c.side == _side(tenant)))
            if roles:
                c.execute(insert(key_policy), [{"side": _side(tenant), "role": role.value} for role in sorted(roles)])

    def _one(self, *conditions: ColumnElement[bool]) -> PersonKey | None:
        found = self._all(*conditions, limit=1)
        return found[0] if found else None

    def _all(self, *conditions: ColumnElement[bool], limit: int = 100) -> list[PersonKey]:
        query = select(person_keys).where(*conditions).order_by(person_keys.c.id).limit(limit)
        with self._db.read() as c:
            return [_key(row) for row in c.execute(query).mappings()]


def _key(row: Any) -> PersonKey:
    return PersonKey(**{**row, "state": KeyState(row["state"])})


def _of(tenant: str | None) -> ColumnElement[bool]:
    return person_keys.c.tenant.is_(None) if tenant is None else person_keys.c.tenant == tenant


def _side(tenant: str | None) -> str:
    return tenant or "platform"
