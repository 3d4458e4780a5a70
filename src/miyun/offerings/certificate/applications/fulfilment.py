"""From an approved application to its certificates, whatever happens in between.

Approval is durable before anything is signed. What was approved and is not issued is taken up again by the periodic
task; certificates that were made for it before a crash are found by its id and are not made twice.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

from miyun.core.clock import Clock
from miyun.core.errors import MiyunError
from miyun.core.ledger.port import Entry, Ledger
from miyun.offerings.certificate.applications.model import Application, Pair, State
from miyun.offerings.certificate.applications.store import ApplicationStore
from miyun.offerings.certificate.escrow.centre import KeyCentre
from miyun.offerings.certificate.issuance import Issuance, Order
from miyun.offerings.certificate.model import RevocationReason, serial_text
from miyun.offerings.certificate.revocation import Revocation

log = logging.getLogger("miyun.certificate")
METER = "certificate.issued"


def order_of(item: Application) -> Order:
    return Order(
        tenant=item.tenant,
        template=item.template,
        subject=item.subject,
        spki=item.spki,
        names=item.names,
        days=item.days,
        encryption_spki=item.encryption_spki,
        application=item.id,
    )


class Fulfilment:
    def __init__(
        self,
        *,
        store: ApplicationStore,
        issuance: Issuance,
        centre: KeyCentre,
        revocation: Revocation,
        ledger: Ledger,
        clock: Clock,
    ) -> None:
        self._store = store
        self._issuance = issuance
        self._centre = centre
        self._revocation = revocation
        self._ledger = ledger
        self._clock = clock

    def check(self, item: Application) -> None:
        """Whether it could be issued as it stands. Raises InvalidArgument naming the field."""
        order = order_of(item)
        if item.outside is None:
            self._centre.check(order) if _by_centre(item) else self._issuance.check(order)

    async def finish(self, item: Application, at: datetime) -> None:
        """Issue an approved application, or leave it approved when that cannot be done now.

        What can never be done rejects it: nobody should wait for it."""
        try:
            await self._finish(item, at)
        except MiyunError as error:
            if error.status >= 500:
                log.warning("application %s waits: %s", item.id, error.code)
                await asyncio.to_thread(self._store.release, item)
                return
            await self._give_up(item, error, at)

    async def resume(self) -> int:
        """What was approved and nobody works at any more."""
        items = await asyncio.to_thread(self._store.claim_unfinished, self._clock.now())
        for item in items:
            await self.finish(item, self._clock.now())
        return len(items)

    async def expire(self) -> int:
        """What nobody reviewed in its time."""
        now, expired = self._clock.now(), 0
        for item in await asyncio.to_thread(self._store.untouched, now):
            if await asyncio.to_thread(self._store.move, item, State.EXPIRED, now):
                await self._record("certificate.application.expire", item, now)
                expired += 1
        return expired

    async def _finish(self, item: Application, at: datetime) -> None:
        serials = [found.serial for found in await asyncio.to_thread(self._store.certificates_of, item)]
        if not serials:
            serials = await self._issue(item, at)
        if item.revoke_previous and item.previous is not None:
            await self.supersede(item, at)
        certificate = serial_text(serials[0])
        await self._record(
            "certificate.issue", item, at, units=len(serials), certificate=certificate, template=item.template
        )
        noted = await asyncio.to_thread(
            self._store.move,
            item,
            State.ISSUED,
            at,
            serial=serials[0],
            encryption_serial=serials[1] if len(serials) > 1 else None,
        )
        if not noted:
            await self._revoke_unwanted(item, at)

    async def abandon(self, item: Application, reason: RevocationReason, at: datetime) -> None:
        """Nobody is to have what was applied for, nor what was issued for it."""
        for wanted in (State.WITHDRAWN, State.REJECTED):  # open; or approved, and perhaps just being issued
            if await asyncio.to_thread(self._store.move, item, wanted, at, reason=f"abandoned: {reason.value}"):
                await self._record("certificate.application.abandon", item, at, reason=reason.value)
                break
        await self._revoke_all(item, reason, at)

    async def _revoke_unwanted(self, item: Application, at: datetime) -> None:
        """It was given up while it was being issued."""
        found = await asyncio.to_thread(self._store.find, item.tenant, item.id)
        if found is not None and found.state in (State.WITHDRAWN, State.REJECTED):
            await self._revoke_all(item, RevocationReason.CESSATION_OF_OPERATION, at)

    async def _revoke_all(self, item: Application, reason: RevocationReason, at: datetime) -> None:
        for certificate in await asyncio.to_thread(self._store.certificates_of, item):
            if await self._revocation.revoke(certificate.serial, reason, at):
                await self._record(
                    "certificate.revoke", item, at, certificate=serial_text(certificate.serial), reason=reason.value
                )
                await self._revocation.try_publish()

    async def _issue(self, item: Application, at: datetime) -> list[int]:
        if _by_centre(item):
            _, issued = await self._centre.certify(order_of(item), at)
        else:
            issued = await self._issuance.issue(order_of(item), at)
        return [made.serial for made in issued]

    async def supersede(self, item: Application, at: datetime) -> None:
        """The certificates that a new key replaces; its twin too, when there is a new one."""
        previous = item.previous
        for certificate in await asyncio.to_thread(self._store.with_twin, item.tenant, previous):
            if certificate.serial != previous and item.pair is Pair.NONE:
                continue
            if await self._revocation.revoke(certificate.serial, RevocationReason.SUPERSEDED, at):
                await self._record(
                    "certificate.revoke", item, at, certificate=serial_text(certificate.serial), reason="superseded"
                )
        await self._revocation.try_publish()

    async def _give_up(self, item: Application, error: MiyunError, at: datetime) -> None:
        log.warning("application %s cannot be issued: %s", item.id, error)
        reason = f"{error.code}: {error.message.zh} / {error.message.en}"[:500]
        if await asyncio.to_thread(self._store.move, item, State.REJECTED, at, reason=reason):
            await self._record("certificate.application.reject", item, at, code=error.code)

    async def _record(
        self, operation: str, item: Application, at: datetime, *, units: int = 0, certificate: str = "", **detail: str
    ) -> None:
        await self._ledger.append(
            Entry(
                operation=operation,
                outcome="ok",
                at=at,
                tenant=item.tenant,
                instance=item.instance,
                role="system",
                resource={"application": item.id} | ({"certificate": certificate} if certificate else {}),
                meter=METER if units and item.instance else "",  # another room's keys are counted there
                units=units if item.instance else 0,
                detail=detail,
            )
        )


def _by_centre(item: Application) -> bool:
    """A renewal keeps its encryption key, which is among the escrowed ones already."""
    return item.pair is Pair.ESCROW and item.encryption_spki is None
