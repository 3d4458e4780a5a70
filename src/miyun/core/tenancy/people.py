"""Accounts: created by the system administrator, empowered by the security administrator, never by oneself.

A first password comes in two halves, one for each of the two administrators, so that neither can use an account they
helped to make (三员分立).
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from functools import partial
from typing import Final

from miyun.core.clock import Clock
from miyun.core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from miyun.core.i18n import Text
from miyun.core.ids import new_id
from miyun.core.ledger.port import Entry, Ledger
from miyun.core.listing import Column, exporting
from miyun.core.operation import Call, Role
from miyun.core.tenancy import messages as m
from miyun.core.tenancy.errors import OwnAccount, RoleConflict
from miyun.core.tenancy.model import (
    PLATFORM_ADMINISTRATORS,
    PLATFORM_ROLES,
    ROLE_NAMES,
    TENANT_ADMINISTRATORS,
    TENANT_ROLES,
    Person,
    PersonState,
    conflict,
)
from miyun.core.tenancy.passwords import Guard, first_password, hash_password
from miyun.core.tenancy.store import PEOPLE, TenancyStore

TOPIC_PERSON = "core.person"
_COLUMNS: Final[tuple[Column[m.PersonView], ...]] = (
    Column("login", Text("登录名", "Login"), lambda item: item.login),
    Column("name", Text("姓名", "Name"), lambda item: item.name),
    Column("roles", Text("角色", "Roles"), lambda item: item.roles),
    Column("state", Text("状态", "State"), lambda item: item.state),
    Column("created_at", Text("创建时间", "Created"), lambda item: item.created_at),
    Column("person", Text("编号", "Identifier"), lambda item: item.person),
)


class People:
    """The part of the account service that administers people."""

    _store: TenancyStore
    _ledger: Ledger
    _clock: Clock
    _guard: Guard

    async def create_person(self, call: Call, request: m.CreatePerson) -> m.PersonCreated:
        tenant = call.principal.tenant
        login = request.login
        if tenant is not None:
            owner = await asyncio.to_thread(self._store.tenant, tenant)
            if owner is None:
                raise NotFound("tenant", tenant)
            login = f"{request.login}@{owner.code}"
        first, second = first_password()
        password = await self._guard.run(partial(hash_password, f"{first}-{second}"))
        person = Person(new_id("usr"), tenant, login, request.name, PersonState.CREATED, True, call.now)
        if not await asyncio.to_thread(self._store.add_person, person, password, second):
            raise AlreadyExists(kind="login", name=login, field="login")
        call.resource["person"] = person.id
        return m.PersonCreated(person=view(person), password_half=first)

    async def list_people(self, call: Call, request: m.ListPeople) -> m.PersonList:
        sort = PEOPLE.sort(request.sort)
        found = await asyncio.to_thread(
            self._store.list_people,
            call.principal.tenant,
            people_in=request.people,
            text=request.text,
            state=request.state,
            role=request.role,
            sort=sort,
            place=PEOPLE.place(sort, request.cursor),
            limit=request.limit,
        )
        shown = PEOPLE.page(sort, found, request.limit)
        return m.PersonList(items=[view(person) for person in shown.items], next_cursor=shown.next_cursor)

    export_people = exporting(list_people, m.ListPeople, _COLUMNS, name="people")

    async def get_person(self, call: Call, request: m.PersonName) -> m.PersonView:
        return view(await self._person(call, request.person))

    async def assign_roles(self, call: Call, request: m.AssignRoles) -> m.RolesAssigned:
        person = await self._other(call, request.person)
        roles = frozenset(request.roles)
        check_roles(roles, person.tenant)
        if person.state not in (PersonState.CREATED, PersonState.ACTIVE):
            raise FailedPrecondition(state=person.state, field="person")
        half = await asyncio.to_thread(self._store.set_roles, person, roles, by=call.principal.id, at=call.now)
        await self._ledger.invalidate(TOPIC_PERSON, person.id)
        call.detail["roles"] = sorted(roles)
        call.detail["before"] = sorted(person.roles)
        return m.RolesAssigned(person=view(await self._person(call, person.id)), password_half=half)

    async def disable_person(self, call: Call, request: m.PersonName) -> m.PersonView:
        person = await self._other(call, request.person)
        if person.state != PersonState.DISABLED:
            await asyncio.to_thread(self._store.disable, person)
            await self._ledger.invalidate(TOPIC_PERSON, person.id)
        return view(await self._person(call, person.id))

    async def enable_person(self, call: Call, request: m.PersonName) -> m.PersonView:
        person = await self._other(call, request.person)
        if person.state != PersonState.DISABLED:
            raise FailedPrecondition(state=person.state, field="person")
        await asyncio.to_thread(self._store.enable, person)
        await self._ledger.invalidate(TOPIC_PERSON, person.id)
        return view(await self._person(call, person.id))

    async def reset_password(self, call: Call, request: m.PersonName) -> m.PersonCreated:
        """The account is out of use until the security administrator confirms."""
        person = await self._other(call, request.person)
        if person.state == PersonState.DISABLED:
            raise FailedPrecondition(state=person.state, field="person")
        first, second = first_password()
        password = await self._guard.run(partial(hash_password, f"{first}-{second}"))
        state = PersonState.CREATED if person.state == PersonState.CREATED else PersonState.RESETTING
        await asyncio.to_thread(self._store.begin_reset, person, password, second, state=state)
        await self._ledger.invalidate(TOPIC_PERSON, person.id)
        return m.PersonCreated(person=view(await self._person(call, person.id)), password_half=first)

    async def confirm_reset(self, call: Call, request: m.PersonName) -> m.RolesAssigned:
        person = await self._other(call, request.person)
        if person.state != PersonState.RESETTING:
            raise FailedPrecondition(state=person.state, field="person")
        half = await asyncio.to_thread(self._store.activate, person.id)
        await self._ledger.invalidate(TOPIC_PERSON, person.id)
        return m.RolesAssigned(person=view(await self._person(call, person.id)), password_half=half)

    # Not operations: called by the installation and by contract activation, on the machine itself.

    async def open_platform(self) -> dict[str, str]:
        """The three administrators of a new platform: login name → one-time password. Empty when they exist."""
        return await self._open(None, "", PLATFORM_ADMINISTRATORS)

    async def open_tenant(self, tenant: str) -> dict[str, str]:
        """The three administrators of a new tenant: login name → one-time password. Empty when they exist."""
        owner = await asyncio.to_thread(self._store.tenant, tenant)
        if owner is None:
            raise NotFound("tenant", tenant)
        return await self._open(tenant, f"@{owner.code}", TENANT_ADMINISTRATORS)

    async def recover(self, login: str) -> str:
        """A new one-time password for who is locked out, by the operator of the machine; recorded in the ledger.

        Raises FailedPrecondition for who was disabled: enabling is the security administrator's to decide."""
        found = await asyncio.to_thread(self._store.person_by_login, login)
        if found is None:
            raise NotFound("login", login)
        person, _ = found
        if person.state == PersonState.DISABLED:
            raise FailedPrecondition(state=person.state, field="person")
        password = "-".join(first_password())
        hashed = await self._guard.run(partial(hash_password, password))
        await self._record("account.person.recover", person)
        await asyncio.to_thread(self._store.begin_reset, person, hashed, None, state=PersonState.ACTIVE)
        await self._ledger.invalidate(TOPIC_PERSON, person.id)
        return password

    async def _open(self, tenant: str | None, suffix: str, roles: tuple[Role, ...]) -> dict[str, str]:
        passwords: dict[str, str] = {}
        for role in roles:
            login = role.rpartition(".")[2] + suffix
            if await asyncio.to_thread(self._store.person_by_login, login):
                continue
            password = "-".join(first_password())
            hashed = await self._guard.run(partial(hash_password, password))
            person = Person(
                new_id("usr"), tenant, login, ROLE_NAMES[role].zh, PersonState.ACTIVE, True, self._clock.now(),
                frozenset((role,)),
            )  # fmt: skip
            if await asyncio.to_thread(self._store.add_person, person, hashed, None):
                await self._record("account.person.open", person)
                passwords[login] = password
        return passwords

    async def _record(self, operation: str, person: Person) -> None:
        entry = Entry(
            operation=operation,
            outcome="ok",
            at=self._clock.now(),
            tenant=person.tenant or "",
            role=Role.SYSTEM,
            resource={"person": person.id},
            detail={"login": person.login, "roles": sorted(person.roles)},
        )
        await self._ledger.append(entry)

    async def _person(self, call: Call, person: str) -> Person:
        found = await asyncio.to_thread(self._store.person_of, call.principal.tenant, person)
        if found is None:
            raise NotFound("person", person)
        call.resource["person"] = found.id
        return found

    async def _other(self, call: Call, person: str) -> Person:
        found = await self._person(call, person)
        if found.id == call.principal.id:
            raise OwnAccount
        return found


def check_roles(roles: frozenset[Role], tenant: str | None) -> None:
    """Raises InvalidArgument for roles of the other side, RoleConflict for two that exclude each other."""
    allowed = PLATFORM_ROLES if tenant is None else TENANT_ROLES
    for role in sorted(roles - allowed):
        side = Text("平台", "the platform") if tenant is None else Text("租户", "a tenant")
        raise InvalidArgument(
            "roles",
            Text(f"角色 {role} 不属于{side.zh}人员。", f"the role {role} is not one for people of {side.en}."),
        )
    pair = conflict(roles)
    if pair:
        raise RoleConflict(ROLE_NAMES[pair[0]], ROLE_NAMES[pair[1]])


def view(person: Person) -> m.PersonView:
    return m.PersonView(
        person=person.id,
        login=person.login,
        name=person.name,
        state=person.state,
        roles=sorted(person.roles),
        tenant=person.tenant,
        must_change_password=person.must_change,
        created_at=person.created_at,
    )


def page(rows: list, limit: int) -> tuple[list, str | None]:
    """Rows fetched with `limit + 1`: what to show and the cursor of the rest."""
    shown = rows[:limit]
    return shown, shown[-1].id if len(rows) > limit else None


def expired(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment <= now
