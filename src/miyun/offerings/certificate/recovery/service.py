"""Recovery of escrowed keys: three people, one delivery, every step in the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

from miyun.core.clock import Clock
from miyun.core.errors import InvalidArgument, NotFound
from miyun.core.i18n import Text
from miyun.core.ids import new_id
from miyun.core.ledger.port import Entry, Ledger
from miyun.core.listing import Column, csv_of
from miyun.core.operation import Call
from miyun.gm import sm2
from miyun.gm.errors import InvalidKey
from miyun.offerings.certificate.escrow.centre import KeyCentre
from miyun.offerings.certificate.escrow.model import EscrowedKey
from miyun.offerings.certificate.escrow.store import SORTING as ESCROW_SORTING
from miyun.offerings.certificate.escrow.store import EscrowStore
from miyun.offerings.certificate.messages import VerifyView
from miyun.offerings.certificate.model import Certificate, key_digest, serial_text
from miyun.offerings.certificate.reading import certificates_in
from miyun.offerings.certificate.recovery import messages as m
from miyun.offerings.certificate.recovery.errors import AnotherPersonNeeded, RecoveryStateConflict, UnfitReceiver
from miyun.offerings.certificate.recovery.model import DECISION, DELIVERY, Consent, Kind, Recovery, State
from miyun.offerings.certificate.recovery.store import SORTING, RecoveryStore
from miyun.wire.name import Name
from miyun.wire.spki import KeyAlgorithm
from miyun.wire.x509 import Certificate as X509Certificate
from miyun.wire.x509 import Purpose, certificates_pem, parse_certificate

Judge = Callable[[X509Certificate, list[X509Certificate], datetime, Purpose | None], VerifyView]

COLUMNS: Final[tuple[Column[m.RecoveryView], ...]] = (
    Column("recovery", Text("恢复编号", "Recovery"), lambda item: item.recovery),
    Column("subject", Text("主体", "Subject"), lambda item: item.subject),
    Column("kind", Text("类型", "Kind"), lambda item: item.kind),
    Column("state", Text("状态", "State"), lambda item: item.state),
    Column("reason", Text("事由", "Reason"), lambda item: item.reason),
    Column("reference", Text("文书", "Reference"), lambda item: item.reference),
    Column("receiver", Text("接收证书", "Receiver"), lambda item: item.receiver_subject),
    Column("requester", Text("申请人", "Requester"), lambda item: item.requester),
    Column("requested_at", Text("申请时间", "Requested"), lambda item: item.requested_at),
    Column("system_consent", Text("系统管理员同意", "System consent"), lambda item: item.system_consent),
    Column("security_consent", Text("安全管理员同意", "Security consent"), lambda item: item.security_consent),
    Column("closed_by", Text("办结人", "Closed by"), lambda item: item.closed_by),
    Column("closed_at", Text("办结时间", "Closed"), lambda item: item.closed_at),
)


class Recoveries:
    def __init__(
        self,
        *,
        store: RecoveryStore,
        escrow: EscrowStore,
        certificates: Callable[[str], list[Certificate]],
        centre: KeyCentre,
        judge: Judge,
        ledger: Ledger,
        clock: Clock,
    ) -> None:
        """`certificates` finds those of a key, by its digest; `judge` says whether one of ours is good."""
        self._store = store
        self._escrow = escrow
        self._certificates = certificates
        self._centre = centre
        self._judge = judge
        self._ledger = ledger
        self._clock = clock

    # the keys of a person

    async def escrowed(self, call: Call, request: m.EscrowListRequest) -> m.EscrowPage:
        sort = ESCROW_SORTING.sort(request.sort)
        rows = await asyncio.to_thread(
            self._escrow.page,
            call.require_tenant(),
            text=request.text,
            sort=sort,
            place=ESCROW_SORTING.place(sort, request.cursor),
            limit=request.limit,
        )
        items = rows[: request.limit]
        more = None
        if len(rows) > request.limit:
            more = ESCROW_SORTING.cursor(sort, getattr(items[-1], sort.field), items[-1].id)
        return m.EscrowPage(items=[await self._escrowed_view(item) for item in items], next_cursor=more)

    # the life of a recovery

    async def request(self, call: Call, request: m.RecoverRequest) -> m.RecoveryView:
        tenant = call.require_tenant()
        escrowed = await asyncio.to_thread(self._escrow.find, tenant, request.escrow)
        if escrowed is None:
            raise NotFound("escrow", request.escrow)
        kind = Kind(request.kind)
        if kind is Kind.JUDICIAL and not request.reference.strip():
            raise InvalidArgument("reference", Text("司法恢复须写明文书", "a judicial recovery names its paper"))
        receiver = certificates_in("receiver", request.receiver)[0]
        self._check_receiver(receiver, escrowed, kind, call.now)
        item = Recovery(
            id=new_id("rcv"),
            tenant=tenant,
            escrow=escrowed.id,
            subject=escrowed.subject,
            kind=kind,
            reason=request.reason,
            reference=request.reference.strip(),
            receiver=receiver.der,
            requester=call.principal.id,
            requested_at=call.now,
            expires_at=call.now + DECISION,
            state=State.REQUESTED,
        )
        await asyncio.to_thread(self._store.add, item)
        return self._told(call, item)

    async def consent(self, call: Call, recovery: str, consent: Consent) -> m.RecoveryView:
        """Of one of the two; with the second it is approved."""
        item = await self._current(call, recovery)
        if call.principal.id in (item.requester, item.system_consent, item.security_consent):
            raise AnotherPersonNeeded
        if not await asyncio.to_thread(
            self._store.consent, item, consent, call.principal.id, call.now, until=call.now + DELIVERY
        ):
            raise RecoveryStateConflict((await self._own(call, recovery)).state)
        return self._told(call, await self._own(call, recovery))

    async def reject(self, call: Call, request: m.RejectRequest) -> m.RecoveryView:
        item = await self._current(call, request.recovery)
        if not await asyncio.to_thread(
            self._store.close, item, State.REJECTED, call.now, by=call.principal.id, note=request.reason
        ):
            raise RecoveryStateConflict((await self._own(call, request.recovery)).state)
        return self._told(call, await self._own(call, request.recovery))

    async def collect(self, call: Call, request: m.RecoveryRequest) -> m.DeliveredView:
        """By whoever asked for it, once. The receiver's certificate is looked at again."""
        item = await self._current(call, request.recovery)
        if item.requester != call.principal.id:
            raise NotFound("recovery", request.recovery)
        if item.state is not State.APPROVED:
            raise RecoveryStateConflict(item.state)
        escrowed = await asyncio.to_thread(self._escrow.find, item.tenant, item.escrow)
        if escrowed is None:
            raise NotFound("escrow", item.escrow)
        receiver = parse_certificate(item.receiver)
        self._check_receiver(receiver, escrowed, item.kind, call.now)
        enveloped = await self._centre.envelope(escrowed, receiver.spki_der)
        if not await asyncio.to_thread(self._store.close, item, State.DELIVERED, call.now, by=call.principal.id):
            raise RecoveryStateConflict((await self._own(call, request.recovery)).state)
        found = await asyncio.to_thread(self._certificates, escrowed.digest)
        pem = certificates_pem(parse_certificate(certificate.der or b"") for certificate in found)
        told = self._told(call, await self._own(call, request.recovery))
        return m.DeliveredView(recovery=told, enveloped_key=enveloped, certificates_pem=pem)

    async def expire(self) -> int:
        now, expired = self._clock.now(), 0
        for item in await asyncio.to_thread(self._store.overdue, now):
            if await asyncio.to_thread(self._store.close, item, State.EXPIRED, now):
                expired += 1
                await self._ledger.append(
                    Entry(
                        operation="certificate.recovery.expire",
                        outcome="ok",
                        at=now,
                        tenant=item.tenant,
                        role="system",
                        resource={"recovery": item.id, "escrow": item.escrow},
                    )
                )
        return expired

    # look

    async def register(self, tenant: str, start: datetime, end: datetime) -> bytes:
        """What was asked for in a period, as CSV."""
        found = await asyncio.to_thread(self._store.requested_between, tenant, start, end)
        return csv_of([view(item) for item in found], COLUMNS, "zh")

    async def get(self, call: Call, request: m.RecoveryRequest) -> m.RecoveryView:
        return view(await self._own(call, request.recovery))

    async def page(self, call: Call, request: m.ListRequest) -> m.RecoveryPage:
        sort = SORTING.sort(request.sort)
        rows = await asyncio.to_thread(
            self._store.page,
            call.require_tenant(),
            state=State(request.state) if request.state else None,
            text=request.text,
            sort=sort,
            place=SORTING.place(sort, request.cursor),
            limit=request.limit,
        )
        items = rows[: request.limit]
        more = None
        if len(rows) > request.limit:
            more = SORTING.cursor(sort, getattr(items[-1], sort.field), items[-1].id)
        return m.RecoveryPage(items=[view(item) for item in items], next_cursor=more)

    # within

    async def _own(self, call: Call, recovery: str) -> Recovery:
        found = await asyncio.to_thread(self._store.find, call.require_tenant(), recovery)
        if found is None:
            raise NotFound("recovery", recovery)
        call.resource["recovery"] = found.id
        call.resource["escrow"] = found.escrow
        return found

    async def _current(self, call: Call, recovery: str) -> Recovery:
        """Raises RecoveryStateConflict for one whose time is over."""
        item = await self._own(call, recovery)
        if item.state in (State.REQUESTED, State.APPROVED) and item.expires_at <= call.now:
            await asyncio.to_thread(self._store.close, item, State.EXPIRED, call.now)
            raise RecoveryStateConflict(State.EXPIRED)
        return item

    def _told(self, call: Call, item: Recovery) -> m.RecoveryView:
        call.resource |= {"recovery": item.id, "escrow": item.escrow}
        call.detail |= {"state": item.state.value, "kind": item.kind.value}
        return view(item)

    def _check_receiver(self, receiver: X509Certificate, escrowed: EscrowedKey, kind: Kind, at: datetime) -> None:
        """Raises UnfitReceiver."""
        key = receiver.public_key
        if key.algorithm is not KeyAlgorithm.SM2 or key.point is None:
            raise UnfitReceiver(Text("不是 SM2 证书", "not an SM2 certificate"))
        try:
            sm2.check_public_key(key.point)
        except InvalidKey:
            raise UnfitReceiver(Text("公钥不在曲线上", "the public key is not a point of its curve")) from None
        if receiver.spki_der == escrowed.key.public:
            raise UnfitReceiver(Text("这正是要恢复的密钥", "it is of the very key that is to be recovered"))
        if not receiver.not_before <= at <= receiver.not_after:
            raise UnfitReceiver(Text("接收证书不在有效期内", "the receiver's certificate is not in its term"))
        if kind is Kind.JUDICIAL:
            return
        verdict = self._judge(receiver, [], at, Purpose.SIGNATURE)
        if not verdict.valid:
            reasons = verdict.reasons[0]
            raise UnfitReceiver(Text(f"接收证书无效：{reasons.zh}", f"the certificate is not good: {reasons.en}"))
        # applicants of every tenant choose names of their own: the same name is not the same holder
        known = self._certificates(key_digest(receiver.spki_der))
        if not any(item.der == receiver.der and item.tenant == escrowed.tenant for item in known):
            raise UnfitReceiver(Text("接收证书不是签发给本租户的", "it was not issued to this tenant"))
        if str(receiver.subject)[:1024] != escrowed.subject and not _same(escrowed.subject, receiver.subject):
            raise UnfitReceiver(Text("接收证书的主体与密钥的主体不同", "it is of another subject than the key"))

    async def _escrowed_view(self, item: EscrowedKey) -> m.EscrowedView:
        found = await asyncio.to_thread(self._certificates, item.digest)
        return m.EscrowedView(
            escrow=item.id,
            subject=item.subject,
            created_at=item.created_at,
            application=item.application,
            certificates=[serial_text(certificate.serial) for certificate in found],
            key_sm3=item.digest,
        )


def _same(kept: str, subject: Name) -> bool:
    """A subject that was cut for the register matches none but itself."""
    return len(kept) < 1024 and Name.parse(kept).matches(subject)


def view(item: Recovery) -> m.RecoveryView:
    receiver = parse_certificate(item.receiver)
    return m.RecoveryView(
        recovery=item.id,
        escrow=item.escrow,
        subject=item.subject,
        kind=item.kind.value,
        state=item.state.value,
        reason=item.reason,
        reference=item.reference,
        receiver_subject=str(receiver.subject),
        receiver_sm3=receiver.fingerprint.hex(),
        requester=item.requester,
        requested_at=item.requested_at,
        expires_at=item.expires_at,
        system_consent=item.system_consent,
        system_consent_at=item.system_consent_at,
        security_consent=item.security_consent,
        security_consent_at=item.security_consent_at,
        closed_by=item.closed_by,
        closed_at=item.closed_at,
        note=item.note,
    )
