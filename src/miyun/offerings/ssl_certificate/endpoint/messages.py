"""Requests and answers about watched endpoints."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from miyun.core.listing import Cursor, SortText
from miyun.core.operation import Struct
from miyun.offerings.ssl_certificate.endpoint.model import Check, Endpoint
from miyun.offerings.ssl_certificate.messages import Export, Limit


class AddEndpoint(Struct):
    """`host`: a name or an address. With `tlcp` it is listed; TLCP itself cannot be spoken yet."""

    host: Annotated[str, Meta(min_length=1, max_length=253)]
    port: Annotated[int, Meta(ge=1, le=65535)] = 443
    protocol: Literal["tls", "tlcp"] = "tls"
    note: Annotated[str, Meta(max_length=128)] = ""


class EndpointRef(Struct):
    endpoint: str


class ListEndpoints(Struct):
    outcome: str | None = None
    sort: SortText = ""
    limit: Limit = 50
    cursor: Cursor | None = None


class ExportEndpoints(Export):
    outcome: str | None = None


class Rehearse(Struct):
    """`ca`: a configured ACME directory, best its staging one."""

    endpoint: str
    ca: str
    solver: Literal["http-01", "dns-01"] = "http-01"


class EndpointView(Struct):
    endpoint: str
    host: str
    port: int
    protocol: str
    note: str
    outcome: str
    reason: str
    checked_at: datetime | None
    next_check_at: datetime
    not_after: datetime | None
    days_left: int | None
    subject: str
    issuer: str
    names: list[str]
    serial: str
    fingerprint: str
    version: str
    cipher: str
    rehearsal: str | None

    @staticmethod
    def of(item: Endpoint, now: datetime) -> EndpointView:
        return EndpointView(
            endpoint=item.id,
            host=item.host,
            port=item.port,
            protocol=item.protocol,
            note=item.note,
            outcome=item.outcome,
            reason=item.reason,
            checked_at=item.checked_at,
            next_check_at=item.next_check_at,
            not_after=item.not_after,
            days_left=(item.not_after - now).days if item.not_after else None,
            subject=item.subject,
            issuer=item.issuer,
            names=list(item.names),
            serial=item.serial,
            fingerprint=item.fingerprint,
            version=item.version,
            cipher=item.cipher,
            rehearsal=item.rehearsal,
        )


class CheckView(Struct):
    at: datetime
    outcome: str
    reason: str
    serial: str
    not_after: datetime | None

    @staticmethod
    def of(check: Check) -> CheckView:
        return CheckView(
            at=check.at,
            outcome=check.outcome,
            reason=check.reason,
            serial=check.serial,
            not_after=check.not_after,
        )


class EndpointDetail(Struct):
    """`history`: what changed, newest first."""

    summary: EndpointView
    history: list[CheckView]


class EndpointList(Struct):
    items: list[EndpointView]
    next_cursor: str | None = None


class Done(Struct):
    done: bool
