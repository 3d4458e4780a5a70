"""How a room binds a standard's own wire format (RFC 3161, CRL files …) to one of its operations.

A room that needs it has a `protocol.py` ending in `ROUTES: tuple[ProtocolRoute, ...]`. The route runs the operation
through the one pipeline; only the bytes that come in and go out are the standard's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from miyun.core.access import Credential
from miyun.core.errors import MiyunError
from miyun.core.operation import Reply


@dataclass(frozen=True, slots=True)
class WireRequest:
    """All of a request, for a standard that says more than its body and path. Header names are lower case."""

    method: str
    path: Mapping[str, str]
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class ProtocolRoute:
    """`path` is absolute and may hold `{name}`s, also inside a segment: `/crl/{ca}.crl`. `{name...}` takes all
    that follows, slashes among it.

    `credential(path as sent, body)`: of a protocol whose messages prove who sent them; None: by HTTP as everywhere.
    `decode(body, path parameters)` makes the operation's request; both may raise MiyunError. With `whole`, `decode` is
    given a `WireRequest` alone, and Authorization header and cookies are the standard's: the platform looks for no
    caller. `encode` renders the result, `error` a refusal in the standard's own form (None: a problem document).
    `headers(service)` are those that every answer carries, refusals too. `mutual`: also at the address where clients
    are asked for certificates. `plain`: also without TLS, since the answer is public and signed.
    """

    method: Literal["GET", "HEAD", "POST"]
    path: str
    operation_id: str
    decode: Callable[..., Any]
    encode: Callable[[Any], Reply]
    error: Callable[[MiyunError], Reply] | None = None
    content_types: tuple[str, ...] = ()  # accepted request types; empty accepts any
    whole: bool = False
    credential: Callable[[str, bytes], Credential] | None = None
    headers: Callable[[Any], Awaitable[Mapping[str, str]]] | None = None
    mutual: bool = False
    plain: bool = False
