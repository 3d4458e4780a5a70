"""OpenID Connect Back-Channel Logout: clients that want it are told when a session has ended, however it ended. Sent by
the jobs process to the address that the security administrator registered, under the platform's address policy."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final, Protocol
from urllib.parse import urlencode

from miyun.core.clock import Clock
from miyun.core.errors import MiyunError
from miyun.core.ids import new_id
from miyun.core.outbound import Fetched
from miyun.offerings.strong_auth.model import Session
from miyun.offerings.strong_auth.sso.keys import SigningKeys
from miyun.offerings.strong_auth.sso.model import Client
from miyun.offerings.strong_auth.sso.store import SsoStore

TRY_FOR: Final = timedelta(hours=1)
_LIFETIME: Final = timedelta(minutes=2)
_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
_AT_ONCE: Final = 1000
_ROUND: Final = 30.0  # seconds
log = logging.getLogger("miyun.strong_auth")


class Fetch(Protocol):
    """`core.outbound.fetch` under the platform's address policy."""

    def __call__(
        self, url: str, *, method: str, body: bytes, headers: dict[str, str], max_bytes: int, timeout: float,
        redirects: int,
    ) -> Awaitable[Fetched]: ...  # fmt: skip


class Notices:
    def __init__(
        self, *, store: SsoStore, keys: SigningKeys, issuer: Callable[[str], str], fetch: Fetch, clock: Clock
    ) -> None:
        self._store = store
        self._keys = keys
        self._issuer = issuer
        self._fetch = fetch
        self._clock = clock

    async def send(self) -> None:
        """Each until its client has taken it, for an hour at most. Tenants do not wait for each other."""
        now = self._clock.now()
        waiting: dict[str, list[tuple[Session, Client]]] = {}
        for session, client in self._store.untold(now - TRY_FOR, limit=_AT_ONCE):
            waiting.setdefault(session.tenant, []).append((session, client))
        await asyncio.gather(*(self._send(notices, now) for notices in waiting.values()))

    async def _send(self, notices: list[tuple[Session, Client]], now: datetime) -> None:
        """One tenant's, for a while: what is left comes in the next round. Who does not answer is asked once in each
        round."""
        silent: set[str] = set()
        with suppress(TimeoutError):
            async with asyncio.timeout(_ROUND):
                for session, client in notices:
                    if client.id in silent:
                        continue
                    if await self._tell(session, client, now):
                        self._store.tell(session.id, now)
                    else:
                        silent.add(client.id)

    async def _tell(self, session: Session, client: Client, now: datetime) -> bool:
        claims = {
            "iss": self._issuer(session.tenant),
            "aud": client.id,
            "iat": int(now.timestamp()),
            "exp": int((now + _LIFETIME).timestamp()),
            "jti": new_id("lgo"),
            "sub": session.account,
            "sid": session.id,
            "events": {_EVENT: {}},
        }
        try:
            token = await self._keys.sign(session.tenant, client.algorithm, claims, kind="logout+jwt")
            answer = await self._fetch(
                client.backchannel,
                method="POST",
                body=urlencode({"logout_token": token}).encode(),
                headers={"content-type": "application/x-www-form-urlencoded"},
                max_bytes=4096,
                timeout=10,
                redirects=0,
            )
        except MiyunError as error:
            log.warning("client %s was not told of a logout: %s", client.id, error.code)
            return False
        if answer.status >= 500:
            log.warning("client %s was not told of a logout: it answered %d", client.id, answer.status)
        return answer.status < 500  # what it refuses it will refuse again
