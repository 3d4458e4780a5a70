"""The few addresses that are no operation: health, metrics, the API's description and its reference page."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from importlib import resources
from ipaddress import ip_address
from typing import TYPE_CHECKING

import msgspec

from miyun.core.errors import PermissionDenied
from miyun.core.i18n import locale_of
from miyun.edge.http import metrics, openapi, problem
from miyun.edge.http.arrival import headers_of, peer
from miyun.edge.http.body import Receive
from miyun.edge.http.errors import MethodNotAllowed
from miyun.edge.http.routes import Endpoint, Request, Scope, Send, request_id, respond
from miyun.hsm.errors import MachineError

if TYPE_CHECKING:
    from miyun.edge.http.app import Web

_JSON = "application/json"
_HTML, _CSS, _SCRIPT = "text/html; charset=utf-8", "text/css; charset=utf-8", "text/javascript; charset=utf-8"
Answer = Callable[[], Awaitable[tuple[int, Mapping[str, str], bytes]]]


def pages(web: Web) -> dict[str, Endpoint]:
    """Endpoint by path."""

    async def healthz() -> tuple[int, Mapping[str, str], bytes]:
        parts = await web.health.states()
        ready = all(state == "ok" for state in parts.values())
        status = 200 if ready else 503
        content = msgspec.json.encode({"alive": True, "ready": ready, "parts": parts})
        return status, {"content-type": _JSON, **({} if ready else {"retry-after": "2"})}, content

    async def alive() -> tuple[int, Mapping[str, str], bytes]:
        return 200, {"content-type": _JSON}, b'{"alive":true}'

    def counted(answer: Answer) -> Endpoint:
        """For the machine itself, and for who knows the token."""
        allowed, refused = _get(answer), _get(_refused)

        async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
            given = dict(scope["headers"]).get(b"authorization", b"")
            known = bool(web.metrics_token) and hmac.compare_digest(given, b"Bearer " + web.metrics_token.encode())
            await (allowed if known or is_local(peer(scope)) else refused)(scope, receive, send)

        return endpoint

    async def all_metrics() -> tuple[int, Mapping[str, str], bytes]:
        own = metrics.local(web.pipeline, web.worker)
        if web.machine is not None:
            with contextlib.suppress(MachineError, TimeoutError):  # the workers' numbers do not depend on it
                own += metrics.machine(await asyncio.wait_for(web.machine(), metrics.NEIGHBOUR_SECONDS))
        text = await metrics.everywhere(own, web.neighbours)
        return 200, {"content-type": metrics.MEDIA_TYPE}, text.encode()

    async def own_metrics() -> tuple[int, Mapping[str, str], bytes]:
        return 200, {"content-type": metrics.MEDIA_TYPE}, metrics.local(web.pipeline, web.worker).encode()

    @cache
    def description() -> bytes:
        return msgspec.json.encode(openapi.document(web.pipeline.registry, web.url))

    async def describe() -> tuple[int, Mapping[str, str], bytes]:
        return 200, {"content-type": _JSON, "cache-control": "no-cache"}, description()

    async def root() -> tuple[int, Mapping[str, str], bytes]:
        return 302, {"location": "/console" if web.mounts else "/reference"}, b""

    return {
        "/": _get(root),
        "/healthz": _get(healthz),
        "/healthz/ready": _get(healthz),
        "/healthz/alive": _get(alive),
        "/metrics": counted(all_metrics),
        metrics.LOCAL_PATH: counted(own_metrics),
        "/openapi.json": _get(describe),
        "/reference": _get(_file("reference.html", _HTML)),
        "/reference/reference.css": _get(_file("reference.css", _CSS)),
        "/reference/reference.js": _get(_file("reference.js", _SCRIPT)),
    }


def is_local(address: str) -> bool:
    """Whether a client is of this machine: on the worker's own socket, or on a loopback address."""
    return address == "" or ip_address(address).is_loopback


async def _refused() -> tuple[int, Mapping[str, str], bytes]:
    status, headers, content = problem.render(PermissionDenied("metrics"), "en", "")
    return status, headers, content


def _file(name: str, media_type: str) -> Answer:
    content = resources.files("miyun.edge.http").joinpath("static", name).read_bytes()

    async def answer() -> tuple[int, Mapping[str, str], bytes]:
        return 200, {"content-type": media_type, "cache-control": "no-cache"}, content

    return answer


def _get(answer: Answer) -> Endpoint:
    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        headers = headers_of(scope)
        request = Request(scope, receive, send, request_id(scope), locale_of(headers.get("accept-language")), headers)
        if scope["method"] not in ("GET", "HEAD"):
            status, answer_headers, content = problem.render(
                MethodNotAllowed(method=scope["method"]), request.locale, request.id
            )
            await respond(request, status, answer_headers | {"allow": "GET, HEAD"}, content)
            return
        await respond(request, *await answer())

    return endpoint
