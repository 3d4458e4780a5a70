"""Revocation in one row, and the lists that publish it (RFC 5280 section 5)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
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
    BaseList,
    Change,
    RevocationList,
    RevocationReason,
    Shard,
    State,
)
from miyun.offerings.certificate.store import CertificateStore
from miyun.wire.crl import Reason, RevokedEntry, TbsCertificateList
from miyun.wire.x509 import parse_certificate
from miyun.wire.x509.distribution import IssuingDistributionPoint

log = logging.getLogger("miyun.certificate")


class Revocation:
    def __init__(self, *, store: CertificateStore, authorities: Authorities, clock: Clock, ledger: Ledger) -> None:
        self._store = store
        self._authorities = authorities
        self._clock = clock
        self._ledger = ledger
        self._newest: dict[Shard, RevocationList] = {}  # checked against its number before use

    async def revoke(self, serial: int, reason: RevocationReason, at: datetime) -> bool:
        """False when it was revoked already. Every process knows when it returns; the list is made by
        `publish_due`."""
        return await self._move(serial, State.REVOKED, reason, at)

    async def suspend(self, serial: int, at: datetime) -> bool:
        """As `revoke`, until it is resumed: certificateHold (RFC 5280 5.3.1)."""
        return await self._move(serial, State.SUSPENDED, RevocationReason.CERTIFICATE_HOLD, at)

    async def resume(self, serial: int, at: datetime) -> bool:
        """False when it was not suspended. It leaves the lists; that it was suspended stays."""
        return await self._move(serial, State.ISSUED, None, at)

    async def _move(self, serial: int, wanted: State, reason: RevocationReason | None, at: datetime) -> bool:
        done = await asyncio.to_thread(self._store.move, serial, wanted, reason, at)
        if done:
            await self._ledger.invalidate(REVOKED_TOPIC, str(serial))
        return done

    def newest(self, authority: str, shard: int = 0) -> RevocationList:
        """Raises NotFound for an unknown authority or shard, or one that has not made a list yet."""
        place = Shard(authority, shard)
        number = self._store.latest_crl_number(place)
        if number is None:
            raise NotFound("crl", authority, field="ca")
        known = self._newest.get(place)
        if known is None or known.number != number:
            known = self._store.crl(place, number)
            if known is None:
                raise NotFound("crl", authority, field="ca")
            self._newest[place] = known
        return known

    async def publish_due(self, *, patient: bool = True) -> list[RevocationList]:
        """Make every list of an issuing CA that is due: a certificate was revoked, or the newest list nears its end.

        A `patient` call leaves a list that is only seconds old to the next one, so that a burst of revocations
        makes one list.
        """
        made: list[RevocationList] = []
        await self._authorities.addresses()  # a new one makes lists due
        states = await asyncio.to_thread(self._store.crl_states)
        for shard, (due, this_update, next_update) in states.items():
            now = self._clock.now()
            if this_update is None or next_update is None or next_update - now < CRL_REFRESH:
                pass
            elif not due or (patient and timedelta(0) <= now - this_update < CRL_PAUSE):
                continue
            found = self._authorities.find(shard.authority)
            if found is None or found.role is not AuthorityRole.ISSUING:
                continue
            if found.end is None:
                made.append(await self.publish(found, shard=shard.shard))
            elif not found.end.compromised:  # so that what it issued before can still be checked
                made += await self._publish_last(found, shard.shard)
        return made

    async def _publish_last(self, authority: Authority, shard: int) -> list[RevocationList]:
        """Of one that was revoked: its key may be gone, which keeps nobody else's list."""
        try:
            return [await self.publish(authority, shard=shard)]
        except MiyunError as error:
            log.warning("no list of %s, which is revoked: %s", authority.id, error.code)
            return []

    async def roots_due(self) -> list[Authority]:
        """Whose list is missing, nears its end or does not tell of an authority below it that was made or revoked, so
        that a ceremony is needed."""
        states = await asyncio.to_thread(self._store.crl_states)
        now = self._clock.now()
        return [
            item
            for item in self._authorities.all()
            if item.role is AuthorityRole.ROOT
            and (
                (ends := states[Shard(item.id, 0)][2]) is None
                or ends - now < ROOT_CRL_REFRESH
                or self._store.is_untold(item.id)
            )
        ]

    async def try_publish(self, *, patient: bool = True) -> list[RevocationList]:
        """As `publish_due` after a revocation, which stands whatever happens here: the periodic task tries again."""
        try:
            return await self.publish_due(patient=patient)
        except MiyunError as error:
            log.warning("a revocation list could not be made yet: %s", error.code)
            return []

    async def publish(self, authority: Authority, roots: Machine | None = None, *, shard: int = 0) -> RevocationList:
        """Make a list now, and the delta list that goes with it. Its number is taken first, so that two processes never
        use one number twice."""
        place = Shard(authority.id, shard)
        number, changes = await asyncio.to_thread(self._store.take_crl_number, place)
        now = self._clock.now()
        base = await asyncio.to_thread(self._store.newest_base, place)
        scheduled = base is None or base.this_update + _lifetime(authority) - now < _refresh(authority)
        # Who expires leaves after having been on a scheduled list made later (RFC 5280 3.3).
        after = base.this_update if base else now
        root = authority.role is AuthorityRole.ROOT
        if root:
            revoked = await asyncio.to_thread(self._below, authority, after)
        else:
            revoked = await asyncio.to_thread(self._store.revoked, place, after)
        changed: list[Change] | None = None
        if authority.deltas and base is not None and not root:
            changed = await asyncio.to_thread(self._store.changed_since, place, base.changes, after)
        lists = _Lists(self._authorities, authority, place, number, now, await self._authorities.addresses())
        drafts = await asyncio.to_thread(lists.drafts, revoked, base, changed)
        der, *deltas = await self._authorities.sign_many(authority, drafts, roots)
        item = RevocationList(
            authority=authority.id,
            shard=shard,
            number=number,
            this_update=now,
            next_update=now + _lifetime(authority),
            entries=len(revoked),
            changes=changes,
            base=scheduled,
            der=der,
            delta=deltas[0] if deltas else None,
        )
        await asyncio.to_thread(self._store.add_crl, item, CRL_HISTORY)
        await self._ledger.append(
            Entry(
                operation="certificate.crl.publish",
                outcome="ok",
                at=now,
                role="system",
                resource={"ca": authority.id},
                detail={"number": number, "entries": item.entries, **({"shard": shard} if shard else {})},
            )
        )
        return item

    def _below(self, root: Authority, after: datetime) -> list[Change]:
        """Authorities below a root that were revoked and had not expired by `after`."""
        return [
            Change(item.serial, item.end.at, item.end.reason)
            for item in self._store.authorities()
            if item.parent == root.id and item.end and parse_certificate(item.der).not_after > after
        ]


