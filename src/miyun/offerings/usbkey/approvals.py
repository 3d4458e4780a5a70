"""What one person asks for and another decides: unlocking a user's PIN, scrapping a key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from miyun.core.errors import FailedPrecondition, InvalidArgument, NotFound
from miyun.core.i18n import Text
from miyun.core.ids import new_id
from miyun.core.operation import Call
from miyun.gm import kdf, sm2
from miyun.gm.errors import GmError
from miyun.offerings.usbkey import messages as m
from miyun.offerings.usbkey.errors import UsbKeyNeedsSecondPerson, UsbKeyRequestConflict, UsbKeyStateConflict
from miyun.offerings.usbkey.model import (
    APPLICATION,
    COLLECT_WITHIN,
    REQUEST_LIFETIME,
    TRANSITIONS,
    UNLOCKABLE,
    Action,
    Event,
    Key,
    Request,
    RequestKind,
    RequestState,
)
from miyun.offerings.usbkey.sealing import Sealing
from miyun.offerings.usbkey.store import REQUEST_SORTING, UsbKeyStore
from miyun.wire.errors import DecodeError
from miyun.wire.skf_unlock import Challenge, Response, parse_challenge

Find = Callable[[Call, str], Awaitable[Key]]
Move = Callable[[Call, Key, Action, str], Awaitable[Key]]


class Approvals:
    def __init__(self, *, store: UsbKeyStore, sealing: Sealing, find: Find, move: Move) -> None:
        self._store = store
        self._sealing = sealing
        self._find = find
        self._move = move

    async def ask(self, call: Call, request: m.AskRequest) -> m.ApprovalView:
        key = await self._find(call, request.usbkey)
        kind = RequestKind(request.kind)
        possible = UNLOCKABLE if kind is RequestKind.UNLOCK else TRANSITIONS[Action.SCRAP][0]
        if key.state not in possible:
            raise UsbKeyStateConflict(key.state)
        if request.token_challenge:
            _check_challenge(request, key)
        asked = Request(
            id=new_id("uka"),
            tenant=key.tenant,
            key=key.id,
            kind=kind,
            state=RequestState.PENDING,
            asked_by=call.principal.id,
            asked_at=call.now,
            expires_at=call.now + REQUEST_LIFETIME,
            reason=request.reason,
            challenge=request.token_challenge,
        )
        await asyncio.to_thread(self._store.ask, asked)
        return self._told(call, asked)

    async def approve(self, call: Call, request: m.ApprovalRequest) -> m.ApprovalView:
        """By somebody who did not ask. Scrapping is done at once; an unlocking waits to be collected."""
        asked = await self._to_decide(call, request.approval)
        decided = {"decided_by": call.principal.id, "decided_at": call.now, "note": request.note}
        if asked.kind is RequestKind.UNLOCK:
            decided["expires_at"] = call.now + COLLECT_WITHIN
            await self._decide(asked, RequestState.APPROVED, **decided)
        else:
            key = await self._find(call, asked.key)
            if key.state not in TRANSITIONS[Action.SCRAP][0]:
                raise UsbKeyStateConflict(key.state)
            await self._decide(asked, RequestState.DONE, **decided)
            await self._move(call, key, Action.SCRAP, asked.reason)
        return self._told(call, await self.own(call, asked.id))

    async def reject(self, call: Call, request: m.RejectRequest) -> m.ApprovalView:
        asked = await self._to_decide(call, request.approval)
        await self._decide(
            asked, RequestState.REJECTED, decided_by=call.principal.id, decided_at=call.now, note=request.note
        )
        return self._told(call, await self.own(call, asked.id))

    async def collect(self, call: Call, request: m.ApprovalRequest) -> m.CollectAnswer:
        """The answer of an approved unlocking: to whoever asked, once."""
        asked = await self.own(call, request.approval)
        if asked.asked_by != call.principal.id:
            raise NotFound("approval", request.approval)
        if asked.state is not RequestState.APPROVED or call.now >= asked.expires_at:
            raise UsbKeyRequestConflict(asked.state)
        key = await self._find(call, asked.key)
        if key.state not in UNLOCKABLE:
            raise UsbKeyStateConflict(key.state)
        secrets = await self._sealing.open(key)
        await self._decide(asked, RequestState.DONE)
        event = Event(new_id("uke"), key.tenant, key.id, call.now, "unlock", call.principal.id, asked.reason)
        await asyncio.to_thread(self._store.note, event)
        call.private = True
        if not asked.challenge:
            return m.CollectAnswer(approval=asked.id, admin_pin=secrets.admin_pin)
        challenge = parse_challenge(asked.challenge)
        response = await asyncio.to_thread(_respond, challenge, secrets.admin_pin)
        return m.CollectAnswer(approval=asked.id, response=response)

    async def page(self, call: Call, request: m.ApprovalListRequest) -> m.ApprovalPage:
        sort = REQUEST_SORTING.sort(request.sort)
        rows = await asyncio.to_thread(
            self._store.requests,
            call.require_tenant(),
            state=RequestState(request.state) if request.state else None,
            sort=sort,
            place=REQUEST_SORTING.place(sort, request.cursor),
            limit=request.limit,
        )
        items, more = rows[: request.limit], None
        if len(rows) > request.limit:
            more = REQUEST_SORTING.cursor(sort, getattr(items[-1], sort.field), items[-1].id)
        return m.ApprovalPage(items=[_view(item) for item in items], next_cursor=more)

    async def own(self, call: Call, approval: str) -> Request:
        found = await asyncio.to_thread(self._store.request, call.require_tenant(), approval)
        if found is None:
            raise NotFound("approval", approval)
        call.resource["approval"] = approval
        return found

    async def _to_decide(self, call: Call, approval: str) -> Request:
        asked = await self.own(call, approval)
        if asked.asked_by == call.principal.id:
            raise UsbKeyNeedsSecondPerson
        if asked.state is not RequestState.PENDING or call.now >= asked.expires_at:
            raise UsbKeyRequestConflict(asked.state)
        return asked

    async def _decide(self, asked: Request, wanted: RequestState, **values: object) -> None:
        if not await asyncio.to_thread(self._store.decide, asked, wanted, **values):
            found = await asyncio.to_thread(self._store.request, asked.tenant, asked.id)
            raise UsbKeyRequestConflict(found.state if found else asked.state)

    def _told(self, call: Call, asked: Request) -> m.ApprovalView:
        call.resource |= {"approval": asked.id, "usbkey": asked.key}
        call.detail |= {"kind": str(asked.kind), "state": str(asked.state)}
        return _view(asked)


def _check_challenge(request: m.AskRequest, key: Key) -> None:
    if request.kind != "unlock":
        raise FailedPrecondition(field="token_challenge", state=request.kind)
    try:
        challenge = parse_challenge(request.token_challenge)
        sm2.check_public_key(challenge.point)
    except (DecodeError, GmError):
        reason = Text("不是本系统软件钥匙的挑战", "not a challenge of a token of this system")
        raise InvalidArgument("token_challenge", reason) from None
    if challenge.serial != key.serial or challenge.application != APPLICATION:
        raise InvalidArgument("token_challenge", Text("是另一把钥匙的挑战", "it is another key's"))


def _respond(challenge: Challenge, admin_pin: str) -> bytes:
    stretched = kdf.pbkdf2(admin_pin.encode(), challenge.salt, challenge.iterations, 32)
    return Response(challenge.nonce, sm2.encrypt(challenge.point, stretched)).encode()


def _view(asked: Request) -> m.ApprovalView:
    return m.ApprovalView(
        approval=asked.id,
        usbkey=asked.key,
        kind=asked.kind.value,
        state=asked.state.value,
        remote=bool(asked.challenge),
        reason=asked.reason,
        asked_by=asked.asked_by,
        asked_at=asked.asked_at,
        expires_at=asked.expires_at,
        decided_by=asked.decided_by,
        decided_at=asked.decided_at,
        note=asked.note,
    )
