"""The room's parts, and how operations reach them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from operator import attrgetter
from typing import Any

from miyun.core.clock import Clock
from miyun.core.operation import Call
from miyun.offerings.ssl_certificate.acme.nonces import Nonces
from miyun.offerings.ssl_certificate.acme.server import AcmeServer
from miyun.offerings.ssl_certificate.endpoint.service import Endpoints
from miyun.offerings.ssl_certificate.outside.flow import Flow
from miyun.offerings.ssl_certificate.outside.service import Outside

Method = Callable[[Any, Call, Any], Awaitable[Any]]


class SslCertificateService:
    def __init__(self, *, acme: AcmeServer, outside: Outside, flow: Flow, endpoints: Endpoints, clock: Clock) -> None:
        self.acme = acme
        self.outside = outside
        self.flow = flow
        self.endpoints = endpoints
        self.clock = clock

    @property
    def nonces(self) -> Nonces:
        return self.acme.nonces


def part(path: str, method: Method) -> Method:
    """The handler of an operation whose use case is a method of one of the service's parts, named by `path`."""
    find = attrgetter(path)

    async def handler(service: SslCertificateService, call: Call, request: Any) -> Any:
        return await method(find(service), call, request)

    return handler
