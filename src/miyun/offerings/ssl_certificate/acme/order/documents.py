"""Orders, authorisations and challenges as ACME clients see them (RFC 8555 7.1)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from miyun.core.operation import Reply
from miyun.offerings.ssl_certificate.model import (
    AcmeOrder,
    Authorization,
    AuthorizationStatus,
    Challenge,
    ChallengeStatus,
    OrderStatus,
)

JSON = "application/json"


class Documents:
    def __init__(self, base_url: str) -> None:
        self._base = f"{base_url}/acme"

    def order(self, order: AcmeOrder, authorizations: Sequence[Authorization], *, status: int = 200) -> Reply:
        address = f"{self._base}/order/{order.id}"
        body: dict[str, Any] = {
            "status": order.status,
            "expires": moment(order.expires_at),
            "identifiers": [{"type": kind, "value": name} for kind, name in order.names],
            "profile": order.profile,
            "authorizations": [f"{self._base}/authz/{item.id}" for item in authorizations],
            "finalize": f"{address}/finalize",
        }
        if order.error is not None:
            body["error"] = order.error
        for name, at in (("notBefore", order.not_before), ("notAfter", order.not_after)):
            if at is not None:
                body[name] = moment(at)
        if order.replaces is not None:
            body["replaces"] = order.replaces
        if order.certificate is not None:
            body["certificate"] = f"{self._base}/certificate/{order.id}"
        if order.encryption_certificate is not None:
            body["encryptionCertificate"] = f"{self._base}/certificate/{order.id}/encryption"
            body["envelopedKey"] = f"{self._base}/certificate/{order.id}/enveloped-key"
        headers = {"location": address}
        if order.status is OrderStatus.PROCESSING:
            headers["retry-after"] = "2"
        return Reply(msgspec.json.encode(body), JSON, status=status, headers=headers)

    def authorization(self, item: Authorization, challenges: Sequence[Challenge], now: datetime) -> Reply:
        status = item.shown(now)
        if status is not AuthorizationStatus.PENDING:  # only what it was proven by, or failed by, is of interest
            tried = (ChallengeStatus.VALID, ChallengeStatus.INVALID)
            challenges = [challenge for challenge in challenges if challenge.status in tried]
        body: dict[str, Any] = {
            "identifier": {"type": item.name_type, "value": item.name},
            "status": status,
            "expires": moment(item.expires_at),
            "challenges": [self._challenge(challenge, item) for challenge in challenges],
        }
        if item.wildcard:
            body["wildcard"] = True
        headers = {}
        if any(challenge.status is ChallengeStatus.PROCESSING for challenge in challenges):
            headers["retry-after"] = "1"
        return Reply(msgspec.json.encode(body), JSON, headers=headers)

    def challenge(self, challenge: Challenge, item: Authorization) -> Reply:
        body = self._challenge(challenge, item)
        headers = {
            "link": f'<{self._base}/directory>;rel="index", <{self._base}/authz/{item.id}>;rel="up"',
            "retry-after": "1",
        }
        return Reply(msgspec.json.encode(body), JSON, headers=headers)

    def _challenge(self, challenge: Challenge, item: Authorization) -> dict[str, Any]:
        body: dict[str, Any] = {
            "type": challenge.kind,
            "url": f"{self._base}/challenge/{challenge.id}",
            "status": challenge.status,
            "token": item.token,
        }
        if challenge.validated_at is not None:
            body["validated"] = moment(challenge.validated_at)
        if challenge.error is not None:
            body["error"] = challenge.error
        return body


def moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
