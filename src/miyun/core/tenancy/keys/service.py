"""Signing in with a key, binding keys to people, and signing again for what is dangerous.

A key is bound by two people: its holder, who proves to hold it by signing, and an administrator who is somebody else.
So no administrator makes a key that signs in as another person.
"""

from __future__ import annotations

import asyncio
import secrets
from datetime import datetime
from typing import Any, Final

import msgspec

from miyun.core.certificates import has_signed, read_certificate
from miyun.core.challenge import ChallengeInvalid, Challenges, Signed
from miyun.core.digest import digest
from miyun.core.errors import AlreadyExists, FailedPrecondition, NotFound
from miyun.core.i18n import Text
from miyun.core.identity import Deriver, Identity
from miyun.core.ids import new_id
from miyun.core.ledger.port import Ledger
from miyun.core.operation import Call, Empty, Operation, Principal, Role
from miyun.core.tenancy import messages as tenancy
from miyun.core.tenancy.errors import OwnAccount
from miyun.core.tenancy.keys import messages as m
from miyun.core.tenancy.keys.errors import SignInKeyRefused, StepUpRequired
from miyun.core.tenancy.keys.model import STEP_UP_LIFETIME, KeyState, PersonKey
from miyun.core.tenancy.keys.store import PersonKeyStore
from miyun.core.tenancy.model import (
    ABSOLUTE,
    ADMINISTRATORS,
    PLATFORM_ROLES,
    TENANT_ROLES,
    Person,
    PersonState,
    Session,
)
from miyun.core.tenancy.people import TOPIC_PERSON, check_roles, page, view
from miyun.core.tenancy.sessions import TOPIC_KEY_POLICY, csrf_token, session_id
from miyun.core.tenancy.store import TenancyStore
from miyun.core.trust import Level, TrustDirectory
from miyun.wire import base64url, statement
from miyun.wire.x509 import Certificate, Purpose, parse_certificate

_TIME: Final = "%Y%m%dT%H%M%S%z"
_UNKNOWN: Final = Text("该证书未登记", "this certificate is not registered")
_WAITING: Final = Text("该密钥尚待另一位管理员核准", "another administrator has not approved this key yet")
_UNSIGNED: Final = Text("签名与证书不符", "the signature is not the certificate's")
_GONE: Final = Text("账号不在使用中", "the account is not in use")
_ASKED: Final = Text("请签名", "please sign")
_WRONG: Final = Text(
    "签名无效、已过期，或不是为本次操作所作", "the signature is wrong, too old, or not for this operation"
)
_ADMINISTERS_KEYS: Final = ADMINISTRATORS - {Role.PLATFORM_AUDIT, Role.TENANT_AUDIT}


