"""What every request meets first: a bound on concurrency, security headers, the last catch of what nobody caught."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from miyun.core.errors import InternalError, MiyunError, Overloaded
from miyun.core.i18n import locale_of
from miyun.edge.http import arrival, problem
from miyun.edge.http.body import Receive
from miyun.edge.http.errors import Misdirected
from miyun.edge.http.router import Router
from miyun.edge.http.routes import BrokenStream, Endpoint, Request, Scope, Send, request_id, respond

log = logging.getLogger("miyun.http")

_UNLESS_SET = (
    (b"strict-transport-security", b"max-age=31536000"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
    (
        b"content-security-policy",
        b"default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
)
_PLAIN_SET = _UNLESS_SET[1:]  # RFC 6797 7.2: no word of HSTS where there is no TLS
_UNLESS_NAMES = frozenset(name for name, _ in _UNLESS_SET)


class Front:
    """`app` serves what `router` does not know. `concurrency` requests run at a time; more are told to come back.
    `narrow`: all that is served where certificates are asked for (arrival.MUTUAL), and in the clear (arrival.PLAIN);
    `url` is the address that serves all."""

    def __init__(
        self,
        app: Any,
        router: Router[Endpoint],
        *,
        narrow: Mapping[str, Router[Endpoint]],
        url: str,
        concurrency: int = 512,
    ) -> None:
        self._app = app
        self._router = router
        self._narrow = narrow
        self._url = url
        self._concurrency = concurrency
        self.running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False
        extensions = scope.get("extensions") or ()
        narrow = next((router for name, router in self._narrow.items() if name in extensions), None)
        unless_set = _PLAIN_SET if arrival.PLAIN in extensions else _UNLESS_SET

        async def guarded(message: dict[str, Any]) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                present = {name for name, _ in message["headers"]}
                if _UNLESS_NAMES.isdisjoint(present):
                    message["headers"] = [*message["headers"], *unless_set]
                else:
                    added = [pair for pair in unless_set if pair[0] not in present]
                    message["headers"] = [*message["headers"], *added]
            await send(message)

        if self.running >= self._concurrency:
            await _refuse(scope, receive, guarded, Overloaded(retry_after=1))
            return
        self.running += 1
        try:
            if narrow is not None:
                if (found := narrow.match(arrival.raw_path(scope))) is None:
                    await _refuse(scope, receive, guarded, Misdirected(url=self._url))
                    return
                endpoint, scope["path_params"] = found
                await endpoint(scope, receive, guarded)
            elif (found := self._router.match(arrival.raw_path(scope))) is not None:
                endpoint, scope["path_params"] = found
                await endpoint(scope, receive, guarded)
            else:
                await self._app(scope, receive, guarded)
        except Exception as error:
            identifier = request_id(scope)
            if not isinstance(error, BrokenStream):
                log.exception("request %s failed: %s %s", identifier, scope["method"], arrival.raw_path(scope))
            if started:
                raise BrokenStream from None  # the server closes the connection without the final chunk
            await _refuse(scope, receive, guarded, InternalError(request_id=identifier))
        finally:
            self.running -= 1


async def _refuse(scope: Scope, receive: Receive, send: Send, error: MiyunError) -> None:
    headers = arrival.headers_of(scope)
    locale = locale_of(headers.get("accept-language"))
    request = Request(scope, receive, send, request_id(scope), locale, headers)
    await respond(request, *problem.render(error, locale, request.id))
