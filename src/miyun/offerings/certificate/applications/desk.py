"""Where people and applications apply, and where a second person decides."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from miyun.core.errors import InvalidArgument, NotFound
from miyun.core.i18n import Text
from miyun.core.ids import new_id
from miyun.core.operation import Call
from miyun.offerings.certificate.applications import messages as m
from miyun.offerings.certificate.applications.errors import (
    ApplicationAlreadyOpen,
    ApplicationStateConflict,
    NotRenewable,
    SecondPersonNeeded,
)
from miyun.offerings.certificate.applications.fulfilment import Fulfilment
from miyun.offerings.certificate.applications.model import (
    LEASE,
    LIFETIME,
    Application,
    Kind,
    Pair,
    State,
    renewable_from,
)
from miyun.offerings.certificate.applications.requests import check_free, read_request
from miyun.offerings.certificate.applications.store import ApplicationStore
from miyun.offerings.certificate.authority import Authorities
from miyun.offerings.certificate.errors import KeyRefused, unreadable
from miyun.offerings.certificate.escrow.centre import KeyCentre
from miyun.offerings.certificate.issuance import Issuance, subject_of
from miyun.offerings.certificate.model import Certificate, KeyUse, Usage, key_digest, serial_text
from miyun.offerings.certificate.model import State as CertificateState
from miyun.offerings.certificate.outside.store import OutsideStore
from miyun.offerings.certificate.templates import Template
from miyun.offerings.certificate.weak_keys import usable_key
from miyun.wire import oid
from miyun.wire.errors import DecodeError
from miyun.wire.name import Name
from miyun.wire.pkcs10 import CertificationRequest, parse_csr
from miyun.wire.spki import parse_spki
from miyun.wire.x509 import parse_certificate
from miyun.wire.x509.extension import read_general_names
from miyun.wire.x509.general_name import GeneralName


class Desk:
    def __init__(
        self,
        *,
        store: ApplicationStore,
        authorities: Authorities,
        issuance: Issuance,
        outside: OutsideStore,
        centre: KeyCentre,
        fulfilment: Fulfilment,
    ) -> None:
        self._store = store
        self._issuance = issuance
        self._outside = outside
        self._authorities = authorities
        self._fulfilment = fulfilment
        self._centre = centre

    # apply

    async def apply(self, call: Call, request: m.ApplyRequest) -> m.ApplicationView:
        template = self._issuance.template(call.tenant, request.template)
        usual = await self.usual(call, template)
        return await self.hand_in(call, template, self.new(call, template, request, read_request(request.csr), usual))

    def new(
        self, call: Call, template: Template, request: m.ApplyRequest, csr: CertificationRequest, usual: str | None
    ) -> Application:
        """As it was asked for; `usual` is the CA outside for it when none is named."""
        subject = subject_of(request.subject) if request.subject else csr.subject
        return replace(
            self.draft(call, Kind.NEW, template, subject, csr.spki_der),
            names=tuple(request.names) or _names_of(csr),
            days=request.days,
            pair=_pair(request, csr),
            csr=csr.der,
            encryption_spki=request.encryption_public_key or None,
            on_behalf_of=request.on_behalf_of,
            note=request.note,
            outside=request.outside or usual,
        )

    async def renew(self, call: Call, request: m.RenewRequest) -> m.ApplicationView:
        """The same key, subject and names for another term."""
        old, twin = await self._previous(call, request.serial)
        certificate = parse_certificate(old.der or b"")
        if call.now < renewable_from(certificate.not_before, certificate.not_after):
            raise NotRenewable(Text("离到期尚早", "it is not near its end"))
        csr = read_request(request.csr) if request.csr else None
        if csr is not None and csr.spki_der != certificate.spki_der:
            raise InvalidArgument(
                "csr", Text("不是该证书的密钥；更换密钥请用 rekey", "is of another key: use rekey for a new one")
            )
        template = self._issuance.template(call.tenant, old.template)
        item = self.draft(call, Kind.RENEWAL, template, certificate.subject, certificate.spki_der)
        return await self.hand_in(
            call,
            template,
            replace(
                item,
                names=_texts(certificate.subject_alt_names),
                days=request.days,
                pair=await self._pair_of(call, twin),
                csr=csr.der if csr else None,
                encryption_spki=parse_certificate(twin.der or b"").spki_der if twin else None,
                note=request.note,
                previous=old.serial,
            ),
        )

    async def rekey(self, call: Call, request: m.RekeyRequest) -> m.ApplicationView:
        """A new key for the same subject and names."""
        old, twin = await self._previous(call, request.serial)
        certificate = parse_certificate(old.der or b"")
        csr = read_request(request.csr)
        if csr.spki_der == certificate.spki_der:
            raise InvalidArgument("csr", Text("与原证书密钥相同；请用 renew", "is of the same key: use renew"))
        pair = await self._pair_of(call, twin)
        if (pair is Pair.OWN) != bool(request.encryption_public_key):
            raise InvalidArgument(
                "encryption_public_key",
                Text(
                    "自备加密密钥的双证书须给出新的加密公钥，其余不给",
                    "is needed for a pair whose encryption key was brought along, and for no other",
                ),
            )
        template = self._issuance.template(call.tenant, old.template)
        item = self.draft(call, Kind.REKEY, template, certificate.subject, csr.spki_der)
        return await self.hand_in(
            call,
            template,
            replace(
                item,
                names=_texts(certificate.subject_alt_names),
                days=request.days,
                pair=pair,
                csr=csr.der,
                encryption_spki=request.encryption_public_key or None,
                note=request.note,
                previous=old.serial,
                revoke_previous=request.revoke_previous,
            ),
        )

    def draft(self, call: Call, kind: Kind, template: Template, subject: Name, spki: bytes) -> Application:
        return Application(
            id=new_id("apl"),
            tenant=call.require_tenant(),
            instance=call.instance or "",
            kind=kind,
            state=State.PENDING,
            template=template.slug,
            subject=subject,
            names=(),
            days=None,
            spki=spki,
            key=key_digest(spki),
            pair=Pair.NONE,
            applicant=caller(call),
            applicant_role=call.principal.role,
            applied_at=call.now,
            expires_at=call.now + LIFETIME,
        )

    async def hand_in(self, call: Call, template: Template, item: Application) -> m.ApplicationView:
        """Kept for review; where the template asks for none, issued."""
        await self.check(item)
        granted = not template.review and item.outside is None
        if granted:
            item = replace(item, state=State.APPROVED)
        if not await asyncio.to_thread(self._store.add, item, call.now + LEASE if granted else None):
            raise ApplicationAlreadyOpen
        call.resource["application"] = item.id
        if granted:
            await self._fulfilment.finish([item], call.now)
        return self._told(call, await self.own(call, item.id))

    async def withdraw(self, call: Call, request: m.ApplicationRequest) -> m.ApplicationView:
        """By whoever applied."""
        item = await self.own(call, request.application)
        if item.applicant != caller(call):
            raise NotFound("application", request.application)
        return await self._move(call, item, State.WITHDRAWN)

    # decide

    async def approve(self, call: Call, request: m.ApproveRequest) -> m.ApplicationView:
        """By a person who did not apply. What is approved is issued at once, or as soon as the machine can."""
        item = await self._to_decide(call, request.application)
        await self.check(item)
        wanted = State.FORWARDED if item.outside else State.APPROVED
        await self._move(
            call,
            item,
            wanted,
            reviewer=call.principal.id,
            reviewed_at=call.now,
            reason=request.note,
            claimed_until=call.now + LEASE if wanted is State.APPROVED else None,
        )
        if wanted is State.APPROVED:
            await self._fulfilment.finish([item], call.now)
        return self._told(call, await self.own(call, item.id))

    async def reject(self, call: Call, request: m.RejectRequest) -> m.ApplicationView:
        item = await self._to_decide(call, request.application)
        return await self._move(
            call,
            item,
            State.REJECTED,
            but_from=State.APPROVED,  # its certificates may be there already: revoke them
            reviewer=call.principal.id,
            reviewed_at=call.now,
            reason=request.reason,
        )

    async def check(self, item: Application) -> None:
        """That nothing speaks against it now. Raises InvalidArgument, KeyRefused."""
        await self.check_outside(item)
        self.check_by(item, await asyncio.to_thread(self._store.certificates_of_keys, [item.key]))

    async def check_outside(self, item: Application) -> None:
        if item.outside is not None:
            named = await asyncio.to_thread(self._outside.find, item.tenant, item.outside)
            if named is None or named.removed_at is not None:
                raise NotFound("outside", item.outside)

    def check_by(self, item: Application, known: list[Certificate]) -> None:
        """As `check`; `known` are the certificates of its key."""
        if item.pair is Pair.OWN:
            usable_key("encryption_public_key", item.encryption_spki or b"")
        for authority in self._authorities.all():
            if authority.key.public == item.spki:
                raise KeyRefused("csr", KeyUse.OTHER_HOLDER)
        check_free(known, item.tenant, item.subject)
        self._fulfilment.check(item)

    async def delivered(self, call: Call, item: Application, serial: int) -> m.ApplicationView:
        """The certificate of a CA outside is here."""
        return await self._move(call, item, State.ISSUED, but_from=State.APPROVED, serial=serial)

    # look

    async def get(self, call: Call, request: m.ApplicationRequest) -> m.ApplicationView:
        return view(await self.own(call, request.application))

    async def own(self, call: Call, application: str) -> Application:
        """An application sees what it applied for itself; people of the tenant see all. Raises NotFound."""
        found = await asyncio.to_thread(self._store.find, call.require_tenant(), application)
        if found is None or (call.application is not None and found.applicant != call.application):
            raise NotFound("application", application)
        call.resource["application"] = application
        return found

    # within

    async def _previous(self, call: Call, serial: str) -> tuple[Certificate, Certificate | None]:
        """The signing certificate that is to be followed by another, and its twin."""
        number = int(serial, 16)
        found = await asyncio.to_thread(self._store.with_twin, call.require_tenant(), number)
        old = next((item for item in found if item.serial == number), None)
        if old is None:
            raise NotFound("certificate", serial, field="serial")
        if call.application is not None and not await self._applied_for(call, old):
            raise NotFound("certificate", serial, field="serial")
        call.resource["certificate"] = serial_text(number)
        if old.usage is Usage.ENCRYPT:
            raise NotRenewable(Text("请给出双证书中的签名证书", "it is the encryption certificate of a pair"))
        if old.state is not CertificateState.ISSUED or old.not_after <= call.now:
            raise NotRenewable(Text("证书已吊销、冻结或过期", "it is revoked, suspended or expired"))
        twin = next((item for item in found if item.usage is Usage.ENCRYPT), None)
        return old, twin

    async def _applied_for(self, call: Call, certificate: Certificate) -> bool:
        if certificate.application is None:
            return False
        item = await asyncio.to_thread(self._store.find, call.require_tenant(), certificate.application)
        return item is not None and item.applicant == call.application

    async def _pair_of(self, call: Call, twin: Certificate | None) -> Pair:
        if twin is None:
            return Pair.NONE
        return Pair.ESCROW if await self._centre.kept(call.require_tenant(), twin.key) else Pair.OWN

    async def usual(self, call: Call, template: Template) -> str | None:
        """The CA outside to which applications for this template go."""
        found = await asyncio.to_thread(self._outside.all, call.require_tenant())
        return next((item.id for item in found if template.slug in item.templates), None)

    async def _to_decide(self, call: Call, application: str) -> Application:
        item = await self.own(call, application)
        if item.applicant == call.principal.id:
            raise SecondPersonNeeded
        if item.state is State.PENDING and item.expires_at <= call.now:
            await asyncio.to_thread(self._store.move, item, State.EXPIRED, call.now)
            raise ApplicationStateConflict(State.EXPIRED)
        return item

    async def _move(self, call: Call, item: Application, wanted: State, **values: Any) -> m.ApplicationView:
        if not await asyncio.to_thread(self._store.move, item, wanted, call.now, **values):
            raise ApplicationStateConflict((await self.own(call, item.id)).state)
        return self._told(call, await self.own(call, item.id))

    def _told(self, call: Call, item: Application) -> m.ApplicationView:
        call.detail["state"] = item.state.value
        if item.serial is not None:
            call.resource["certificate"] = serial_text(item.serial)
        return view(item)


def caller(call: Call) -> str:
    return call.application or call.principal.id


def _pair(request: m.ApplyRequest, csr: CertificationRequest) -> Pair:
    asked = request.pair or (
        "own" if request.encryption_public_key else "escrow" if csr.temporary_point is not None else "none"
    )
    if (asked == "own") != bool(request.encryption_public_key):
        raise InvalidArgument(
            "encryption_public_key",
            Text("仅在自备加密密钥（pair=own）时给出", 'goes with pair="own", and is needed there'),
        )
    return Pair(asked)


def _names_of(csr: CertificationRequest) -> tuple[str, ...]:
    """Alternative names that the request itself asks for."""
    found = csr.extension(oid.SUBJECT_ALT_NAME)
    if found is None:
        return ()
    try:
        return _texts(read_general_names(found.value, "subjectAltName"))
    except DecodeError as error:
        raise unreadable("csr", error) from None


def _texts(names: Iterable[GeneralName]) -> tuple[str, ...]:
    return tuple(name.value for name in names if isinstance(name.value, str))


def temporary_point(item: Application) -> bytes | None:
    """Of CFCA's form of request: the key to which the encryption key goes."""
    return parse_csr(item.csr).temporary_point if item.csr else None


def view(item: Application) -> m.ApplicationView:
    return m.ApplicationView(
        application=item.id,
        kind=item.kind.value,
        state=item.state.value,
        template=item.template,
        subject=str(item.subject),
        names=list(item.names),
        days=item.days,
        pair=item.pair.value,
        key_algorithm=parse_spki(item.spki).algorithm.value,
        key_sm3=item.key,
        cfca=temporary_point(item) is not None,
        applicant=item.applicant,
        applicant_role=item.applicant_role,
        on_behalf_of=item.on_behalf_of,
        note=item.note,
        applied_at=item.applied_at,
        expires_at=item.expires_at,
        reviewer=item.reviewer,
        reviewed_at=item.reviewed_at,
        reason=item.reason,
        outside=item.outside,
        previous=serial_text(item.previous) if item.previous is not None else None,
        certificate=serial_text(item.serial) if item.serial is not None else None,
        encryption_certificate=serial_text(item.encryption_serial) if item.encryption_serial is not None else None,
        finished_at=item.finished_at,
        batch=item.batch,
        reference=item.reference,
    )
