"""`core.ports.Stamper`: tokens for the platform's own use (anchors of the ledger, dossier), charged to no tenant."""

from __future__ import annotations

from miyun.core.errors import InvalidArgument
from miyun.core.i18n import Text
from miyun.offerings.timestamp.model import POLICIES, default_policy, digest_named
from miyun.offerings.timestamp.service import TimestampService, imprint_of


class PlatformStamper:
    def __init__(self, *, service: TimestampService) -> None:
        self._service = service

    async def token(self, digest: bytes, *, hash_algorithm: str = "SM3", policy: str | None = None) -> bytes:
        """A TimeStampToken with its certificates, DER. Raises ClockUntrusted, MachineLocked, InvalidArgument."""
        algorithm = digest_named(hash_algorithm)
        chosen = POLICIES.get(policy) if policy is not None else default_policy(algorithm)
        if chosen is None:
            raise InvalidArgument("policy", Text("没有这个策略", "no such policy"))
        token = await self._service.issue_token(chosen, imprint_of(algorithm, digest), None, True)
        return token.der
