"""Signed requests made beforehand: MIYUN1-HMAC-SM3 with another nonce in each."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from benchmarks.load.client import Request

from miyun.client._signing import ALGORITHM, canonical_query
from miyun.gm import sm3

JSON = "application/json"
OCTETS = "application/octet-stream"
_INLINE = 64 * 1024


def encoded(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class Caller:
    """An application's access key, for one day."""

    def __init__(self, access_key: str, secret_key: str) -> None:
        self.access_key = access_key
        self._secret = secret_key.encode("ascii")

    def requests(
        self,
        count: int,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        content_type: str = JSON,
        headers: Mapping[str, str] | None = None,
    ) -> list[Request]:
        """`target` is path and query. All have the same body; each is good once, within five minutes."""
        path, _, query = target.partition("?")
        date = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        day_key = sm3.hmac(self._secret, date[:8].encode())
        digest = sm3.digest(body).hex()
        more = headers or {}
        prefix = secrets.token_hex(8)
        nonces = [f"{prefix}{number:010d}" for number in range(count)]
        tail = "\n".join((method, path, canonical_query(query), content_type, more.get("idempotency-key", ""), digest))
        signatures = sm3.hmac_many(day_key, [f"{ALGORITHM}\n{date}\n{nonce}\n{tail}".encode() for nonce in nonces])
        fixed = "".join(f"{name}: {value}\r\n" for name, value in more.items())
        begin = (
            f"{method} {target} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: {content_type}\r\n"
            f"content-length: {len(body)}\r\nx-miyun-content-sm3: {digest}\r\nx-miyun-date: {date}\r\n{fixed}"
            f"authorization: {ALGORITHM} Credential={self.access_key}, Signature="
        )
        heads = [
            f"{begin}{signature.hex()}\r\nx-miyun-nonce: {nonce}\r\n\r\n".encode()
            for nonce, signature in zip(nonces, signatures, strict=True)
        ]
        if len(body) <= _INLINE:
            return [(head + body,) for head in heads]
        return [(head, body) for head in heads]
