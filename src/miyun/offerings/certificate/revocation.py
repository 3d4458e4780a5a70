"""Revocation in one row, and the lists that publish it (RFC 5280 section 5)."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta

from miyun.core.clock import Clock
from miyun.core.errors import MiyunError, NotFound
from miyun.core.ledger.port import Entry, Ledger
from miyun.core.ports import REVOKED_TOPIC
from miyun.hsm.port import Machine
from miyun.offerings.certificate.authority import Authorities
from miyun.offerings.certificate.model import (
    CRL_HISTORY,
    CRL_LIFETIME,
    CRL_PAUSE,
    CRL_REFRESH,
    ROOT_CRL_LIFETIME,
    ROOT_CRL_REFRESH,
    Authority,
    AuthorityRole,
    RevocationList,
    RevocationReason,
    RevokedSerial,
    State,
)
from miyun.offerings.certificate.store import CertificateStore
from miyun.wire.crl import RevokedEntry, TbsCertificateList
from miyun.wire.x509 import parse_certificate

log = logging.getLogger("miyun.certificate")


class Revocation:
    def __init__(self, *, store: CertificateStore, authorities: Authorities, clock: Clock, ledger: Ledger) -> None:
        self._store = store
        self._authorities = authorities
        self._clock = clock
        self._ledger = ledger
        self._newest: dict[str, RevocationList] = {}  # per authority; checked against its number before use

    async def revoke(self, serial: int, reason: RevocationReason, at: datetime) -> bool:
        """False when it was revoked already. Every process knows when it returns; the list is made by
        `publish_due`."""
        return await self._move(serial, State.REVOKED, reason, at)

    async def suspend(self, serial: int, at: datetime) -> bool:
        """As `revoke`, until it is resumed: certificateHold (RFC 5280 5.3.1)."""
        return await self._move(serial, State.SUSPENDED, RevocationReason.CERTIFICATE_HOLD, at)

    async def resume(self, serial: int) -> bool:
        """False when it was not suspended. It leaves the lists."""
        return await self._move(serial, State.ISSUED, None, None)

    async def _move(self, serial: int, wanted: State, reason: RevocationReason | None, at: datetime | None) -> bool:
        done = await asyncio.to_thread(self._store.move, serial, wanted, reason, at)
        if done:
            await self._ledger.invalidate(REVOKED_TOPIC, str(serial))
        return done

    def newest(self, authority: str) -> RevocationList:
        """Raises NotFound for an unknown authority, or one that has not made a list yet."""
        number = self._store.latest_crl_number(authority)
        if number is None:
            raise NotFound("crl", authority, field="ca")
        known = self._newest.get(authority)
        if known is None or known.number != number:
            known = self._store.crl(authority, number)
            if known is None:
                raise NotFound("crl", authority, field="ca")
            self._newest[authority] = known
        return known

    async def publish_due(self, *, patient: bool = True) -> list[RevocationList]:
        """Make every list of an issuing CA that is due: a certificate was revoked, or the newest list nears its end.

        A `patient` call leaves a list that is only seconds old to the next one, so that a burst of revocations
        makes one list.
        """
        made: list[RevocationList] = []
        states = await asyncio.to_thread(self._store.crl_states)
        for authority, (due, this_update, next_update) in states.items():
            now = self._clock.now()
            if this_update is None or next_update is None or next_update - now < CRL_REFRESH:
                pass
            elif not due or (patient and now - this_update < CRL_PAUSE):
                continue
            if (found := self._authorities.find(authority)) is not None and found.role is AuthorityRole.ISSUING:
                made.append(await self.publish(found))
        return made

    async def roots_due(self) -> list[Authority]:
        """Whose list is missing or nears its end, so that a ceremony is needed."""
        states = await asyncio.to_thread(self._store.crl_states)
        now = self._clock.now()
        return [
            item
            for item in self._authorities.all()
            if item.role is AuthorityRole.ROOT
            and ((ends := states[item.id][2]) is None or ends - now < ROOT_CRL_REFRESH)
        ]

    async def publish_roots(self, roots: Machine) -> list[RevocationList]:
        """Renew the roots' lists that are due, in a ceremony."""
        return [await self.publish(item, roots) for item in await self.roots_due()]

    async def try_publish(self) -> list[RevocationList]:
        """As `publish_due` after a revocation, which stands whatever happens here: the periodic task tries again."""
        try:
            return await self.publish_due()
        except MiyunError as error:
            log.warning("a revocation list could not be made yet: %s", error.code)
            return []

    async def publish(self, authority: Authority, roots: Machine | None = None) -> RevocationList:
        """Make a list now. Its number is taken first, so that two processes never use one number twice."""
        number, changes = await asyncio.to_thread(self._store.take_crl_number, authority.id)
        now = self._clock.now()
        revoked = await asyncio.to_thread(self._store.revoked, authority.id, now)
        tbs = await asyncio.to_thread(_encode, authority, number, now, revoked)
        item = RevocationList(
            authority=authority.id,
            number=number,
            this_update=now,
            next_update=now + _lifetime(authority),
            entries=len(revoked),
            der=await self._authorities.sign(authority, tbs, roots),
        )
        await asyncio.to_thread(self._store.add_crl, item, changes, CRL_HISTORY)
        await self._ledger.append(
            Entry(
                operation="certificate.crl.publish",
                outcome="ok",
                at=now,
                role="system",
                resource={"ca": authority.id},
                detail={"number": number, "entries": item.entries},
            )
        )
        return item


def _lifetime(authority: Authority) -> timedelta:
    return ROOT_CRL_LIFETIME if authority.role is AuthorityRole.ROOT else CRL_LIFETIME


def _encode(authority: Authority, number: int, now: datetime, revoked: list[RevokedSerial]) -> bytes:
    issuer = parse_certificate(authority.der)
    return TbsCertificateList(
        issuer=issuer.subject,
        this_update=now,
        next_update=now + _lifetime(authority),
        entries=tuple(RevokedEntry(item.serial, item.revoked_at, item.reason.crl_reason) for item in revoked),
        crl_number=number,
        authority_key_identifier=issuer.subject_key_identifier or b"",
        signature_algorithm=authority.hierarchy.signature,
    ).encode()
