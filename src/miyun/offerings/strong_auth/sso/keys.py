"""The keys that sign ID tokens: a tenant's own, in the key directory, replaced with an overlap in which both are
published, so that no client meets a token whose key it cannot have seen."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from miyun.core.clock import Clock
from miyun.core.ports import KeyDirectory
from miyun.offerings.strong_auth.sso import jws
from miyun.offerings.strong_auth.sso.model import (
    ALGORITHMS,
    KEY_LIFETIME,
    SigningKey,
    published,
    signing,
)
from miyun.offerings.strong_auth.sso.store import SsoStore


class SigningKeys:
    def __init__(self, *, store: SsoStore, keys: KeyDirectory, clock: Clock) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock

    async def ensure(self, tenant: str, algorithm: str) -> None:
        """The first key of an algorithm, when a client asks for it."""
        if not self._store.signing_keys(tenant, algorithm):
            await self.add(tenant, algorithm, self._clock.now())

    async def add(self, tenant: str, algorithm: str, at: datetime) -> SigningKey:
        made = await self._keys.create(
            tenant, ALGORITHMS[algorithm].key, "sign", label=f"ID token {algorithm}", owner="strong_auth"
        )
        assert made.public is not None, "signing keys have a public half"
        key = SigningKey(tenant, algorithm, jws.thumbprint(made.public), made.key, made.public, at)
        self._store.add_signing_key(key)
        return key

    async def rotate_due(self) -> None:
        now = self._clock.now()
        for key in self._store.newest_signing_keys():
            if now - key.created_at >= KEY_LIFETIME:
                await self.add(key.tenant, key.algorithm, now)

    def published(self, tenant: str) -> list[SigningKey]:
        now = self._clock.now()
        shown: list[SigningKey] = []
        for algorithm in ALGORITHMS:
            shown += published(self._store.signing_keys(tenant, algorithm), now)
        return shown

    def document(self, tenant: str, *, sm2: bool) -> dict[str, Any]:
        """The key set: of ES256 and RS256, or of SM2SM3."""
        return {"keys": [jws.jwk(key) for key in self.published(tenant) if (key.algorithm == "SM2SM3") is sm2]}

    async def sign(self, tenant: str, algorithm: str, claims: dict[str, Any], *, kind: str = "JWT") -> str:
        key = signing(self._store.signing_keys(tenant, algorithm), self._clock.now())
        return await jws.sign(self._keys, key, claims, kind=kind)
