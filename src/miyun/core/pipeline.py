"""The one pipeline that executes every operation, in one order:

authenticate → tenant and instance → authorise → entitlement → quota → validate → idempotency → execute →
meter + audit → render.

Nothing is acknowledged before its record is durable in the ledger. Refusals are recorded too, so that both parties see
them. Validation comes before the ledger is asked for quota and idempotency (one round trip, `admit`), so that a
malformed request costs no quota; the *answers* keep the order above: an exhausted quota is not revealed to a caller
who is not entitled, and a malformed request of an entitled caller is told so.

An operation whose only effect is its answer is executed first, and then admitted and recorded in one round trip
(`settle`): what the ledger refuses was computed in vain and is thrown away.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from miyun.core.access import Authenticated, Authenticator, Credential, Entitled, Entitlements, Internal, StepUp
from miyun.core.clock import Clock
from miyun.core.errors import (
    InternalError,
    KeyMissing,
    MiyunError,
    Overloaded,
    PasswordUnchanged,
    PermissionDenied,
    QuotaExceeded,
    Unauthenticated,
    Unavailable,
)
from miyun.core.i18n import Locale, Text
from miyun.core.ledger.port import Admission, Entry, Ledger, QuotaAsk, Receipt, Settled, Ticket
from miyun.core.ledger.record import hour_of
from miyun.core.operation import Call, Operation, Principal, Role
from miyun.core.registry import Registry
from miyun.core.tenancy.model import ROLE_NAMES
from miyun.core.turns import Turns

log = logging.getLogger("miyun.pipeline")

_SPENT = 4096  # quota accounts remembered as used up

# All that a first, one-time password lets its holder do.
_WITH_FIRST_PASSWORD = frozenset({"account.me", "account.change_password", "account.logout"})
# And one who has to register a key first.
_WITHOUT_KEY = _WITH_FIRST_PASSWORD | {"account.key.challenge", "account.key.enrol", "account.key.list"}
STEP_UP_SECONDS = 600.0  # a signature for an operation is remembered: longer than it is good


class Arrival(msgspec.Struct, frozen=True):
    """A request as an edge hands it over. `decode` runs at the validate step and may raise InvalidArgument."""

    credential: Credential
    request_id: str
    decode: Callable[[], Any]
    locale: Locale = "zh"
    instance: str | None = None
    idempotency_key: str | None = None
    fingerprint: bytes = b""
    body: AsyncIterator[bytes] | None = None
    proof: str | None = None  # a person's signature for this very request
    peer: str = ""  # the client's address; "" when the call does not come over the network
    certificate: bytes | None = None  # as Call.certificate


class Outcome(msgspec.Struct, frozen=True):
    """`replayed` holds the stored, already encoded answer of an idempotent repeat; `value` is None then."""

    value: Any
    answer: bytes | None = None
    replayed: bool = False
    receipt: Receipt | None = None
    used: int | None = None
    limit: int | None = None


class _Progress(msgspec.Struct):
    """What is known so far, for the record of a refusal."""

    principal: Principal | None = None
    entitled: Entitled | None = None
    call: Call | None = None
    ticket: Ticket | None = None
    turn: str | None = None  # whose place among the running calls this one has
    unasked: Admission | None = None  # executed, and the ledger was not asked yet
    in_doubt: bool = False  # the handler may have had an effect that is not recorded


class Pipeline:
    """`services` maps an operation's id prefix to the service object its handlers are methods of."""

    def __init__(
        self,
        *,
        registry: Registry,
        services: Mapping[str, Any],
        authenticator: Authenticator,
        entitlements: Entitlements,
        ledger: Ledger,
        clock: Clock,
        turns: Turns | None = None,
        step_up: StepUp | None = None,
    ) -> None:
        self._step_up = step_up
        self.registry = registry
        self.services = services
        self.counters: Counter[tuple[str, str]] = Counter()  # (operation id, outcome code) → calls
        self._authenticator = authenticator
        self._entitlements = entitlements
        self._ledger = ledger
        self._clock = clock
        self.turns = turns
        self._spent: dict[str, int] = {}  # quota account → the hour in which it was exhausted

    async def execute(
        self, operation: Operation, arrival: Arrival, *, encode: Callable[[Any], bytes] | None = None
    ) -> Outcome:
        """Run one operation. Raises MiyunError subclasses only; anything else becomes InternalError."""
        now = self._clock.now()
        progress = _Progress()
        try:
            try:
                outcome = await self._run(operation, arrival, encode, now, progress)
            finally:
                self._end_turn(progress)
        except MiyunError as error:
            await self._refuse(operation, arrival, now, progress, error)
            raise
        except asyncio.CancelledError:
            await asyncio.shield(self._abandon(operation, arrival, now, progress))
            raise
        except Exception as error:
            log.exception("request %s of %s failed", arrival.request_id, operation.id)
            internal = InternalError(request_id=arrival.request_id)
            await self._refuse(operation, arrival, now, progress, internal)
            raise internal from error
        self.counters[operation.id, "ok"] += 1
        return outcome

    async def _run(
        self,
        operation: Operation,
        arrival: Arrival,
        encode: Callable[[Any], bytes] | None,
        now: datetime,
        progress: _Progress,
    ) -> Outcome:
        authenticated = await self._authenticator.authenticate(arrival.credential, operation, now)
        principal = progress.principal = authenticated.principal
        if authenticated.refusal is not None:
            raise authenticated.refusal
        authorise(operation, authenticated)
        entitled = await self._entitle(operation, arrival, authenticated, now)
        progress.entitled = entitled
        if self.turns is not None and operation.body != "stream":  # a stream comes as slowly as its sender likes
            owner = (entitled.tenant if entitled else principal.tenant) or principal.id
            await self.turns.take(owner)
            progress.turn = owner
        request = arrival.decode()
        call = progress.call = Call(
            principal=principal,
            request_id=arrival.request_id,
            now=now,
            locale=arrival.locale,
            tenant=entitled.tenant if entitled else principal.tenant,
            instance=entitled.instance if entitled else None,
            binding=entitled.binding if entitled else None,
            body=arrival.body,
            peer=arrival.peer,
            certificate=arrival.certificate,
        )
        if operation.step_up and self._step_up is not None:
            signed = await self._step_up.step_up(principal, operation, request, arrival.proof, now, tenant=call.tenant)
            if signed is not None:
                call.detail["signed"] = signed.rpartition(":")[2]
                authenticated = msgspec.structs.replace(
                    authenticated, nonce=signed, nonce_expires=now.timestamp() + STEP_UP_SECONDS
                )
        admission = self._admission(operation, arrival, authenticated, entitled, request)
        settles = admission if admission and self._may_settle(operation, admission, now) else None
        progress.unasked = settles
        ticket = progress.ticket = await self._ledger.admit(admission) if admission and not settles else None
        if ticket is not None and ticket.replay is not None:
            return Outcome(value=None, answer=ticket.replay, replayed=True)
        handler, service = operation.handler, self.services[operation.offering]
        progress.in_doubt = True
        try:
            if operation.run == "pool":
                value = await asyncio.to_thread(handler, service, call, request)
            else:
                value = await handler(service, call, request)
        except MiyunError as error:
            progress.in_doubt = error.had_effect  # handlers promise: otherwise nothing was changed
            await self._ask_late(progress)
            raise
        except Exception:
            await self._ask_late(progress)
            raise
        if not _is_recorded(operation) or (call.idle and _is_nobody(principal)):
            if ticket is not None:  # no record ends it
                await self._ledger.release(ticket)
            return Outcome(value=value, answer=encode(value) if encode else None)
        answer = encode(value) if encode is not None else None
        keep = answer if operation.idempotent and not operation.secret_response and not call.private else None
        entry = self._entry(operation, arrival, now, progress, outcome="ok", request=request, value=value)
        quota = admission.quota if admission else None
        if self.turns is not None and progress.turn is not None and self.turns.alone(progress.turn):
            self._end_turn(progress)  # what waits for the disk hinders nobody; beside others it counts to one's share
        if settles is not None:
            progress.unasked = None
            settled = await self._settle(settles, entry, now)
            return Outcome(
                value=value,
                answer=answer,
                receipt=settled.receipt,
                used=settled.used if quota else None,
                limit=quota.limit if quota else None,
            )
        receipt = await self._ledger.append(entry, ticket, answer=keep)
        return Outcome(
            value=value,
            answer=answer,
            receipt=receipt,
            used=ticket.used if ticket and quota else None,
            limit=quota.limit if quota else None,
        )

    def _end_turn(self, progress: _Progress) -> None:
        if progress.turn is not None and self.turns is not None:
            self.turns.give(progress.turn)
            progress.turn = None

    def _may_settle(self, operation: Operation, admission: Admission, now: datetime) -> bool:
        """Not with an idempotency key, and not when the quota is known to be used up: that would compute in vain."""
        if not operation.settles or not _is_recorded(operation) or admission.idempotency is not None:
            return False
        return admission.quota is None or self._spent.get(admission.quota.account) != hour_of(now.timestamp())

    async def _settle(self, admission: Admission, entry: Entry, now: datetime) -> Settled:
        try:
            return await self._ledger.settle(admission, entry)
        except QuotaExceeded:
            if admission.quota is not None:
                if len(self._spent) >= _SPENT:
                    self._spent.clear()
                self._spent[admission.quota.account] = hour_of(now.timestamp())
            raise

    async def _ask_late(self, progress: _Progress) -> None:
        """The handler failed before the ledger was asked: its nonce is used up all the same, and a replay or an
        exhausted quota is answered before what the handler says."""
        admission, progress.unasked = progress.unasked, None
        if admission is not None:
            progress.ticket = await self._ledger.admit(admission)

    async def _entitle(
        self, operation: Operation, arrival: Arrival, authenticated: Authenticated, now: datetime
    ) -> Entitled | None:
        if operation.scope != "tenant":
            return None
        if isinstance(arrival.credential, Internal):
            tenant = arrival.credential.tenant or ""
            return Entitled(tenant=tenant, instance=arrival.credential.instance)
        instance = authenticated.instance or arrival.instance
        return await self._entitlements.resolve(authenticated.principal, operation, instance=instance, now=now)

    def _admission(
        self,
        operation: Operation,
        arrival: Arrival,
        authenticated: Authenticated,
        entitled: Entitled | None,
        request: Any,
    ) -> Admission | None:
        quota = None
        meter = operation.meter
        if meter and meter.hourly_quota and entitled and entitled.instance and entitled.hourly_limit is not None:
            units = meter.units(request, None) if meter.units else 1
            quota = QuotaAsk(
                f"{entitled.instance}:{meter.name}", units=units, limit=entitled.hourly_limit, refuse=entitled.refuse
            )
        idempotency = None
        if operation.idempotent and arrival.idempotency_key:
            idempotency = f"{authenticated.principal.id}:{operation.id}:{arrival.idempotency_key}"
        if quota is None and idempotency is None and authenticated.nonce is None:
            return None
        return Admission(
            nonce=authenticated.nonce,
            nonce_expires=authenticated.nonce_expires,
            idempotency=idempotency,
            fingerprint=arrival.fingerprint,
            quota=quota,
        )

    def _entry(
        self,
        operation: Operation,
        arrival: Arrival,
        now: datetime,
        progress: _Progress,
        *,
        outcome: str,
        code: str = "",
        request: Any = None,
        value: Any = None,
    ) -> Entry:
        principal, entitled, call, meter = progress.principal, progress.entitled, progress.call, operation.meter
        # who was refused before the tenant was resolved still belongs to one: it sees the attempt
        tenant = (call.tenant if call else None) or (entitled.tenant if entitled else principal and principal.tenant)
        units = 0
        if meter and outcome == "ok":
            if call and call.units is not None:
                units = call.units
            else:
                units = meter.units(request, value) if meter.units else 1
        detail: dict[str, Any] = dict(call.detail) if call else {}
        if principal and principal.grant:
            detail["grant"] = principal.grant
        if progress.ticket and progress.ticket.over:
            detail["over"] = True
        return Entry(
            operation=operation.id,
            outcome=outcome,
            code=code,
            at=now,
            request_id=arrival.request_id,
            tenant=tenant or "",
            instance=(call.instance if call else None) or (entitled.instance if entitled else None) or "",
            binding=(call.binding if call else None) or (entitled.binding if entitled else None) or "",
            principal=principal.id if principal else "",
            role=principal.role if principal else "",
            resource=dict(call.resource) if call else {},
            meter=meter.name if meter else "",
            units=units,
            detail=detail,
        )

    async def _refuse(
        self, operation: Operation, arrival: Arrival, now: datetime, progress: _Progress, error: MiyunError
    ) -> None:
        """Record the refusal. A failing ledger must not hide the first error from the caller."""
        self.counters[operation.id, error.code] += 1
        principal, call = progress.principal, progress.call
        try:
            await self._ask_late(progress)
            if progress.ticket is not None:
                await self._ledger.release(progress.ticket, in_doubt=progress.in_doubt)
            nobody = principal is not None and _is_nobody(principal) and not (call and call.tenant)
            if principal is None or not _is_recorded(operation) or (nobody and _is_noise(error)):
                return  # anonymous noise is counted, not recorded: the ledger is not a target for floods
            if isinstance(error, Overloaded) and call is None:
                return  # turned away at the door: a record of each would be the load that it was turned away for
            outcome = "failed" if error.status >= 500 else "refused"
            entry = self._entry(operation, arrival, now, progress, outcome=outcome, code=error.code)
            await self._ledger.append(entry)
        except MiyunError as second:
            log.error("refusal %s of request %s could not be recorded: %s", error.code, arrival.request_id, second)

    async def _abandon(self, operation: Operation, arrival: Arrival, now: datetime, progress: _Progress) -> None:
        """The caller went away: what had begun is recorded as failed and its idempotency key stays in doubt."""
        await self._refuse(operation, arrival, now, progress, Unavailable("caller"))


