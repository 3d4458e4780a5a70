"""From an operation and its values to an HTTP request, and back. No network here: both clients share it."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

from miyun.client import _sm3
from miyun.client._errors import ApiError, QuotaExceeded, StepUpRequired, Unavailable, error_of
from miyun.client._keys import StepUp, to_sign
from miyun.client._signing import STREAMING, Signer


@dataclass(frozen=True, slots=True)
class Operation:
    """What the client knows of an operation; `_operations.py` is generated from the platform's declarations."""

    id: str
    method: str
    path: str
    path_fields: tuple[str, ...]
    query_fields: tuple[str, ...]
    body: str  # json | raw | stream
    reply: str  # json | raw | stream
    content_type: str
    idempotent: bool
    octets: str = ""  # the field that may be sent as the whole body
    octets_reply: str = ""


@dataclass(frozen=True, slots=True)
class Octets:
    """The answer to octets sent as the whole body: one field of the response as it is, the others as text."""

    body: bytes
    fields: Mapping[str, str]


@dataclass(slots=True)
class Prepared:
    """A request before it is signed; each attempt is signed anew."""

    method: str
    url: str
    headers: dict[str, str]
    content: bytes | None  # None: streamed
    content_sm3: str
    repeatable: bool  # may be sent again although it may have been executed


@dataclass(slots=True)
class Retry:
    """Attempts and the longest time to wait between two of them, in seconds."""

    attempts: int = 4
    patience: float = 30.0
    first_delay: float = 0.2
    spent: int = field(default=0, init=False)

    def after_refusal(self, error: ApiError) -> float | None:
        """Seconds to wait before trying again, or None. A refused operation had no effect, so repeating is safe."""
        if not isinstance(error, QuotaExceeded | Unavailable) or error.status == 500:
            return None
        return self._next(error.retry_after)

    def after_failure(self, *, repeatable: bool, sent: bool) -> float | None:
        """As above, for a connection that could not be made (`sent` False) or that broke."""
        return self._next(None) if repeatable or not sent else None

    def _next(self, wanted: float | None) -> float | None:
        self.spent += 1
        delay = self.first_delay * 2 ** (self.spent - 1) if wanted is None else wanted
        return delay if self.spent < self.attempts and delay <= self.patience else None


def prepare(
    base_url: str,
    operation: Operation,
    values: Mapping[str, Any],
    *,
    content: bytes | None = None,
    charge_to: str | None = None,
    idempotency_key: str | None = None,
    language: str = "zh",
) -> Prepared:
    """Raises TypeError for a value the operation does not know or a path value that is missing."""
    rest = {name: _plain(value) for name, value in values.items() if value is not None}
    path = operation.path
    for name in operation.path_fields:
        if name not in rest:
            raise TypeError(f"{operation.id} needs {name}")
        path = path.replace(f"{{{name}}}", quote(str(rest.pop(name)), safe="-_.~"))
    headers = {"accept-language": language}
    if content is not None and operation.octets:
        query = urlencode([pair for name, value in rest.items() for pair in _pairs(name, value)], quote_via=quote)
        headers["content-type"] = "application/octet-stream"
    elif operation.body == "json" and operation.method in ("POST", "PUT"):
        content = json.dumps(rest, ensure_ascii=False, separators=(",", ":")).encode()
        headers["content-type"] = "application/json"
        query = ""
    else:
        if unknown := set(rest) - set(operation.query_fields):
            raise TypeError(f"{operation.id} does not know {', '.join(sorted(unknown))}")
        query = urlencode([pair for name, value in rest.items() for pair in _pairs(name, value)], quote_via=quote)
        if operation.body != "json":
            headers["content-type"] = operation.content_type
        elif content is None:
            content = b""
    if charge_to is not None:
        headers["x-miyun-instance"] = charge_to
    if operation.idempotent and operation.method != "GET":
        headers["idempotency-key"] = idempotency_key or secrets.token_urlsafe(24)
    url = f"{base_url}/v1{path}" + (f"?{query}" if query else "")
    content_sm3 = STREAMING if content is None else _sm3.digest(content).hex()
    return Prepared(
        operation.method,
        url,
        headers,
        content,
        content_sm3,
        repeatable=content is not None and (operation.method == "GET" or "idempotency-key" in headers),
    )


def signed(prepared: Prepared, signer: Signer | None, session: str | None, tenant: str | None) -> dict[str, str]:
    """The headers of one attempt."""
    headers = dict(prepared.headers)
    if tenant is not None:
        headers["x-miyun-tenant"] = tenant
    if signer is not None:
        headers |= signer.headers(prepared.method, prepared.url, prepared.content_sm3, headers)
    elif session is not None:
        headers["authorization"] = f"Bearer {session}"
    return headers


def confirm(prepared: Prepared, operation: Operation, refusal: StepUpRequired, sign: StepUp) -> None:
    """The next attempt carries the person's signature for this very request. Raises what `sign` raises, and KeyUnusable
    for a text that would confirm something else."""
    language = prepared.headers["accept-language"]
    message = to_sign(refusal.message, prepared.url, language, operation=operation.id)
    prepared.headers[refusal.header] = f"{_base64url(message)}.{_base64url(sign(message))}"


def result(operation: Operation, status: int, headers: Mapping[str, str], body: bytes) -> Any:
    """What the method returns: the JSON object, or the octets of a raw answer. Raises ApiError."""
    if status >= 400:
        raise error_of(status, headers, body)
    if operation.reply != "json":
        return body
    if operation.octets_reply and headers.get("content-type") == "application/octet-stream":
        names = {name.lower(): value for name, value in headers.items()}
        marked = {name[8:].replace("-", "_"): value for name, value in names.items() if name.startswith("x-miyun-")}
        return Octets(body, {name: value for name, value in marked.items() if name not in ("receipt", "quota")})
    return json.loads(body)


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise TypeError("a date and time needs a zone")
        return value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return value


def _pairs(name: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, list):
        return [(name, _word(item)) for item in value]
    return [(name, _word(value))]


def _word(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
