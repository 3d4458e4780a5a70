"""AK/SK signatures, MIYUN1-HMAC-SM3."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, urlsplit

from miyun.client import _sm3

ALGORITHM = "MIYUN1-HMAC-SM3"
STREAMING = "STREAMING"


@dataclass(frozen=True, slots=True)
class Signer:
    """`secret_key` as it was shown once at its creation (64 hex digits)."""

    access_key: str
    secret_key: str = field(repr=False)

    def headers(
        self,
        method: str,
        url: str,
        content_sm3: str,
        headers: Mapping[str, str],
        *,
        now: datetime | None = None,
        nonce: str | None = None,
    ) -> dict[str, str]:
        """The four headers to add to a request whose other `headers` (lower-case names) are as they will be sent.

        `content_sm3` is the hex SM3 of the body, or STREAMING where the operation takes a stream.
        """
        date = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
        nonce = nonce or secrets.token_urlsafe(18)
        parts = urlsplit(url)
        lines = (
            ALGORITHM,
            date,
            nonce,
            method,
            parts.path or "/",
            canonical_query(parts.query),
            headers.get("content-type", ""),
            headers.get("idempotency-key", ""),
            content_sm3,
        )
        day_key = _sm3.hmac(self.secret_key.encode("ascii"), date[:8].encode("ascii"))
        signature = _sm3.hmac(day_key, "\n".join(lines).encode("utf-8")).hex()
        return {
            "authorization": f"{ALGORITHM} Credential={self.access_key}, Signature={signature}",
            "x-miyun-date": date,
            "x-miyun-nonce": nonce,
            "x-miyun-content-sm3": content_sm3,
        }


def canonical_query(query: str) -> str:
    """Percent-encoded by RFC 3986 and sorted."""
    pairs = parse_qsl(query, keep_blank_values=True)
    return "&".join(sorted(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs))
