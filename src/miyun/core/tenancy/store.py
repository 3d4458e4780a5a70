"""Tables and queries of tenants, people, their roles, sessions, grants and failed sign-ins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    Integer,
    Row,
    Select,
    String,
    Table,
    delete,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from miyun.core.listing import Place, Sort, Sorting
from miyun.core.operation import Role
from miyun.core.storage import Database, UtcDateTime, metadata
from miyun.core.storage.keyset import page_of
from miyun.core.tenancy.errors import LastAdministrator
from miyun.core.tenancy.model import ADMINISTRATORS, ROLE_NAMES, Grant, Person, PersonState, Session, Tenant

tenants = Table(
    "core_tenant",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("code", String(32), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("state", String(16), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)
people = Table(
    "core_person",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(40), ForeignKey("core_tenant.id"), nullable=True, index=True),
    Column("login", String(128), nullable=False, unique=True),
    Column("name", String(100), nullable=False),
    Column("state", String(16), nullable=False),
    Column("password", String(200), nullable=False),  # salted slow hash
    # the half of a first password that waits for the security administrator; worthless without the other half
    Column("handover", String(64), nullable=True),
    Column("must_change", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)
person_roles = Table(
    "core_person_role",
    metadata,
    Column("person", String(40), ForeignKey("core_person.id"), primary_key=True),
    Column("role", String(32), primary_key=True),
    Column("assigned_by", String(40), nullable=False),
    Column("assigned_at", UtcDateTime, nullable=False),
)
sessions = Table(
    "core_session",
    metadata,
    Column("id", String(64), primary_key=True),  # digest of the token, hex
    Column("person", String(40), ForeignKey("core_person.id"), nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("key", String(64), nullable=False, index=True),
)
grants = Table(
    "core_access_grant",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(40), ForeignKey("core_tenant.id"), nullable=False, index=True),
    Column("person", String(40), ForeignKey("core_person.id"), nullable=False, index=True),
    Column("purpose", String(500), nullable=False),
    Column("starts_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, nullable=False),
    Column("created_by", String(40), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime, nullable=True),
)
login_failures = Table(
    "core_login_failure",
    metadata,
    Column("subject", String(64), primary_key=True),  # digest of the login name typed, known or not
    Column("failures", Integer, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("locked_until", UtcDateTime, nullable=True),
)

PEOPLE: Final = Sorting({"login": str, "name": str, "created_at": datetime}, default="login", key=str)
GRANTS: Final = Sorting(
    {"created_at": datetime, "starts_at": datetime, "ends_at": datetime}, default="-created_at", key=str
)
_SEARCHED: Final = (people.c.login, people.c.name)


class TenancyStore:
    """Every query about a tenant's people filters by the tenant; `tenant` None means the platform's own people."""

    def __init__(self, database: Database) -> None:
        self._db = database

    # tenants

    def tenant(self, tenant: str) -> Tenant | None:
        with self._db.read() as c:
            row = c.execute(select(tenants).where(tenants.c.id == tenant)).one_or_none()
        return Tenant(**row._mapping) if row else None

    def list_tenants(self, *, after: str, limit: int) -> list[Tenant]:
        query = select(tenants).where(tenants.c.id > after).order_by(tenants.c.id).limit(limit)
        with self._db.read() as c:
            return [Tenant(**row._mapping) for row in c.execute(query)]

    # people

    def add_person(self, person: Person, password: str, handover: str | None) -> bool:
        """False when the login name is taken."""
        try:
            with self._db.write() as c:
                c.execute(
                    insert(people).values(
                        id=person.id,
                        tenant=person.tenant,
                        login=person.login,
                        name=person.name,
                        state=person.state,
                        password=password,
                        handover=handover,
                        must_change=person.must_change,
                        created_at=person.created_at,
                    )
                )
                _insert_roles(c, person.id, person.roles, by="", at=person.created_at)
        except IntegrityError:
            return False
        return True

    def person(self, person: str) -> Person | None:
        with self._db.read() as c:
            row = c.execute(select(people).where(people.c.id == person)).one_or_none()
            return _person(row, _roles(c, [row.id])) if row else None

    def person_of(self, tenant: str | None, person: str) -> Person | None:
        with self._db.read() as c:
            row = c.execute(select(people).where(people.c.id == person, _of(tenant))).one_or_none()
            return _person(row, _roles(c, [row.id])) if row else None

    def person_by_login(self, login: str) -> tuple[Person, str] | None:
        """The person and the password hash."""
        with self._db.read() as c:
            row = c.execute(select(people).where(people.c.login == login)).one_or_none()
            return (_person(row, _roles(c, [row.id])), row.password) if row else None

    def list_people(
        self,
        tenant: str | None,
        *,
        people_in: Sequence[str] = (),
        text: str = "",
        state: PersonState | None = None,
        role: Role | None = None,
        sort: Sort = PEOPLE.default,
        place: Place | None = None,
        limit: int,
    ) -> list[Person]:
        """`limit` + 1 at most."""
        query = select(people).where(_of(tenant))
        if people_in:
            query = query.where(people.c.id.in_(people_in))
        if text:
            query = query.where(or_(*(column.icontains(text, autoescape=True) for column in _SEARCHED)))
        if state is not None:
            query = query.where(people.c.state == state)
        if role is not None:
            query = query.where(people.c.id.in_(select(person_roles.c.person).where(person_roles.c.role == role)))
        columns = {name: people.c[name] for name in PEOPLE.fields}
        query = page_of(query, sort, place, columns=columns, key=people.c.id, limit=limit)
        with self._db.read() as c:
            rows = c.execute(query).all()
            held = _roles(c, [row.id for row in rows])
        return [_person(row, held) for row in rows]

    def set_roles(self, person: Person, roles: frozenset[Role], *, by: str, at: datetime) -> str | None:
        """Replace the roles, make the person active, hand over the waiting half of the first password, if any.

        Raises LastAdministrator, judged in the same transaction."""
        with self._db.write() as c:
            _keep_administrators(c, person, losing=person.roles - roles)
            c.execute(delete(person_roles).where(person_roles.c.person == person.id))
            _insert_roles(c, person.id, roles, by=by, at=at)
            return _activate(c, person.id)

    def activate(self, person: str) -> str | None:
        with self._db.write() as c:
            return _activate(c, person)

    def enable(self, person: Person) -> None:
        """Into the state that the person was disabled in: half of a password that waits goes on waiting."""
        with self._db.write() as c:
            waits = c.execute(select(people.c.handover).where(people.c.id == person.id)).scalar_one() is not None
            waiting = PersonState.RESETTING if person.roles else PersonState.CREATED
            state = waiting if waits else PersonState.ACTIVE
            c.execute(update(people).where(people.c.id == person.id).values(state=state))

    def disable(self, person: Person) -> None:
        """Ends every session at once. Raises LastAdministrator."""
        with self._db.write() as c:
            _keep_administrators(c, person, losing=person.roles)
            c.execute(update(people).where(people.c.id == person.id).values(state=PersonState.DISABLED))
            c.execute(delete(sessions).where(sessions.c.person == person.id))

    def begin_reset(self, person: Person, password: str, handover: str | None, *, state: PersonState) -> None:
        """Ends every session at once. Raises LastAdministrator when the account would be out of use."""
        with self._db.write() as c:
            if state == PersonState.RESETTING:
                _keep_administrators(c, person, losing=person.roles)
            c.execute(
                update(people)
                .where(people.c.id == person.id)
                .values(state=state, password=password, handover=handover, must_change=True)
            )
            c.execute(delete(sessions).where(sessions.c.person == person.id))

    def set_password(self, person: str, password: str, *, keep_session: str | None) -> list[str]:
        """Ends the person's other sessions; answers their ids."""
        with self._db.write() as c:
            c.execute(update(people).where(people.c.id == person).values(password=password, must_change=False))
            others = [
                row.id
                for row in c.execute(select(sessions.c.id).where(sessions.c.person == person))
                if row.id != keep_session
            ]
            c.execute(delete(sessions).where(sessions.c.id.in_(others)))
        return others

    # sessions

    def add_session(self, session: Session) -> None:
        with self._db.write() as c:
            c.execute(delete(sessions).where(sessions.c.expires_at < session.created_at))
            c.execute(
                insert(sessions).values(
                    id=session.id,
                    person=session.person,
                    created_at=session.created_at,
                    seen_at=session.seen_at,
                    expires_at=session.expires_at,
                    key=session.key,
                )
            )

    def touch_session(self, session: str, now: datetime, idle: timedelta) -> tuple[Session, Person, list[Grant]] | None:
        """The session if still alive (it is then seen), its person and the grants the person holds now."""
        with self._db.write() as c:
            row = c.execute(select(sessions).where(sessions.c.id == session)).one_or_none()
            if row is None:
                return None
            found = Session(**row._mapping)
            if now >= found.expires_at or now - found.seen_at >= idle:
                c.execute(delete(sessions).where(sessions.c.id == session))
                return None
            c.execute(update(sessions).where(sessions.c.id == session).values(seen_at=now))
            person_row = c.execute(select(people).where(people.c.id == found.person)).one()
            person = _person(person_row, _roles(c, [person_row.id]))
            held: list[Grant] = []
            if Role.SUPPLIER_STAFF in person.roles:
                query = select(grants).where(
                    grants.c.person == person.id, grants.c.revoked_at.is_(None), grants.c.ends_at > now
                )
                held = [Grant(**grant._mapping) for grant in c.execute(query)]
        return replace(found, seen_at=now), person, held

    def end_session(self, session: str) -> None:
        with self._db.write() as c:
            c.execute(delete(sessions).where(sessions.c.id == session))

    def end_sessions(self, person: str) -> list[str]:
        with self._db.write() as c:
            ids = [row.id for row in c.execute(select(sessions.c.id).where(sessions.c.person == person))]
            c.execute(delete(sessions).where(sessions.c.person == person))
        return ids

    def list_sessions(self, person: str) -> list[Session]:
        query = select(sessions).where(sessions.c.person == person).order_by(sessions.c.created_at)
        with self._db.read() as c:
            return [Session(**row._mapping) for row in c.execute(query)]

    # grants

    def add_grant(self, grant: Grant) -> None:
        with self._db.write() as c:
            c.execute(
                insert(grants).values(
                    id=grant.id,
                    tenant=grant.tenant,
                    person=grant.person,
                    purpose=grant.purpose,
                    starts_at=grant.starts_at,
                    ends_at=grant.ends_at,
                    created_by=grant.created_by,
                    created_at=grant.created_at,
                    revoked_at=None,
                )
            )

    def list_grants(
        self, tenant: str, *, state: str | None, now: datetime, sort: Sort, place: Place | None, limit: int
    ) -> list[Grant]:
        """`limit` + 1 at most."""
        over = or_(grants.c.revoked_at.is_not(None), grants.c.ends_at <= now)
        query = select(grants).where(grants.c.tenant == tenant)
        if state is not None:
            query = query.where(over if state == "over" else ~over)
        columns = {name: grants.c[name] for name in GRANTS.fields}
        query = page_of(query, sort, place, columns=columns, key=grants.c.id, limit=limit)
        with self._db.read() as c:
            return [Grant(**row._mapping) for row in c.execute(query)]

    def grants_of(self, person: str, now: datetime) -> list[tuple[Grant, str]]:
        """Grants not over yet, each with the tenant's name."""
        query = (
            select(grants, tenants.c.name.label("tenant_name"))
            .join(tenants, tenants.c.id == grants.c.tenant)
            .where(grants.c.person == person, grants.c.revoked_at.is_(None), grants.c.ends_at > now)
            .order_by(grants.c.id)
        )
        with self._db.read() as c:
            rows = c.execute(query).all()
        return [
            (Grant(**{key: value for key, value in row._mapping.items() if key != "tenant_name"}), row.tenant_name)
            for row in rows
        ]

    def revoke_grant(self, tenant: str, grant: str, now: datetime) -> Grant | None:
        with self._db.write() as c:
            mine = (grants.c.tenant == tenant, grants.c.id == grant)
            c.execute(update(grants).where(*mine, grants.c.revoked_at.is_(None)).values(revoked_at=now))
            row = c.execute(select(grants).where(*mine)).one_or_none()
        return Grant(**row._mapping) if row else None

    # failed sign-ins

    def count_attempt(self, subject: str, now: datetime, *, limit: int, window: timedelta) -> bool:
        """Count an attempt before it is judged, so that parallel guesses cannot outrun the lock. False: locked."""
        row = select(login_failures).where(login_failures.c.subject == subject).with_for_update()
        try:
            return self._count_attempt(row, subject, now, limit, window)
        except IntegrityError:  # two first attempts at once: the second finds the row
            return self._count_attempt(row, subject, now, limit, window)

    def _count_attempt(self, query: Select[Any], subject: str, now: datetime, limit: int, window: timedelta) -> bool:
        with self._db.write() as c:
            row = c.execute(query).one_or_none()
            if row is None:
                c.execute(delete(login_failures).where(login_failures.c.since < now - 2 * window))
                c.execute(insert(login_failures).values(subject=subject, failures=1, since=now, locked_until=None))
                return True
            if row.locked_until is not None and now < row.locked_until:
                return False
            fresh = row.locked_until is not None or now - row.since >= window
            failures = 1 if fresh else row.failures + 1
            c.execute(
                update(login_failures)
                .where(login_failures.c.subject == subject)
                .values(
                    failures=failures,
                    since=now if fresh else row.since,
                    locked_until=now + window if failures >= limit else None,
                )
            )
        return True

    def uncount(self, subject: str) -> None:
        """Take an attempt back that was none of guessing; a lock stays."""
        table = login_failures
        with self._db.write() as c:
            c.execute(
                update(table)
                .where(table.c.subject == subject, table.c.failures > 0, table.c.locked_until.is_(None))
                .values(failures=table.c.failures - 1)
            )

    def forgive(self, subject: str) -> None:
        with self._db.write() as c:
            c.execute(delete(login_failures).where(login_failures.c.subject == subject))


