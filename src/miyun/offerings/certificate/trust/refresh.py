"""The jobs process fetches what administrators pinned: revocation lists when they are due, OCSP answers when a verdict
waits for one. Nothing else of the platform asks outside authorities, and no certificate's address is ever used."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final, Protocol

from miyun.core.clock import Clock
from miyun.core.errors import MiyunError
from miyun.core.outbound import Fetched
from miyun.gm.errors import InvalidSignature
from miyun.offerings.certificate.trust.held.store import HeldStore
from miyun.offerings.certificate.trust.intake import Intake, Refusal
from miyun.offerings.certificate.trust.model import OCSP_KEEP, REFRESH, RETRY, Fetching, HeldAnswer, TrustedAuthority
from miyun.offerings.certificate.trust.store import TrustStore
from miyun.wire import ocsp
from miyun.wire.crl import MAX_SIZE
from miyun.wire.errors import DecodeError
from miyun.wire.x509 import parse_certificate

CRL_SECONDS: Final = 120.0
OCSP_SECONDS: Final = 6.0
_AT_ONCE: Final = 16
_AHEAD: Final = timedelta(minutes=5)
log = logging.getLogger("miyun.certificate.trust")


class Fetch(Protocol):
    """`core.outbound.fetch` under the platform's address policy."""

    def __call__(
        self, url: str, *, method: str, body: bytes, headers: dict[str, str], max_bytes: int, timeout: float
    ) -> Awaitable[Fetched]: ...


class Refresher:
    def __init__(
        self,
        *,
        store: TrustStore,
        held: HeldStore,
        clock: Clock,
        fetch: Fetch,
        nonce: Callable[[], bytes] = lambda: secrets.token_bytes(32),
    ) -> None:
        self._store = store
        self._held = held
        self._intake = Intake(held)
        self._clock = clock
        self._fetch = fetch
        self._nonce = nonce

    async def lists(self) -> None:
        """Every pinned list that is due, one after the other."""
        now = self._clock.now()
        authorities = await asyncio.to_thread(self._store.with_addresses)
        ids = [item.id for item in authorities]
        held = await asyncio.to_thread(self._held.held, ids)
        tried = await asyncio.to_thread(self._held.fetchings, ids)
        for authority in authorities:
            for kind, url in (("base", authority.crl_url), ("delta", authority.delta_url)):
                last = tried.get((authority.id, kind))
                known = held.get(authority.id, {}).get(kind)
                if url and _is_due(last, known.next_update if known else None, now):
                    await self._fetch_list(authority, kind, url)

    async def _fetch_list(self, authority: TrustedAuthority, kind: str, url: str) -> None:
        error = ""
        try:
            fetched = await self._fetch(
                url, method="GET", body=b"", headers={}, max_bytes=MAX_SIZE, timeout=CRL_SECONDS
            )
            if fetched.status != 200:
                raise Refusal(f"HTTP status {fetched.status}")
            item = await asyncio.to_thread(self._intake.take, authority, fetched.body, url, self._clock.now())
            if item.kind != kind:
                raise Refusal(f"a {item.kind} list came from the address of {kind} lists")
        except Refusal as refusal:
            error = refusal.text
        except DecodeError as malformed:
            error = str(malformed)
        except MiyunError as failure:
            error = failure.message.en
        if error:
            log.warning("the revocation list of %s was not obtained: %s", authority.id, error)
        await asyncio.to_thread(self._held.note_fetch, Fetching(authority.id, kind, self._clock.now(), error))

    async def answers(self) -> None:
        """What verdicts wait for."""
        asked = await asyncio.to_thread(self._held.asked, _AT_ONCE)
        if asked:
            await asyncio.gather(*(self._answer(item) for item in asked))

    async def sweep(self) -> None:
        now = self._clock.now()
        await asyncio.to_thread(self._held.sweep, written_before=now - timedelta(hours=1), asked_before=now - OCSP_KEEP)

    async def _answer(self, question: HeldAnswer) -> None:
        authority = await asyncio.to_thread(self._store.authority_of_any, question.authority)
        try:
            if authority is None or not authority.ocsp_url:
                raise Refusal("no responder is set up")
            answer = await self._ask(authority, question)
        except Refusal as refusal:
            answer = self._failed(question, refusal.text)
        except (DecodeError, InvalidSignature) as wrong:
            answer = self._failed(question, str(wrong) or "the answer's signature does not verify")
        except MiyunError as failure:
            answer = self._failed(question, failure.message.en)
        await asyncio.to_thread(self._held.keep_answer, answer)

    def _failed(self, question: HeldAnswer, error: str) -> HeldAnswer:
        return HeldAnswer(question.authority, question.serial, question.asked_at, self._clock.now(), error=error)

    async def _ask(self, authority: TrustedAuthority, question: HeldAnswer) -> HeldAnswer:
        """Raises Refusal, DecodeError, InvalidSignature, MiyunError."""
        issuer = parse_certificate(authority.der)
        nonce = self._nonce() if authority.ocsp_nonce else None
        asked = ocsp.OcspRequest((ocsp.CertId.of(issuer, question.serial),), nonce)
        fetched = await self._fetch(
            authority.ocsp_url,
            method="POST",
            body=asked.encode(),
            headers={"content-type": "application/ocsp-request", "accept": "application/ocsp-response"},
            max_bytes=ocsp.MAX_RESPONSE,
            timeout=OCSP_SECONDS,
        )
        if fetched.status != 200:
            raise Refusal(f"HTTP status {fetched.status}")
        status, basic = ocsp.parse_response(fetched.body)
        if basic is None:
            raise Refusal(f"the responder answers {status.name.lower()}")
        now = self._clock.now()
        basic.verify(issuer, now)
        if nonce is not None and basic.nonce != nonce:
            raise Refusal("the answer is not to our question: another nonce, or none")
        single = basic.status_of(issuer, question.serial, now + _AHEAD)
        if single.next_update is None and single.this_update < now - REFRESH:
            raise Refusal("the answer is old and does not say until when it holds")
        return HeldAnswer(
            authority=question.authority,
            serial=question.serial,
            asked_at=question.asked_at,
            answered_at=now,
            this_update=single.this_update,
            next_update=single.next_update,
            known=single.known,
            revoked_at=single.revoked_at,
            reason=single.reason,
            der=fetched.body,
        )


def _is_due(last: Fetching | None, ends: datetime | None, now: datetime) -> bool:
    if last is None:
        return True
    if last.error:
        return last.tried_at + RETRY <= now
    return last.tried_at + REFRESH <= now or (ends is not None and last.tried_at < ends <= now)
