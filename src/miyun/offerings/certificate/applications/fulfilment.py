"""From an approved application to its certificates, whatever happens in between.

Approval is durable before anything is signed. What was approved and is not issued is taken up again by the periodic
task; certificates that were made for it before a crash are found by its id and are not made twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from miyun.core.clock import Clock
from miyun.core.errors import MiyunError, ReplayedRequest
from miyun.core.ledger.port import Admission, Entry, Ledger
from miyun.offerings.certificate.applications.model import Application, Pair, State
from miyun.offerings.certificate.applications.store import ApplicationStore
from miyun.offerings.certificate.errors import ClaimLost
from miyun.offerings.certificate.escrow.centre import KeyCentre
from miyun.offerings.certificate.issuance import Issuance, Order
from miyun.offerings.certificate.model import RevocationReason, serial_text
from miyun.offerings.certificate.revocation import Revocation

log = logging.getLogger("miyun.certificate")
METER = "certificate.issued"
_TOGETHER: Final = 100  # applications that are issued at a time
_DAY: Final = 86_400


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

    async def finish(self, items: Sequence[Application], at: datetime) -> None:
        """Issue approved applications, or leave approved what cannot be issued now. Many go the way together.

        What can never be done is rejected: nobody should wait for it."""
        try:
            made, refused = await self._certificates(items, at)
        except MiyunError as error:  # of all: a locked machine, a full disk
            made, refused = {}, {item.id: error for item in items}
        for item in items:
            problem = refused.get(item.id)
            if isinstance(problem, ClaimLost):
                await self._lost(item, problem, at)
            elif problem is not None and problem.status < 500:
                await self._give_up(item, problem, at)
        waiting = {name: problem.code for name, problem in refused.items() if problem.status >= 500}
        done = [item for item in items if item.id in made]
        try:
            await self._supersede(done, at)
            await asyncio.gather(*(self._record_issue(item, made[item.id], at) for item in done))
            await self._note(done, made, at)
        except MiyunError as error:  # the certificates are there, and found again
            waiting |= {item.id: error.code for item in done}
        for item in items:
            if item.id in waiting:
                log.warning("application %s waits: %s", item.id, waiting[item.id])
                await asyncio.to_thread(self._store.release, item, at)

    async def finish_batch(self, tenant: str, batch: str, at: datetime, limit: int) -> int:
        """Some of a batch's approved applications, so that whoever approved them need not wait for the task."""
        count = 0
        while count < limit:
            items = await asyncio.to_thread(self._store.claim_unfinished, at, limit=_TOGETHER, batch=(tenant, batch))
            await self.finish(items, at)
            count += len(items)
            if len(items) < _TOGETHER:
                break
        return count

    async def resume(self) -> int:
        """What was approved and nobody works at any more."""
        count, seen = 0, set[str]()
        while items := await asyncio.to_thread(self._store.claim_unfinished, self._clock.now(), limit=_TOGETHER):
            await self.finish(items, self._clock.now())
            count += len(items)
            if not seen.isdisjoint(item.id for item in items):
                break  # they come back: the machine is not there
            seen |= {item.id for item in items}
        return count

    async def expire(self) -> int:
        """What nobody reviewed in its time."""
        now, expired = self._clock.now(), 0
        for item in await asyncio.to_thread(self._store.untouched, now):
            if await asyncio.to_thread(self._store.move, item, State.EXPIRED, now):
                await self._record("certificate.application.expire", item, now)
                expired += 1
        return expired

    async def _certificates(
        self, items: Sequence[Application], at: datetime
    ) -> tuple[dict[str, list[int]], dict[str, MiyunError]]:
        """Serial numbers by application, those of before a crash among them, and what the others are refused for."""
        made: dict[str, list[int]] = {}
        for found in await asyncio.to_thread(self._store.certificates_of_all, items):
            made.setdefault(found.application or "", []).append(found.serial)
        left = [item for item in items if item.id not in made]
        orders = {item.id: order_of(item) for item in left}
        refused: dict[str, MiyunError] = {}
        for item in left:
            if _by_centre(item):
                try:
                    orders[item.id] = await self._centre.with_key(orders[item.id], at)
                except MiyunError as error:
                    refused[item.id] = error
        wanted = {name: order for name, order in orders.items() if name not in refused}
        for name, outcome in zip(wanted, await self._issuance.issue_many(list(wanted.values()), at), strict=True):
            if isinstance(outcome, MiyunError):
                refused[name] = outcome
            else:
                made[name] = [issued.serial for issued in outcome]
        return made, refused

    async def _record_issue(self, item: Application, serials: list[int], at: datetime) -> None:
        """Once, also when the process died between this record and the note of it: the ledger knows the name."""
        entry = self._entry(
            "certificate.issue",
            item,
            at,
            {"template": item.template},
            units=len(serials),
            certificate=serial_text(serials[0]),
        )
        # The end of the day after next: names that end together are looked up together.
        ends = (int(at.timestamp()) // _DAY + 3) * _DAY
        with contextlib.suppress(ReplayedRequest):
            await self._ledger.settle(Admission(nonce=f"certificate.issue:{item.id}", nonce_expires=ends), entry)

    async def _note(self, items: Sequence[Application], made: Mapping[str, list[int]], at: datetime) -> None:
        noted = await asyncio.to_thread(self._store.issued, [(item, made[item.id]) for item in items], at)
        for item in items:
            if item.id not in noted:
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

    async def _supersede(self, items: Sequence[Application], at: datetime) -> None:
        for item in items:
            if item.revoke_previous and item.previous is not None:
                await self.supersede(item, at)

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

    async def _lost(self, item: Application, error: ClaimLost, at: datetime) -> None:
        """This process stood still for so long that another one took over, which does all the rest."""
        log.warning("application %s was issued by another process meanwhile", item.id)
        for serial in error.signed:
            await self._record(
                "certificate.revoke", item, at, certificate=serial_text(serial), reason="superseded", code=error.code
            )

    async def _give_up(self, item: Application, error: MiyunError, at: datetime) -> None:
        log.warning("application %s cannot be issued: %s", item.id, error)
        reason = f"{error.code}: {error.message.zh} / {error.message.en}"[:500]
        if await asyncio.to_thread(self._store.move, item, State.REJECTED, at, reason=reason):
            await self._record("certificate.application.reject", item, at, code=error.code)

    async def _record(
        self, operation: str, item: Application, at: datetime, *, certificate: str = "", **detail: str
    ) -> None:
        await self._ledger.append(self._entry(operation, item, at, detail, certificate=certificate))

    def _entry(
        self,
        operation: str,
        item: Application,
        at: datetime,
        detail: Mapping[str, str],
        *,
        units: int = 0,
        certificate: str = "",
    ) -> Entry:
        return Entry(
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


def _by_centre(item: Application) -> bool:
    """A renewal keeps its encryption key, which is among the escrowed ones already."""
    return item.pair is Pair.ESCROW and item.encryption_spki is None
