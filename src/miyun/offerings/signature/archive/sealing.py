"""Time-stamps over batches of kept objects, and their renewal while the time-stamping certificate lasts (RFC 4998)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from miyun.core.clock import Clock
from miyun.core.errors import MiyunError
from miyun.core.ids import new_id
from miyun.core.ledger.port import Entry, Ledger
from miyun.core.ports import Stamper
from miyun.offerings.signature.archive.model import BATCH, DIGESTS, RENEW_BEFORE, Batch, Kept, Place
from miyun.offerings.signature.archive.store import ArchiveStore
from miyun.wire.ers import ArchiveTimestamp, Chain, EvidenceRecord, build_trees, document_hashes
from miyun.wire.tsp import parse_token
from miyun.wire.x509 import Certificate

_RENEWED_AT_ONCE: Final = 200
_RETRY: Final = timedelta(days=1)
log = logging.getLogger("miyun.signature.archive")


class Sealing:
    def __init__(self, *, store: ArchiveStore, stamper: Stamper, clock: Clock, ledger: Ledger) -> None:
        self._store = store
        self._stamper = stamper
        self._clock = clock
        self._ledger = ledger

    async def seal(self) -> int:
        """One time-stamp over what waits, batch by batch. Answers how many objects were sealed."""
        done = 0
        while waiting := await asyncio.to_thread(self._store.waiting, BATCH):
            await self._seal(waiting)
            done += len(waiting)
            if len(waiting) < BATCH:
                break
        return done

    async def _seal(self, waiting: Sequence[Kept]) -> None:
        name = waiting[0].pending or ""
        digest = DIGESTS[name].digest
        groups = [await asyncio.to_thread(self._hashes, item) for item in waiting]
        root, trees = await asyncio.to_thread(build_trees, digest, groups)
        token = await self._stamper.token(root, hash_algorithm=name)
        now = self._clock.now()
        batch = Batch(new_id("evb"), name, root, (token,), len(waiting), now, _renewal(token))
        places = [Place(item.id, item.chain, batch.id, tree) for item, tree in zip(waiting, trees, strict=True)]
        await asyncio.to_thread(self._store.seal, batch, places)
        await self._record("signature.evidence.sealed", batch, now)

    def _hashes(self, item: Kept) -> list[bytes]:
        documents = [octets for _, octets in self._store.documents(item.id)]
        earlier = self.record(item.id).chains if item.chain else ()
        return document_hashes(DIGESTS[item.pending or ""].digest, documents, earlier)

    async def renew(self) -> int:
        """A new time-stamp over the newest of every batch that is due. Answers how many were renewed."""
        now = self._clock.now()
        done = 0
        for batch in await asyncio.to_thread(self._store.due, now, _RENEWED_AT_ONCE):
            try:
                done += await self._renew(batch, now)
            except MiyunError as error:
                log.warning("the time-stamp of batch %s was not renewed: %s", batch.id, error.code)
                failed = replace(batch, renew_at=now + timedelta(hours=1), problem=error.message.en)
                await asyncio.to_thread(self._store.renew, failed, len(batch.tokens))
        return done

    async def _renew(self, batch: Batch, now: datetime) -> bool:
        algorithm = DIGESTS[batch.algorithm]
        token = await self._stamper.token(algorithm.digest(batch.tokens[-1]), hash_algorithm=batch.algorithm)
        following = _renewal(token)
        if following <= batch.renew_at:  # the authority itself has no younger certificate yet
            await asyncio.to_thread(self._store.renew, replace(batch, renew_at=now + _RETRY), len(batch.tokens))
            return False
        renewed = replace(batch, tokens=(*batch.tokens, token), renew_at=following, problem="")
        if not await asyncio.to_thread(self._store.renew, renewed, len(batch.tokens)):
            return False
        await self._record("signature.evidence.renewed", renewed, now)
        return True

    def record(self, kept: str) -> EvidenceRecord:
        """Of an object that is sealed."""
        chains: list[Chain] = []
        for place, batch in self._store.places(kept):
            algorithm = DIGESTS[batch.algorithm]
            first, *others = batch.tokens
            chains.append(
                (
                    ArchiveTimestamp(algorithm, first, place.tree),
                    *(ArchiveTimestamp(algorithm, token) for token in others),
                )
            )
        return EvidenceRecord(tuple(chains))

    async def _record(self, operation: str, batch: Batch, at: datetime) -> None:
        await self._ledger.append(
            Entry(
                operation=operation,
                outcome="ok",
                at=at,
                role="system",
                resource={"batch": batch.id},
                detail={"objects": batch.objects, "root": batch.root.hex(), "timestamps": len(batch.tokens)},
            )
        )


def stamping_certificate(token: bytes) -> tuple[datetime, Certificate]:
    """(time, whose certificate) of a token that we asked for ourselves."""
    info, signed = parse_token(token)
    certificate = signed.signers[0].certificate
    assert certificate is not None, "our tokens carry their certificate"
    return info.gen_time, certificate


def _renewal(token: bytes) -> datetime:
    return stamping_certificate(token)[1].not_after - RENEW_BEFORE