def _is_recorded(operation: Operation) -> bool:
    """Public reads are only counted, whoever declares them."""
    return operation.recorded and not (operation.scope == "public" and operation.method == "GET")


def _is_nobody(principal: Principal) -> bool:
    return principal.role is Role.PUBLIC


def _is_noise(error: MiyunError) -> bool:
    """What whoever sends anything can provoke as fast as they send it. A failed sign-in is none: it takes its time."""
    return not isinstance(error, (Unauthenticated, InternalError))


def authorise(operation: Operation, authenticated: Authenticated) -> None:
    """Raises PermissionDenied unless the principal holds one of the operation's roles."""
    principal = authenticated.principal
    if Role.PUBLIC in operation.roles:
        return
    if authenticated.must_change_password and operation.id not in _WITH_FIRST_PASSWORD:
        raise PasswordUnchanged(operation.id)
    if authenticated.must_register_key and operation.id not in _WITHOUT_KEY:
        raise KeyMissing(operation.id)
    held = principal.roles or frozenset((principal.role,))
    if held.isdisjoint(operation.roles):
        raise PermissionDenied(operation.id, who=_holders(operation))


def _holders(operation: Operation) -> Text:
    names = [ROLE_NAMES[role] for role in Role if role in operation.roles and role in ROLE_NAMES]
    return Text("、".join(name.zh for name in names), ", ".join(name.en for name in names))