def _of(tenant: str | None) -> ColumnElement[bool]:
    return people.c.tenant.is_(None) if tenant is None else people.c.tenant == tenant


def _keep_administrators(connection: Connection, person: Person, *, losing: frozenset[Role]) -> None:
    if person.state != PersonState.ACTIVE:
        return
    for role in sorted(losing & ADMINISTRATORS):
        others = (
            select(people.c.id)
            .join(person_roles, person_roles.c.person == people.c.id)
            .where(_of(person.tenant), person_roles.c.role == role, people.c.state == PersonState.ACTIVE)
            .with_for_update()
        )
        if not any(row.id != person.id for row in connection.execute(others)):
            raise LastAdministrator(ROLE_NAMES[role])


def _person(row: Row[Any], held: dict[str, frozenset[Role]]) -> Person:
    return Person(
        id=row.id,
        tenant=row.tenant,
        login=row.login,
        name=row.name,
        state=PersonState(row.state),
        must_change=row.must_change,
        created_at=row.created_at,
        roles=held.get(row.id, frozenset()),
    )


def _roles(connection: Connection, ids: Sequence[str]) -> dict[str, frozenset[Role]]:
    query = select(person_roles.c.person, person_roles.c.role).where(person_roles.c.person.in_(ids))
    held: dict[str, set[Role]] = {}
    for row in connection.execute(query):
        held.setdefault(row.person, set()).add(Role(row.role))
    return {person: frozenset(roles) for person, roles in held.items()}


def _insert_roles(connection: Connection, person: str, roles: frozenset[Role], *, by: str, at: datetime) -> None:
    for role in sorted(roles):
        connection.execute(insert(person_roles).values(person=person, role=role, assigned_by=by, assigned_at=at))


def _activate(connection: Connection, person: str) -> str | None:
    half = connection.execute(select(people.c.handover).where(people.c.id == person)).scalar_one()
    connection.execute(update(people).where(people.c.id == person).values(state=PersonState.ACTIVE, handover=None))
    return half
