"""From an ASGI request to what the pipeline is given: credential, language, names of tenant and instance."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, quote

from miyun.core.access import Anonymous, BasicCredential, Credential, SessionCredential, SignedRequest
from miyun.core.errors import InvalidArgument, Unauthenticated
from miyun.core.i18n import Text
from miyun.core.operation import Operation
from miyun.gm import sm3

ALGORITHM = "MIYUN1-HMAC-SM3"
SESSION_COOKIE = "__Host-miyun-session"
STREAMING = "STREAMING"
MUTUAL = "miyun.mutual"  # extension of a scope: it came to the address where certificates are asked for
PLAIN = "miyun.plain"  # extension of a scope: it came in the clear
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_SIGNED = re.compile(r"Credential=(?P<key>[^,\s]+),\s*Signature=(?P<signature>[0-9A-Fa-f]{64})")
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,128}")
_EMPTY_SM3 = sm3.digest(b"").hex()


def headers_of(scope: Mapping[str, Any]) -> dict[str, str]:
    """Lower-case names; of a repeated header the values are joined by a comma, as RFC 9110 reads them."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def query_of(scope: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Raises InvalidArgument for percent-encodings that are not UTF-8."""
    raw = scope["query_string"]
    if not raw:
        return []
    try:
        return parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=256)
    except ValueError as error:
        raise InvalidArgument("query", Text("无法解析查询串", "the query string cannot be read")) from error


def canonical_query(query: Sequence[tuple[str, str]]) -> str:
    """Percent-encoded by RFC 3986 (all but unreserved characters) and sorted."""
    if not query:
        return ""
    return "&".join(sorted(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in query))


def credential(
    scope: Mapping[str, Any], headers: Mapping[str, str], query: Sequence[tuple[str, str]]
) -> tuple[Credential, str | None]:
    """The credential and, for a signed request, the x-miyun-content-sm3 its body has to have.

    Raises Unauthenticated for an Authorization header of no known form: it is never taken for an anonymous request.
    """
    authorization = headers.get("authorization")
    if authorization is None:
        return _session_cookie(scope["method"], headers), None
    scheme, _, rest = authorization.partition(" ")
    if scheme == ALGORITHM:
        return _signed(scope, headers, query, rest)
    if scheme.lower() == "basic":
        return _basic(rest), None
    if scheme.lower() == "bearer" and rest.strip():
        session = SessionCredential(
            token=rest.strip(),
            cookie=False,
            unsafe=scope["method"] not in SAFE_METHODS,
            tenant=headers.get("x-miyun-tenant"),
        )
        return session, None
    raise Unauthenticated(field="authorization")


def idempotency_key(operation: Operation, headers: Mapping[str, str]) -> str | None:
    """Raises InvalidArgument when the key is malformed, or when the operation would silently not honour it."""
    key = headers.get("idempotency-key")
    if key is None or operation.method == "GET":
        return None
    if not operation.idempotent:
        raise InvalidArgument(
            "idempotency-key", Text("该操作不支持幂等键", "this operation does not take an idempotency key")
        )
    if not _IDEMPOTENCY_KEY.fullmatch(key):
        raise InvalidArgument(
            "idempotency-key", Text("应为 1 到 128 个可见 ASCII 字符", "it must be 1 to 128 visible ASCII characters")
        )
    return key


def fingerprint(
    scope: Mapping[str, Any], headers: Mapping[str, str], query: Sequence[tuple[str, str]], body: bytes
) -> bytes:
    """SM3 over what makes a request itself: an idempotency key may only repeat the same one. The tenant that supplier
    staff enter and the instance belong to it: the answer of one must never be given for another."""
    named = (headers.get("x-miyun-tenant", ""), headers.get("x-miyun-instance", ""))
    head = "\n".join((scope["method"], raw_path(scope), canonical_query(query), *named, ""))
    return sm3.digest(head.encode() + sm3.digest(body))


def raw_path(scope: Mapping[str, Any]) -> str:
    """The path as it was sent, percent-encodings untouched."""
    raw = scope.get("raw_path")
    return raw.decode("ascii", "replace") if raw else quote(scope["path"])


def peer(scope: Mapping[str, Any]) -> str:
    """The client's address as the listener told it; "" for one on the worker's own socket."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def certificate(scope: Mapping[str, Any]) -> bytes | None:
    """Whose key the client holds, DER: as the listener told it, never by anything that a request says. Empty when it
    gave none; None at the address that does not ask."""
    extensions = scope.get("extensions")
    return extensions[MUTUAL]["certificate"] if extensions and MUTUAL in extensions else None


def _signed(
    scope: Mapping[str, Any], headers: Mapping[str, str], query: Sequence[tuple[str, str]], parameters: str
) -> tuple[SignedRequest, str]:
    found = _SIGNED.fullmatch(parameters.strip())
    if found is None:
        raise Unauthenticated(field="authorization")
    content = headers.get("x-miyun-content-sm3", _EMPTY_SM3 if scope["method"] in SAFE_METHODS else "")
    date, nonce = headers.get("x-miyun-date", ""), headers.get("x-miyun-nonce", "")
    for name, value in (("x-miyun-date", date), ("x-miyun-nonce", nonce), ("x-miyun-content-sm3", content)):
        if not value:
            raise Unauthenticated(field=name)
    lines = (
        ALGORITHM,
        date,
        nonce,
        scope["method"],
        raw_path(scope),
        canonical_query(query),
        headers.get("content-type", ""),
        headers.get("idempotency-key", ""),
        content,
    )
    signed = SignedRequest(
        access_key=found["key"],
        date=date,
        nonce=nonce,
        signature=found["signature"],
        string_to_sign="\n".join(lines).encode(),
    )
    return signed, content


def _basic(parameters: str) -> BasicCredential:
    try:
        username, separator, password = base64.b64decode(parameters, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise Unauthenticated(field="authorization") from None
    if not separator or not username:
        raise Unauthenticated(field="authorization")
    return BasicCredential(username, password)


def _session_cookie(method: str, headers: Mapping[str, str]) -> Credential:
    if SESSION_COOKIE not in headers.get("cookie", ""):
        return Anonymous()
    try:
        morsel = SimpleCookie(headers["cookie"]).get(SESSION_COOKIE)
    except CookieError:
        return Anonymous()
    if morsel is None or not morsel.value:
        return Anonymous()
    return SessionCredential(
        token=morsel.value,
        csrf=headers.get("x-csrf-token"),
        cookie=True,
        unsafe=method not in SAFE_METHODS,
        tenant=headers.get("x-miyun-tenant"),
    )
