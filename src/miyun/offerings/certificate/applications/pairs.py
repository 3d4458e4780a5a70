"""`core.ports.PairDesk`: pairs of certificates for keys that other rooms look after, reviewed like any other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from miyun.core.errors import NotFound
from miyun.core.operation import Call
from miyun.core.ports import FiledPair, IssuedCertificate, IssuedPair
from miyun.offerings.certificate.applications import messages as m
from miyun.offerings.certificate.applications.desk import Desk
from miyun.offerings.certificate.applications.fulfilment import Fulfilment
from miyun.offerings.certificate.applications.model import Application, Kind, Pair, State
from miyun.offerings.certificate.applications.store import ApplicationStore
from miyun.offerings.certificate.authority import Authorities
from miyun.offerings.certificate.escrow.centre import KeyCentre
from miyun.offerings.certificate.issuance import Issuance, subject_of
from miyun.offerings.certificate.model import Certificate, RevocationReason, serial_text
from miyun.offerings.certificate.weak_keys import usable_key


class Pairs:
    def __init__(
        self,
        *,
        desk: Desk,
        store: ApplicationStore,
        issuance: Issuance,
        authorities: Authorities,
        centre: KeyCentre,
        fulfilment: Fulfilment,
    ) -> None:
        self._desk = desk
        self._store = store
        self._issuance = issuance
        self._authorities = authorities
        self._centre = centre
        self._fulfilment = fulfilment

    async def apply(
        self,
        call: Call,
        *,
        template: str,
        subject: Mapping[str, str],
        spki: bytes,
        names: Sequence[str] = (),
        days: int | None = None,
        note: str,
    ) -> FiledPair:
        found, call = self._issuance.template(call.tenant, template), _unsold(call)
        usable_key("public_key", spki)
        item = self._desk.draft(call, Kind.NEW, found, subject_of(subject), spki)
        made = await self._desk.hand_in(
            call, found, replace(item, names=tuple(names), days=days, pair=Pair.ESCROW, note=note)
        )
        return await self.filed(call, made.application)

    async def renew(self, call: Call, *, serial: int, note: str) -> FiledPair:
        made = await self._desk.renew(_unsold(call), m.RenewRequest(serial=serial_text(serial), note=note))
        return await self.filed(call, made.application)

    async def filed(self, call: Call, application: str) -> FiledPair:
        item = await self._desk.own(call, application)
        pair = await self._pair(item) if item.state is State.ISSUED and item.outside is None else None
        return FiledPair(item.id, item.state.value, item.reviewer, item.reason, pair)

    async def abandon(self, call: Call, application: str, reason: str) -> None:
        item = await self._desk.own(call, application)
        await self._fulfilment.abandon(item, RevocationReason(reason), call.now)

    async def _pair(self, item: Application) -> IssuedPair | None:
        found = await asyncio.to_thread(self._store.certificates_of, item)
        if len(found) != 2:
            return None
        kept = await self._centre.kept(item.tenant, found[1].key)
        if kept is None:
            raise NotFound("enveloped key", item.id, field="application")
        signing, encryption = map(self._issued, found)
        return IssuedPair(signing, encryption, await self._centre.envelope(kept, item.spki))

    def _issued(self, certificate: Certificate) -> IssuedCertificate:
        return IssuedCertificate(
            certificate.serial, certificate.der or b"", self._authorities.chain(certificate.authority)
        )


def _unsold(call: Call) -> Call:
    """The room that asks counts for itself: nothing is charged to an instance of certificates."""
    return replace(call, instance=None)
