"""The life of USB keys: from stock to scrap, with the certificates that are written into them."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any, Final

from miyun.core.clock import Clock
from miyun.core.errors import AlreadyExists, MiyunError, NotFound
from miyun.core.ids import new_id
from miyun.core.ledger.port import Entry, Ledger
from miyun.core.operation import Call
from miyun.core.ports import CertificateIssuer, CertificateUses, Custody, KeyDirectory, PairDesk
from miyun.offerings.usbkey import messages as m
from miyun.offerings.usbkey.approvals import Approvals
from miyun.offerings.usbkey.certification import Certification
from miyun.offerings.usbkey.errors import UsbKeyStateConflict
from miyun.offerings.usbkey.model import (
    APPLICATION,
    CHECKED_FOR,
    NO_END,
    REMINDER,
    TRANSITIONS,
    WITHDRAWN,
    Action,
    Event,
    Finding,
    Key,
    State,
)
from miyun.offerings.usbkey.sealing import Sealing
from miyun.offerings.usbkey.store import FINDING_SORTING, KEY_SORTING, UsbKeyStore


class UsbKeyService:
    def __init__(
        self,
        *,
        store: UsbKeyStore,
        keys: KeyDirectory,
        issuer: CertificateIssuer,
        desk: PairDesk,
        uses: CertificateUses,
        ledger: Ledger,
        clock: Clock,
    ) -> None:
        self._store = store
        self._issuer = issuer
        self._uses = uses
        self._ledger = ledger
        self._clock = clock
        self._sealing = Sealing(store=store, keys=keys)
        self.certification = Certification(store=store, desk=desk, issuer=issuer, find=self.own, move=self._move)
        self.approvals = Approvals(store=store, sealing=self._sealing, find=self.own, move=self._move)

    # --- stock -------------------------------------------------------------------------------------------------------

    async def register(self, call: Call, request: m.RegisterRequest) -> m.BatchAnswer:
        """Each item for itself: a serial number that is there already is that item's error."""
        outcomes = await asyncio.to_thread(lambda: [self._register(call, item) for item in request.items])
        call.detail["registered"] = sum(outcome.error is None for outcome in outcomes)
        return m.BatchAnswer(items=outcomes)

    def _register(self, call: Call, item: m.NewKey) -> m.Outcome:
        key = Key(
            id=new_id("usb"),
            tenant=call.require_tenant(),
            instance=call.instance or "",
            serial=item.serial,
            label=item.label,
            maker=item.maker,
            model=item.model,
            state=State.STOCK,
            registered_at=call.now,
            changed_at=call.now,
        )
        if self._store.add(key, self._event(call, key, "register")):
            return m.Outcome(serial=key.serial, usbkey=key.id, state=key.state.value)
        return _failed(item.serial, AlreadyExists(field="serial", kind="USB key", name=item.serial))

    # --- initialise and personalise ----------------------------------------------------------------------------------

    async def initialise(self, call: Call, request: m.KeyRequest) -> m.InitialiseAnswer:
        """New secrets for a key that comes from stock or was taken back; the same again while it is being set up."""
        key = await self.own(call, request.usbkey)
        if key.state is State.INITIALISED:
            secrets = await self._sealing.open(key)
        else:
            self._check(key, Action.INITIALISE)
            if key.state in WITHDRAWN:  # they are forgotten now
                await self.certification.revoke(key, WITHDRAWN[key.state], call.now)
            secrets, sealed = await self._sealing.make(key.tenant, key.id)
            await self._move(call, key, Action.INITIALISE, sealed=sealed, holder="", **_NO_CERTIFICATES)
        call.private = True
        return m.InitialiseAnswer(
            usbkey=key.id,
            application=APPLICATION,
            admin_pin=secrets.admin_pin,
            authentication_key=secrets.authentication_key,
        )

    async def personalise(self, call: Call, request: m.NotedRequest) -> m.KeyView:
        """The operator's program has written the certificates."""
        return _view(await self.certification.written(call, request))

    # --- hand out, lose, take back -----------------------------------------------------------------------------------

    async def hand_out(self, call: Call, request: m.HandOutRequest) -> m.KeyView:
        key = await self.own(call, request.usbkey)
        note = f"{request.holder} {request.note}".strip()
        return _view(await self._move(call, key, Action.HAND_OUT, note, holder=request.holder))

    async def lose(self, call: Call, request: m.NotedRequest) -> m.KeyView:
        """Its certificates are revoked: whoever found it can do nothing with it. Can be repeated until that is done."""
        key = await self.own(call, request.usbkey)
        moved = await self._move(call, key, Action.LOSE, request.note)
        await self._end_certificates(call, moved)
        return _view(moved)

    async def take_back(self, call: Call, request: m.NotedRequest) -> m.KeyView:
        """Its certificates are revoked: the key that comes back is for somebody else."""
        key = await self.own(call, request.usbkey)
        moved = await self._move(call, key, Action.TAKE_BACK, request.note)
        await self._end_certificates(call, moved)
        return _view(moved)

    async def batch(self, call: Call, request: m.BatchRequest) -> m.BatchAnswer:
        act = self.lose if request.action == "lose" else self.take_back
        outcomes = []
        for usbkey in request.usbkeys:
            try:
                view = await act(call, m.NotedRequest(usbkey=usbkey, note=request.note))
                outcomes.append(m.Outcome(serial=view.serial, usbkey=usbkey, state=view.state))
            except MiyunError as error:
                outcomes.append(_failed("", error, usbkey))
        call.resource.clear()
        call.detail["done"] = sum(outcome.error is None for outcome in outcomes)
        return m.BatchAnswer(items=outcomes)

    # --- look --------------------------------------------------------------------------------------------------------

    async def get(self, call: Call, request: m.KeyRequest) -> m.KeyDetail:
        key = await self.own(call, request.usbkey)
        events = await asyncio.to_thread(self._store.events, key.tenant, key.id)
        listed = [m.EventView(at=one.at, what=one.what, person=one.person, note=one.note) for one in events]
        return m.KeyDetail(key=_view(key), events=listed)

    async def page(self, call: Call, request: m.ListRequest) -> m.KeyPage:
        sort = KEY_SORTING.sort(request.sort)
        ends_before = call.now + timedelta(days=request.expiring_days) if request.expiring_days else None
        rows = await asyncio.to_thread(
            self._store.page,
            call.require_tenant(),
            text=request.text,
            state=State(request.state) if request.state else None,
            ends_before=ends_before,
            sort=sort,
            place=KEY_SORTING.place(sort, request.cursor),
            limit=request.limit,
        )
        items, more = rows[: request.limit], None
        if len(rows) > request.limit:
            more = KEY_SORTING.cursor(sort, getattr(items[-1], sort.field), items[-1].id)
        return m.KeyPage(items=[_view(item) for item in items], next_cursor=more)

    async def affected(self, call: Call, request: m.KeyRequest) -> m.AffectedAnswer:
        key = await self.own(call, request.usbkey)
        uses = await self._uses.uses(key.tenant, key.signing_fingerprint) if key.signing_fingerprint else []
        revoked = [await self._issuer.is_revoked(serial) for serial in key.serials]
        return m.AffectedAnswer(
            usbkey=key.id,
            serial=key.serial,
            holder=key.holder,
            certificates=[f"{serial:x}" for serial in key.serials],
            revoked=bool(revoked) and all(revoked),
            uses=[
                m.Use(kind=use.kind, application=use.application, name=use.name, state=use.state, at=use.at)
                for use in uses
            ],
        )

    async def custody(self, tenant: str, fingerprint: str) -> Custody | None:
        """`core.ports.KeyCustody`"""
        if not fingerprint:  # as keys without certificates have it
            return None
        found = await asyncio.to_thread(self._store.with_certificate, tenant, fingerprint)
        return found.custody if found else None

    def registered_before(self, tenant: str, end: datetime) -> list[Key]:
        return self._store.all_before(tenant, end)

    async def own(self, call: Call, usbkey: str) -> Key:
        """Raises NotFound."""
        found = await asyncio.to_thread(self._store.find, call.require_tenant(), usbkey)
        if found is None:
            raise NotFound("usbkey", usbkey)
        call.resource["usbkey"] = usbkey
        return found

    # --- compatibility -----------------------------------------------------------------------------------------------

    async def report(self, call: Call, request: m.FindingRequest) -> m.FindingView:
        values = {name: getattr(request, name) for name in request.__struct_fields__}
        found = Finding(id=new_id("ukf"), tenant=call.require_tenant(), at=call.now, **values)
        await asyncio.to_thread(self._store.add_finding, found)
        return _finding(found)

    async def findings(self, call: Call, request: m.FindingListRequest) -> m.FindingPage:
        sort = FINDING_SORTING.sort(request.sort)
        rows = await asyncio.to_thread(
            self._store.findings,
            call.require_tenant(),
            sort=sort,
            place=FINDING_SORTING.place(sort, request.cursor),
            limit=request.limit,
        )
        items, more = rows[: request.limit], None
        if len(rows) > request.limit:
            more = FINDING_SORTING.cursor(sort, getattr(items[-1], sort.field), items[-1].id)
        return m.FindingPage(items=[_finding(item) for item in items], next_cursor=more)

    # --- periodic ----------------------------------------------------------------------------------------------------

    async def remind(self) -> None:
        """Every key in somebody's hands whose certificates end soon, once, in the ledger; what nobody decided ends."""
        now = self._clock.now()
        await asyncio.to_thread(self._store.expire, now)
        for key in await asyncio.to_thread(self._store.due, now + REMINDER):
            resource, detail = {"usbkey": key.id}, {"serial": key.serial, "ends": key.expires_at.isoformat()}
            entry = Entry(
                "usbkey.expiring", "ok", now, tenant=key.tenant, role="system", resource=resource, detail=detail
            )
            await self._ledger.append(entry)
            await asyncio.to_thread(self._store.reminded, key, now)

    async def withdraw(self) -> None:
        """What a crash left: a key that is lost or taken back, and its certificates not revoked."""
        now = self._clock.now()
        for key in await asyncio.to_thread(self._store.withdrawn, now - CHECKED_FOR):
            await self.certification.revoke(key, WITHDRAWN[key.state], now)

    # --- within ------------------------------------------------------------------------------------------------------

    async def _move(self, call: Call, key: Key, action: Action, note: str = "", **values: Any) -> Key:
        self._check(key, action)
        event = self._event(call, key, action, note)
        if not await asyncio.to_thread(self._store.move, key, action, event, **values):
            raise UsbKeyStateConflict((await self.own(call, key.id)).state)
        call.detail["state"] = str(TRANSITIONS[action][1])
        return await self.own(call, key.id)

    def _check(self, key: Key, action: Action) -> None:
        if key.state not in TRANSITIONS[action][0]:
            raise UsbKeyStateConflict(key.state)

    def _event(self, call: Call, key: Key, what: str, note: str = "") -> Event:
        return Event(new_id("uke"), key.tenant, key.id, call.now, str(what), call.principal.id, note[:500])

    async def _end_certificates(self, call: Call, key: Key) -> None:
        """Those that it has, and those that it was to have."""
        reason = WITHDRAWN[key.state]
        await self.certification.revoke(key, reason, call.now)
        await self.certification.abandon(call, key, reason)


