"""The web application of a worker: operations and protocol routes from their declarations, pages, what is mounted."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from litestar import Litestar, Response
from litestar.connection import Request as LitestarRequest
from litestar.exceptions import HTTPException
from litestar.types import ControllerRouterHandler

from miyun.core.errors import InternalError, MiyunError, NotFound
from miyun.core.i18n import locale_of
from miyun.core.pipeline import Pipeline
from miyun.core.protocol import ProtocolRoute
from miyun.edge.http import problem
from miyun.edge.http.arrival import MUTUAL, PLAIN
from miyun.edge.http.errors import MalformedRequest, MethodNotAllowed
from miyun.edge.http.front import Front
from miyun.edge.http.health import Health
from miyun.edge.http.pages import pages
from miyun.edge.http.router import Router
from miyun.edge.http.routes import Endpoint, Paths, request_id

log = logging.getLogger("miyun.http")
Mount = Callable[["Web"], Sequence[ControllerRouterHandler]]


@dataclass(frozen=True, slots=True)
class Web:
    """What a worker serves. `mounts` add routes made elsewhere in the edge (the console): each is called with this."""

    pipeline: Pipeline
    health: Health
    protocols: Sequence[ProtocolRoute] = ()
    mounts: Sequence[Mount] = ()
    mutual_pages: Sequence[str] = ()  # path templates of the mounts' pages for where certificates are asked for
    worker: int = 0
    machine: Callable[[], Awaitable[Mapping[str, Any]]] | None = None  # what the VSM counts, for /metrics
    neighbours: Sequence[Path] = ()  # the other workers' sockets
    concurrency: int = 512
    metrics_token: str = field(default="", repr=False)
    url: str = "https://127.0.0.1:8600"
    extra: dict[str, Any] = field(default_factory=dict)  # what mounts need besides (settings, services)


def create_app(web: Web) -> Front:
    """The ASGI application."""
    paths = Paths(web.pipeline, tuple(web.pipeline.registry.operations.values()), web.protocols)
    handlers = [handler for mount in web.mounts for handler in mount(web)]
    app = Litestar(
        handlers,
        openapi_config=None,
        logging_config=None,
        debug=False,
        exception_handlers={HTTPException: _render_http, MiyunError: _render_error, Exception: _render_unknown},
    )
    return Front(
        app,
        Router({**paths.endpoints, **pages(web)}),
        narrow={
            MUTUAL: Router({**paths.mutual, **dict.fromkeys(web.mutual_pages, cast(Endpoint, app))}),
            PLAIN: Router(paths.plain),
        },
        url=web.url,
        concurrency=web.concurrency,
    )


def _render_http(request: LitestarRequest[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """404 and 405 of the router in the platform's own form."""
    if error.status_code == 404:
        return _response(request, NotFound("path", request.scope["path"]))
    if error.status_code == 405:
        response = _response(request, MethodNotAllowed(method=request.scope["method"]))
        response.headers.update({"allow": (error.headers or {}).get("allow", "")})
        return response
    return _response(request, MalformedRequest())


def _render_error(request: LitestarRequest[Any, Any, Any], error: MiyunError) -> Response[bytes]:
    return _response(request, error)


def _render_unknown(request: LitestarRequest[Any, Any, Any], error: Exception) -> Response[bytes]:
    identifier = request_id(request.scope)  # type: ignore[arg-type]
    log.error("request %s failed: %s", identifier, request.scope["path"], exc_info=error)
    return _response(request, InternalError(request_id=identifier))


def _response(request: LitestarRequest[Any, Any, Any], error: MiyunError) -> Response[bytes]:
    identifier = request_id(request.scope)  # type: ignore[arg-type]
    locale = locale_of(request.headers.get("accept-language"))
    status, headers, content = problem.render(error, locale, identifier)
    media_type = headers.pop("content-type")
    headers["x-request-id"] = identifier
    return Response(content, status_code=status, headers=headers, media_type=media_type)
