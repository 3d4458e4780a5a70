"""The account service: signing in and out, one's own password and sessions; people are in `people`."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from datetime import datetime
from functools import partial
from ipaddress import ip_address, ip_network

from miyun.core.clock import Clock
from miyun.core.digest import digest
from miyun.core.errors import InvalidArgument, Unauthenticated
from miyun.core.i18n import Text
from miyun.core.ledger.port import Ledger
from miyun.core.operation import Call, Empty, Role
from miyun.core.tenancy import messages as m
from miyun.core.tenancy.keys.errors import KeyRequired
from miyun.core.tenancy.keys.service import PersonKeys
from miyun.core.tenancy.model import ABSOLUTE, ADDRESS_LOCK_AFTER, LOCK_AFTER, LOCK_FOR, Person, PersonState, Session
from miyun.core.tenancy.passwords import NOBODY, Guard, check_policy, hash_password, verify_password
from miyun.core.tenancy.people import People, view
from miyun.core.tenancy.sessions import TOPIC_SESSION, csrf_token, session_id
from miyun.core.tenancy.store import TenancyStore


class AccountService(People):
    """`keys` is the part that signs people in with a key."""

    def __init__(self, *, store: TenancyStore, keys: PersonKeys, ledger: Ledger, clock: Clock) -> None:
        self.keys = keys
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._guard = Guard()

    async def login(self, call: Call, request: m.Login) -> m.LoggedIn:
        """Every failure answers alike and takes as long: unknown name, wrong password, locked, disabled, no role."""
        login = request.login.strip().lower()
        if await asyncio.to_thread(self._store.person_by_login, login):
            call.detail["login"] = login  # an unknown name may be a password typed in the wrong field
        person = await self._guard.run(partial(self._check_from, call.peer, login, request.password, call.now))
        if person is None:
            raise Unauthenticated(field="password")
        if await asyncio.to_thread(self.keys.is_required, person) and await asyncio.to_thread(
            self.keys.has_key, person.id
        ):
            raise KeyRequired
        token = secrets.token_urlsafe(32)
        session = Session(session_id(token), person.id, call.now, call.now, call.now + ABSOLUTE)
        await asyncio.to_thread(self._store.add_session, session)
        call.resource["person"] = person.id
        if person.tenant:
            call.tenant = person.tenant
        return m.LoggedIn(token=token, csrf=csrf_token(token), expires_at=session.expires_at, person=view(person))

    async def logout(self, call: Call, request: Empty) -> m.Done:
        if call.principal.session:
            await asyncio.to_thread(self._store.end_session, call.principal.session)
            await self._ledger.invalidate(TOPIC_SESSION, call.principal.session)
        return m.Done()

    async def me(self, call: Call, request: Empty) -> m.Me:
        principal = call.principal
        person = await asyncio.to_thread(self._store.person, principal.id)
        tenant = await asyncio.to_thread(self._store.tenant, principal.tenant) if principal.tenant else None
        held = []
        if person and Role.SUPPLIER_STAFF in person.roles:
            held = await asyncio.to_thread(self._store.grants_of, person.id, call.now)
        return m.Me(
            id=principal.id,
            name=principal.name,
            role=principal.role,
            roles=sorted(principal.roles or {principal.role}),
            tenant=principal.tenant,
            tenant_name=tenant.name if tenant else None,
            application=principal.application,
            must_change_password=person.must_change if person else False,
            grants=[
                m.HeldGrant(
                    grant=grant.id,
                    tenant=grant.tenant,
                    tenant_name=name,
                    purpose=grant.purpose,
                    starts_at=grant.starts_at,
                    ends_at=grant.ends_at,
                )
                for grant, name in held
            ],
        )

    async def change_password(self, call: Call, request: m.ChangePassword) -> m.Done:
        """Ends all other sessions of the person."""
        person = await asyncio.to_thread(self._store.person, call.principal.id)
        if person is None:
            raise Unauthenticated
        check_policy(request.new, person.login, field="new")
        if hmac.compare_digest(request.new.encode(), request.current.encode()):
            raise InvalidArgument("new", Text("新旧口令相同。", "it equals the current password."))
        if await self._guard.run(partial(self._check, person.login, request.current, call.now)) is None:
            raise Unauthenticated(field="current")
        hashed = await self._guard.run(partial(hash_password, request.new))
        ended = await asyncio.to_thread(
            self._store.set_password, person.id, hashed, keep_session=call.principal.session
        )
        await self._ledger.invalidate("core.person", person.id)
        call.resource["person"] = person.id
        call.detail["sessions_ended"] = len(ended)
        return m.Done()

    async def list_sessions(self, call: Call, request: Empty) -> m.SessionList:
        found = await asyncio.to_thread(self._store.list_sessions, call.principal.id)
        return m.SessionList(
            items=[
                m.SessionView(
                    session=session.id[:12],
                    created_at=session.created_at,
                    seen_at=session.seen_at,
                    expires_at=session.expires_at,
                    current=session.id == call.principal.session,
                )
                for session in found
            ]
        )

    async def end_sessions(self, call: Call, request: Empty) -> m.Done:
        """Signs the person out everywhere, here too."""
        await asyncio.to_thread(self._store.end_sessions, call.principal.id)
        await self._ledger.invalidate("core.person", call.principal.id)
        return m.Done()

    def _check_from(self, peer: str, login: str, password: str, now: datetime) -> Person | None:
        """As `_check`, and counted for the address too: guesses at many names lock the address."""
        if not peer:
            return self._check(login, password, now)
        subject = digest(b"address " + network_of(peer).encode()).hex()
        allowed = self._store.count_attempt(subject, now, limit=ADDRESS_LOCK_AFTER, window=LOCK_FOR)
        person = self._check(login, password, now) if allowed else None
        if not allowed:
            verify_password(password, NOBODY)  # as long as any other failure takes
        if person is not None:
            self._store.uncount(subject)
        return person

    def _check(self, login: str, password: str, now: datetime) -> Person | None:
        subject = digest(login.encode()).hex()
        allowed = self._store.count_attempt(subject, now, limit=LOCK_AFTER, window=LOCK_FOR)
        found = self._store.person_by_login(login)
        right = verify_password(password, found[1] if found else NOBODY)
        if found is None or not allowed or not right or found[0].state != PersonState.ACTIVE or not found[0].roles:
            return None
        self._store.forgive(subject)
        return found[0]

    def close(self) -> None:
        self._guard.close()


def network_of(address: str) -> str:
    """What one client can easily have all addresses of: an IPv4 address, the /64 of an IPv6 one."""
    parsed = ip_address(address)
    if parsed.version == 4:
        return str(parsed)
    mapped = parsed.ipv4_mapped
    return str(mapped) if mapped is not None else str(ip_network((parsed, 64), strict=False))