_NO_CERTIFICATES: Final[dict[str, Any]] = {
    "signing_serial": None,
    "encryption_serial": None,
    "signing_fingerprint": "",
    "subject": "",
    "application": None,
    "expires_at": NO_END,
    "reminded_at": None,
}


def _failed(serial: str, error: MiyunError, usbkey: str | None = None) -> m.Outcome:
    return m.Outcome(serial=serial, usbkey=usbkey, error=error.code, zh=error.message.zh, en=error.message.en)


def _view(key: Key) -> m.KeyView:
    return m.KeyView(
        usbkey=key.id,
        serial=key.serial,
        label=key.label,
        maker=key.maker,
        model=key.model,
        state=key.state.value,
        holder=key.holder,
        subject=key.subject,
        certificate=None if key.signing_serial is None else f"{key.signing_serial:x}",
        encryption_certificate=None if key.encryption_serial is None else f"{key.encryption_serial:x}",
        application=key.application,
        expires_at=None if key.expires_at == NO_END else key.expires_at,
        registered_at=key.registered_at,
        changed_at=key.changed_at,
    )


def _finding(found: Finding) -> m.FindingView:
    return m.FindingView(
        maker=found.maker,
        model=found.model,
        system=found.system,
        library=found.library,
        works=found.works,
        note=found.note,
        at=found.at,
    )