def _lifetime(authority: Authority) -> timedelta:
    return ROOT_CRL_LIFETIME if authority.role is AuthorityRole.ROOT else CRL_LIFETIME


def _refresh(authority: Authority) -> timedelta:
    return ROOT_CRL_REFRESH if authority.role is AuthorityRole.ROOT else CRL_REFRESH


@dataclass(frozen=True, slots=True)
class _Lists:
    """To-be-signed lists of one number."""

    authorities: Authorities
    authority: Authority
    shard: Shard
    number: int
    now: datetime
    addresses: Sequence[str]

    def drafts(self, revoked: list[Change], base: BaseList | None, changed: list[Change] | None) -> list[bytes]:
        """The complete list and, when there is something to tell changes against, the delta list."""
        if base is None or changed is None:
            return [self._draft(revoked)]
        delta_url = self.authorities.crl_url(self.authority.id, self.shard.shard, delta=True)
        return [self._draft(revoked, freshest=(delta_url,)), self._draft(changed, base=base.number)]

    def _draft(self, changes: list[Change], *, base: int | None = None, freshest: tuple[str, ...] = ()) -> bytes:
        issuer = parse_certificate(self.authority.der)
        # While there is one list of all, it says nothing of its scope, which older readers may not know.
        # Otherwise it has every name by which certificates of its scope may have called it (RFC 5280 6.3.3 b.2).
        places = self.addresses if self.authority.shards else ()
        urls = [self.authorities.crl_url(self.authority.id, self.shard.shard, base=base) for base in places]
        return TbsCertificateList(
            issuer=issuer.subject,
            this_update=self.now,
            next_update=self.now + _lifetime(self.authority),
            entries=tuple(self._entry(item) for item in changes),
            crl_number=self.number,
            authority_key_identifier=issuer.subject_key_identifier or b"",
            signature_algorithm=self.authority.hierarchy.signature,
            base_number=base,
            scope=IssuingDistributionPoint(tuple(urls)),
            freshest=freshest,
        ).encode()

    def _entry(self, change: Change) -> RevokedEntry:
        if change.reason is None or change.revoked_at is None:
            return RevokedEntry(change.serial, self.now, Reason.REMOVE_FROM_CRL)
        return RevokedEntry(change.serial, change.revoked_at, change.reason.crl_reason)
