"""Who is it? Implements `core.access.Authenticator` for every kind of credential.

A web worker asks the database and the machine at most once in the cache's time for a credential; revocation reaches
the caches through the ledger's topics before the operation that revoked is answered.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from miyun.core.access import (
    Anonymous,
    Authenticated,
    BasicCredential,
    Credential,
    Internal,
    Judge,
    MessageCredential,
    SessionCredential,
    SignedRequest,
)
from miyun.core.digest import mac
from miyun.core.errors import CredentialExpired, Unauthenticated
from miyun.core.ledger.port import Ledger
from miyun.core.operation import Operation, Principal, Role
from miyun.core.tenancy.applications.directory import (
    TOPIC_ACCESS_KEY,
    TOPIC_APPLICATION,
    TOPIC_CREDENTIAL,
    verifier,
)
from miyun.core.tenancy.applications.store import ApplicationStore
from miyun.core.tenancy.cache import RowCache
from miyun.core.tenancy.errors import ClockSkew, CsrfMismatch, GrantRequired, SessionExpired
from miyun.core.tenancy.keys.service import PersonKeys
from miyun.core.tenancy.model import (
    CACHE_KEYS,
    CACHE_SESSIONS,
    CLOCK_SKEW,
    IDLE,
    USE_NOTED,
    AccessKey,
    Application,
    BasicAccess,
    Grant,
    Person,
    PersonState,
    Session,
)
from miyun.core.tenancy.people import TOPIC_PERSON, expired
from miyun.core.tenancy.secret_keys import SecretKeys
from miyun.core.tenancy.sessions import TOPIC_KEY_POLICY, TOPIC_SESSION, csrf_token, session_id
from miyun.core.tenancy.store import TenancyStore

_NONCE: Final = re.compile(r"[A-Za-z0-9_.~+/=-]{8,64}")
_ACCESS_KEY: Final = re.compile(r"ak_[0-9a-z]{26}")
_TENANT: Final = re.compile(r"ten_[0-9a-z]{26}")
_USERNAME: Final = re.compile(r"bc_[0-9a-z]{26}")
_ANONYMOUS: Final = Principal(id="anonymous", role=Role.PUBLIC, name="")
TOPIC_GRANT: Final = "core.access_grant"  # key: the person of the supplier's staff
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_USED_AT_MOST: Final = 65_536
log = logging.getLogger("miyun.access")
_SEEN_AGAIN: Final = timedelta(seconds=CACHE_SESSIONS)  # by the platform's clock, which may be held still


@dataclass(frozen=True, slots=True)
class _Signer:
    key: AccessKey
    principal: Principal
    active: bool
    day_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Basic:
    access: BasicAccess
    principal: Principal
    active: bool


@dataclass(frozen=True, slots=True)
class _Seat:
    session: Session
    person: Person
    grants: tuple[Grant, ...]
    csrf: str = field(repr=False)
    must_register_key: bool = False


class TenancyAuthenticator:
    def __init__(
        self,
        *,
        store: TenancyStore,
        applications: ApplicationStore,
        secret_keys: SecretKeys,
        keys: PersonKeys,
        ledger: Ledger,
    ) -> None:
        self._keys = keys
        self._store = store
        self._applications = applications
        self._secret_keys = secret_keys
        self._signers: RowCache[tuple[str, str], _Signer] = RowCache(size=8192, seconds=CACHE_KEYS)
        self._basics: RowCache[str, _Basic] = RowCache(size=8192, seconds=CACHE_KEYS)
        self._used: dict[str, datetime] = {}  # of credentials: when their use was noted last
        self._seats: RowCache[str, _Seat] = RowCache(size=8192, seconds=CACHE_SESSIONS)
        self.judges: dict[str, Judge] = {}  # of rooms whose protocols bring their own proof of who calls
        ledger.on_invalidate(self._forget)

    async def authenticate(self, credential: Credential, operation: Operation, now: datetime) -> Authenticated:
        """Raises Unauthenticated and its kin, GrantRequired, CsrfMismatch, MachineLocked."""
        if type(credential) is SignedRequest:
            return await self._signed(credential, now)
        if isinstance(credential, SessionCredential):
            return await self._session(credential, now)
        if isinstance(credential, BasicCredential):
            return await self._basic(credential, operation, now)
        if isinstance(credential, Internal):
            return Authenticated(
                Principal(id=credential.actor, role=Role.SYSTEM, name=credential.actor, tenant=credential.tenant)
            )
        if isinstance(credential, MessageCredential):
            return await self.judges[credential.room](credential, operation, now)
        assert isinstance(credential, Anonymous)
        if Role.PUBLIC not in operation.roles:
            raise Unauthenticated
        return Authenticated(_ANONYMOUS)

    # access key

    async def _signed(self, request: SignedRequest, now: datetime) -> Authenticated:
        moment = _moment(request.date)
        if moment is None or not _NONCE.fullmatch(request.nonce) or not _ACCESS_KEY.fullmatch(request.access_key):
            raise Unauthenticated
        # what is judged here must be what was signed, whatever the edge made of the headers
        if request.string_to_sign.split(b"\n", 3)[1:3] != [request.date.encode(), request.nonce.encode()]:
            raise Unauthenticated
        if abs(now - moment) > CLOCK_SKEW:
            raise ClockSkew
        day = request.date[:8]
        signer = self._signers.get((request.access_key, day))
        if signer is None:
            signer = await self._signers.load(
                (request.access_key, day), lambda: self._load_signer(request.access_key, day)
            )
            if signer is None:
                raise Unauthenticated
        expected = mac(signer.day_key, request.string_to_sign).hex()
        if not _same(expected, request.signature.lower()):
            raise Unauthenticated
        if not signer.active or signer.key.revoked_at is not None or expired(signer.key.expires_at, now):
            raise CredentialExpired
        await self._note_use(signer.key.id, now)
        # the nonce has to be remembered for as long as its date would still be accepted
        return Authenticated(
            signer.principal,
            nonce=f"{request.access_key}:{request.nonce}",
            nonce_expires=(moment + 2 * CLOCK_SKEW).timestamp(),
        )

    async def _load_signer(self, access_key: str, day: str) -> _Signer | None:
        found = await asyncio.to_thread(self._applications.find_access_key, access_key)
        if found is None:
            return None
        key, application = found
        return _Signer(
            key,
            _application_principal(key.id, application),
            application.state == "active",
            await self._secret_keys.day_key(access_key, day),
        )

    # single-purpose credential

    async def _basic(self, credential: BasicCredential, operation: Operation, now: datetime) -> Authenticated:
        name = credential.username
        if not _USERNAME.fullmatch(name) or not credential.password.isascii():
            raise Unauthenticated
        found = await self._basics.load(name, lambda: self._load_basic(name))
        if found is None or not hmac.compare_digest(found.access.verifier, verifier(name, credential.password)):
            raise Unauthenticated
        access = found.access
        if not found.active or access.revoked_at is not None or expired(access.expires_at, now):
            raise CredentialExpired
        if operation.id not in access.operations and operation.scope != "public":
            raise Unauthenticated
        await self._note_use(access.id, now)
        return Authenticated(found.principal)

    async def _load_basic(self, name: str) -> _Basic | None:
        found = await asyncio.to_thread(self._applications.find_credential, name)
        if found is None:
            return None
        access, application = found
        return _Basic(access, _application_principal(access.id, application), application.state == "active")

    async def _note_use(self, credential: str, now: datetime) -> None:
        """So that who gives a credential out sees whether it is still needed. No call fails for the want of it."""
        if now - self._used.get(credential, _NEVER) < USE_NOTED:
            return
        if len(self._used) >= _USED_AT_MOST:
            self._used.clear()
        self._used[credential] = now
        try:
            await asyncio.to_thread(self._applications.note_use, credential, now)
        except Exception as error:
            log.warning("the last use of %s was not noted: %s", credential, type(error).__name__)

    # session

    async def _session(self, credential: SessionCredential, now: datetime) -> Authenticated:
        token = credential.token
        if not token.isascii():
            raise SessionExpired
        identifier = session_id(token)
        cached = self._seats.get(identifier)
        if cached is not None and now - cached.session.seen_at >= _SEEN_AGAIN:
            self._seats.drop(identifier)
        seat = await self._seats.load(identifier, lambda: self._load_seat(identifier, token, now))
        if seat is None or now >= seat.session.expires_at:
            raise SessionExpired
        if credential.cookie and credential.unsafe and not _same(seat.csrf, credential.csrf or ""):
            raise CsrfMismatch(permission="csrf", field="csrf")
        principal, refusal = _person_principal(seat, credential.tenant, now)
        return Authenticated(
            principal,
            must_change_password=seat.person.must_change,
            must_register_key=seat.must_register_key,
            refusal=refusal,
        )

    async def _load_seat(self, identifier: str, token: str, now: datetime) -> _Seat | None:
        found = await asyncio.to_thread(self._store.touch_session, identifier, now, IDLE)
        if found is None or found[1].state != PersonState.ACTIVE:
            return None
        session, person, grants = found
        if session.key and not await self._keys.holds(session.key, now):
            await asyncio.to_thread(self._store.end_session, session.id)
            return None
        without = not session.key and await asyncio.to_thread(self._keys.is_required, person)
        return _Seat(session, person, tuple(grants), csrf_token(token), without)

    def _forget(self, topic: str, key: str) -> None:
        if topic == TOPIC_ACCESS_KEY:
            self._signers.drop_where(lambda signer: signer.key.id == key)
        elif topic == TOPIC_CREDENTIAL:
            self._basics.drop(key)
        elif topic == TOPIC_APPLICATION:
            self._signers.drop_where(lambda signer: signer.key.application == key)
            self._basics.drop_where(lambda basic: basic.access.application == key)
        elif topic == TOPIC_SESSION:
            self._seats.drop(key)
        elif topic in (TOPIC_PERSON, TOPIC_GRANT):
            self._seats.drop_where(lambda seat: seat.person.id == key)
        elif topic == TOPIC_KEY_POLICY:
            self._seats.clear()
        elif topic == "*":  # the ledger was out of reach: anything may have changed meanwhile
            self._signers.clear()
            self._basics.clear()
            self._seats.clear()


def _same(expected: str, sent: str) -> bool:
    return sent.isascii() and hmac.compare_digest(expected, sent)


@lru_cache(maxsize=1024)
def _moment(date: str) -> datetime | None:
    """`YYYYMMDDTHHMMSSZ`, nothing else."""
    if len(date) != 16 or date[8] != "T" or date[15] != "Z" or not (date[:8] + date[9:15]).isascii():
        return None
    digits = date[:8] + date[9:15]
    if not digits.isdigit():
        return None
    try:
        return datetime(
            int(date[:4]), int(date[4:6]), int(date[6:8]), int(date[9:11]), int(date[11:13]), int(date[13:15]),
            tzinfo=UTC,
        )  # fmt: skip
    except ValueError:
        return None


def _application_principal(identifier: str, application: Application) -> Principal:
    return Principal(
        id=identifier,
        role=Role.APPLICATION,
        name=application.name,
        tenant=application.tenant,
        application=application.id,
    )


def _person_principal(seat: _Seat, entered: str | None, now: datetime) -> tuple[Principal, GrantRequired | None]:
    """Who it is; with a refusal, for the record of the tenant that was to be entered, and then without any role."""
    person = seat.person
    tenant, grant, roles = person.tenant, None, person.roles
    refusal: GrantRequired | None = None
    if entered is not None and entered != person.tenant:
        tenant = entered if _TENANT.fullmatch(entered) else None
        held = next((g for g in seat.grants if g.tenant == entered and g.holds(now)), None)
        if held is None:
            roles, refusal = frozenset((Role.PUBLIC,)), GrantRequired(permission="grant", field="tenant")
        else:
            grant = held.id
    principal = Principal(
        id=person.id,
        role=person.primary,
        name=person.name,
        tenant=tenant,
        roles=roles,
        grant=grant,
        session=seat.session.id,
    )
    return principal, refusal