class PersonKeys:
    def __init__(
        self,
        *,
        store: PersonKeyStore,
        people: TenancyStore,
        machine: Deriver,
        identity: Identity,
        trust: TrustDirectory,
        ledger: Ledger,
    ) -> None:
        self._identity = identity
        self._store = store
        self._people = people
        self._trust = trust
        self._ledger = ledger
        self._challenges = Challenges(machine, identity, statement.SIGN_IN)

    # signing in

    async def challenge(self, call: Call, request: m.AskChallenge) -> m.KeyChallenge:
        """For signing in; who is signed in is given one for registering a key."""
        token, text = await self._challenges.make(_purpose(call), request.browser, call.now)
        return m.KeyChallenge(challenge=token, message=text)

    async def login(self, call: Call, request: m.SignedChallenge) -> tenancy.LoggedIn:
        """Raises ChallengeInvalid, SignInKeyRefused."""
        signed, certificate = await self._signed(call, ("login",), request)
        key = await asyncio.to_thread(self._store.by_fingerprint, certificate.fingerprint.hex())
        if key is None:
            raise SignInKeyRefused(_UNKNOWN)
        if key.tenant:
            call.tenant = key.tenant
        call.resource.update(person=key.person, key=key.id)
        if key.state is not KeyState.ACTIVE:
            raise SignInKeyRefused(_WAITING)
        await self._judge(key.tenant, certificate, call.now)
        person = await asyncio.to_thread(self._people.person, key.person)
        if person is None or person.state != PersonState.ACTIVE or not person.roles:
            raise SignInKeyRefused(_GONE)
        token = secrets.token_urlsafe(32)
        ends = min(call.now + ABSOLUTE, key.not_after)
        session = Session(session_id(token), person.id, call.now, call.now, ends, key.fingerprint)
        if not await asyncio.to_thread(self._store.open_session, session, (signed.name, signed.expires)):
            raise ChallengeInvalid(field="challenge")
        return tenancy.LoggedIn(token=token, csrf=csrf_token(token), expires_at=ends, person=view(person))

    async def holds(self, fingerprint: str, now: datetime) -> bool:
        """Whether a session that this key opened goes on."""
        key = await asyncio.to_thread(self._store.by_fingerprint, fingerprint)
        if key is None or key.state is not KeyState.ACTIVE:
            return False
        try:
            await self._judge(key.tenant, parse_certificate(key.certificate), now)
        except SignInKeyRefused:
            return False
        return True

    def has_key(self, person: str) -> bool:
        return bool(self._store.active(person))

    def is_required(self, person: Person) -> bool:
        """Whether one of the person's roles signs in with a key only."""
        return not person.roles.isdisjoint(self._store.required(person.tenant))

    # binding

    async def enrol(self, call: Call, request: m.SignedChallenge) -> m.KeyView:
        """The holder's part."""
        signed, certificate = await self._signed(call, _purpose(call), request)
        tenant = call.principal.tenant
        await self._judge(tenant, certificate, call.now)
        key = PersonKey(
            id=new_id("pky"),
            person=call.principal.id,
            tenant=tenant,
            certificate=certificate.der,
            fingerprint=certificate.fingerprint.hex(),
            subject=str(certificate.subject),
            serial=f"{certificate.serial:X}",
            not_after=certificate.not_after,
            state=KeyState.REQUESTED,
            requested_at=call.now,
        )
        if not await asyncio.to_thread(self._store.add, key, (signed.name, signed.expires)):
            raise AlreadyExists(kind="certificate", name=key.serial, field="certificate")
        call.resource.update(key=key.id, serial=key.serial)
        return m.KeyView.of(key)

    async def list(self, call: Call, request: m.ListKeys) -> m.KeyList:
        """One's own; administrators see everybody's of their side."""
        principal = call.principal
        everybody = not (principal.roles or {principal.role}).isdisjoint(_ADMINISTERS_KEYS)
        if not everybody and request.person not in (None, principal.id):
            return m.KeyList(items=[])
        found = await asyncio.to_thread(
            self._store.listed,
            principal.tenant,
            person=request.person if everybody else principal.id,
            after=request.cursor or "",
            limit=request.limit + 1,
        )
        shown, cursor = page(found, request.limit)
        return m.KeyList(items=[m.KeyView.of(key) for key in shown], next_cursor=cursor)

    async def approve(self, call: Call, request: m.KeyName) -> m.KeyView:
        """The second person's part."""
        key = await self._others(call, request.key_id)
        if not await asyncio.to_thread(self._store.approve, key, by=call.principal.id, at=call.now):
            raise FailedPrecondition(state=key.state, field="key_id")
        await self._ledger.invalidate(TOPIC_PERSON, key.person)
        found = await asyncio.to_thread(self._store.get, key.tenant, key.id)
        return m.KeyView.of(found or key)

    async def remove(self, call: Call, request: m.KeyName) -> tenancy.Done:
        key = await self._others(call, request.key_id)
        await asyncio.to_thread(self._store.remove, key)
        await self._ledger.invalidate(TOPIC_PERSON, key.person)
        return tenancy.Done()

    async def policy(self, call: Call, request: Empty) -> m.KeyPolicy:
        return m.KeyPolicy(roles=sorted(await asyncio.to_thread(self._store.required, call.principal.tenant)))

    async def set_policy(self, call: Call, request: m.KeyPolicy) -> m.KeyPolicy:
        roles = frozenset(request.roles)
        tenant = call.principal.tenant
        outside = roles - (PLATFORM_ROLES if tenant is None else TENANT_ROLES)
        if outside:
            check_roles(frozenset((min(outside),)), tenant)
        call.detail.update(before=sorted(self._store.required(tenant)), now=sorted(roles))
        await asyncio.to_thread(self._store.require, tenant, roles)
        await self._ledger.invalidate(TOPIC_KEY_POLICY, tenant or "platform")
        return m.KeyPolicy(roles=sorted(roles))

    # signing again

    async def step_up(
        self,
        principal: Principal,
        operation: Operation,
        request: Any,
        proof: str | None,
        now: datetime,
        *,
        tenant: str | None,
    ) -> str | None:
        """For a person with a key: the name of the signature that allows this very call, good once. None for everybody
        else. Raises StepUpRequired, with the text to be signed. `tenant`: whose the call is about, whoever makes it."""
        if principal.role in (Role.APPLICATION, Role.SYSTEM, Role.PUBLIC):
            return None
        keys = await asyncio.to_thread(self._store.active, principal.id)
        if not keys:
            return None
        lines = (principal.id, tenant or "-", operation.id, digest(msgspec.json.encode(request)).hex())
        bound = await self._identity.statement(statement.CONFIRM, *lines)
        fresh = "\n".join((bound, new_id("sig"), now.strftime(_TIME)))
        if not proof:
            raise StepUpRequired(operation.id, fresh, _ASKED)
        refusal = StepUpRequired(operation.id, fresh, _WRONG)
        try:
            first, second = proof.split(".")
            message, signature = base64url.decode(first), base64url.decode(second)
            *signed, name, at = message.decode().split("\n")
            age = now - datetime.strptime(at, _TIME)
        except ValueError:
            raise refusal from None
        if "\n".join(signed) != bound or not -STEP_UP_LIFETIME / 10 < age <= STEP_UP_LIFETIME or len(name) > 40:
            raise refusal
        for key in keys:
            certificate = parse_certificate(key.certificate)
            if has_signed(certificate, message, signature):
                await self._judge(key.tenant, certificate, now)
                return f"step-up:{principal.id}:{name}"
        raise refusal

    # parts

    async def _signed(
        self, call: Call, purpose: tuple[str, ...], request: m.SignedChallenge
    ) -> tuple[Signed, Certificate]:
        signed = await self._challenges.check(request.challenge, purpose, request.browser, call.now)
        certificate = read_certificate(request.certificate)
        if not has_signed(certificate, signed.message, request.signature):
            raise SignInKeyRefused(_UNSIGNED)
        return signed, certificate

    async def _judge(self, tenant: str | None, certificate: Certificate, at: datetime) -> None:
        """By the platform's own authorities. Raises SignInKeyRefused."""
        verdict = await self._trust.judge(
            tenant, certificate.der, at=at, purpose=Purpose.CLIENT_AUTH, level=Level.REVOCATION
        )
        if not verdict.valid:
            raise SignInKeyRefused(verdict.reasons[0].text)

    async def _others(self, call: Call, key_id: str) -> PersonKey:
        found = await asyncio.to_thread(self._store.get, call.principal.tenant, key_id)
        if found is None:
            raise NotFound("key", key_id, field="key_id")
        call.resource.update(key=found.id, person=found.person, serial=found.serial)
        if found.person == call.principal.id:
            raise OwnAccount
        return found


def _purpose(call: Call) -> tuple[str, ...]:
    return ("login",) if call.principal.role is Role.PUBLIC else ("register", call.principal.id)


def proof_of(message: str, signature: bytes) -> str:
    """What a signed confirmation is sent as."""
    return f"{base64url.encode(message.encode())}.{base64url.encode(signature)}"
