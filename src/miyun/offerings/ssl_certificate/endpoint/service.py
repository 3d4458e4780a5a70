"""The inventory of endpoints: watched by the jobs process, alarmed before a certificate ends, renewal rehearsed."""

from __future__ import annotations

import asyncio
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, Final

from miyun.core import listing
from miyun.core.clock import Clock
from miyun.core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from miyun.core.i18n import Text
from miyun.core.ids import new_id
from miyun.core.ledger.port import Entry, Ledger
from miyun.core.listing import Sorting
from miyun.core.operation import Call
from miyun.core.outbound import AddressPolicy, OutboundFailed, Resolver, is_address, parse_url
from miyun.core.ports import CertificateIssuer
from miyun.gm import intl
from miyun.offerings.ssl_certificate.endpoint import messages as m
from miyun.offerings.ssl_certificate.endpoint.handshake import look
from miyun.offerings.ssl_certificate.endpoint.model import (
    EVERY,
    KEEP_CHECKS,
    SOONER,
    Check,
    Endpoint,
    Outcome,
    Seen,
    alarm_of,
)
from miyun.offerings.ssl_certificate.outside import messages as orders
from miyun.offerings.ssl_certificate.outside.service import Outside
from miyun.offerings.ssl_certificate.store.endpoints import EndpointStore
from miyun.wire import pem
from miyun.wire.algorithm import SignatureAlgorithm
from miyun.wire.name import Name
from miyun.wire.pkcs10 import CertificationRequestInfo
from miyun.wire.spki import KeyAlgorithm
from miyun.wire.x509 import parse_certificate, subject_alt_name

SORTING: Final = Sorting({"id": str, "host": str}, default="-id", key=str)
_COLUMNS: Final[tuple[listing.Column[m.EndpointView], ...]] = (
    listing.Column("host", Text("域名或地址", "Host"), lambda item: item.host),
    listing.Column("port", Text("端口", "Port"), lambda item: item.port),
    listing.Column("outcome", Text("状态", "State"), lambda item: item.outcome),
    listing.Column("reason", Text("说明", "Reason"), lambda item: item.reason),
    listing.Column("not_after", Text("证书到期", "Certificate ends"), lambda item: item.not_after),
    listing.Column("days_left", Text("剩余天数", "Days left"), lambda item: item.days_left),
    listing.Column("subject", Text("主体", "Subject"), lambda item: item.subject),
    listing.Column("issuer", Text("签发者", "Issuer"), lambda item: item.issuer),
    listing.Column("serial", Text("序列号", "Serial number"), lambda item: item.serial),
    listing.Column("checked_at", Text("检查时间", "Looked at"), lambda item: item.checked_at),
    listing.Column("note", Text("备注", "Note"), lambda item: item.note),
)
_AT_ONCE: Final = 16
_HISTORY: Final = 50
_SWEPT: Final = 500
_GOOD: Final = (Outcome.OK, Outcome.UNSUPPORTED)


class Endpoints:
    def __init__(
        self,
        *,
        store: EndpointStore,
        outside: Outside,
        issuer: CertificateIssuer,
        ledger: Ledger,
        clock: Clock,
        policy: AddressPolicy,
        resolver: Resolver,
    ) -> None:
        self.store = store
        self._outside = outside
        self._issuer = issuer
        self._ledger = ledger
        self._clock = clock
        self._policy = policy
        self._resolver = resolver

    async def add(self, call: Call, request: m.AddEndpoint) -> m.EndpointView:
        host = request.host.lower().strip("[]").rstrip(".")
        if not _is_host(host):
            raise InvalidArgument("host", Text("应为域名或 IP 地址", "it must be a name or an IP address"))
        endpoint = Endpoint(
            id=new_id("endp"),
            tenant=call.require_tenant(),
            instance=call.instance or "",
            host=host,
            port=request.port,
            protocol=request.protocol,
            note=request.note,
            created_at=call.now,
            next_check_at=call.now,
        )
        if not await asyncio.to_thread(self.store.add, endpoint):
            raise AlreadyExists(kind="endpoint", name=f"{host}:{request.port}", field="host")
        call.resource["endpoint"] = endpoint.id
        return m.EndpointView.of(endpoint, call.now)

    async def list_all(self, call: Call, request: m.ListEndpoints) -> m.EndpointList:
        if request.outcome is not None and request.outcome not in set(Outcome):
            raise InvalidArgument("outcome", Text("没有此结果", f"it must be one of {', '.join(Outcome)}"))
        sort = SORTING.sort(request.sort)
        place = SORTING.place(sort, request.cursor)
        found = await asyncio.to_thread(
            self.store.endpoints, call.require_tenant(), request.outcome, sort, place, request.limit
        )
        items = found[: request.limit]
        cursor = None
        if len(found) > request.limit:
            last = items[-1]
            cursor = SORTING.cursor(sort, last.host if sort.field == "host" else last.id, last.id)
        return m.EndpointList(items=[m.EndpointView.of(item, call.now) for item in items], next_cursor=cursor)

    export = listing.exporting(list_all, m.ListEndpoints, _COLUMNS, name="endpoints")

    async def get(self, call: Call, request: m.EndpointRef) -> m.EndpointDetail:
        endpoint = await self._get(call, request.endpoint)
        history = await asyncio.to_thread(self.store.history, endpoint, _HISTORY)
        summary = m.EndpointView.of(endpoint, call.now)
        return m.EndpointDetail(summary=summary, history=[m.CheckView.of(check) for check in history])

    async def remove(self, call: Call, request: m.EndpointRef) -> m.Done:
        endpoint = await self._get(call, request.endpoint)
        return m.Done(done=await asyncio.to_thread(self.store.remove, endpoint.tenant, endpoint.id))

    async def check(self, call: Call, request: m.EndpointRef) -> m.EndpointView:
        """The jobs process looks at it within seconds."""
        endpoint = await self._get(call, request.endpoint)
        await asyncio.to_thread(self.store.change, endpoint, next_check_at=call.now)
        return m.EndpointView.of(replace(endpoint, next_check_at=call.now), call.now)

    async def rehearse(self, call: Call, request: m.Rehearse) -> orders.OrderView:
        """An order for the endpoint's names with a key that nobody keeps: shows that renewing would work."""
        endpoint = await self._get(call, request.endpoint)
        names = endpoint.names or (endpoint.host,)
        order = await self._outside.create(
            call,
            orders.CreateOrder(csr=_throw_away_request(names), ca=request.ca, solver=request.solver),
            rehearsal=True,
        )
        await asyncio.to_thread(self.store.change, endpoint, rehearsal=order.order)
        call.resource["endpoint"] = endpoint.id
        return order

    # by the jobs process

    async def run_due(self) -> None:
        now = self._clock.now()
        due = await asyncio.to_thread(self.store.due, now, _AT_ONCE)
        if due:
            anchors = await self._anchors()
            await asyncio.gather(*(self._look(endpoint, anchors, now) for endpoint in due))

    async def sweep(self) -> None:
        await asyncio.to_thread(self.store.sweep, self._clock.now() - KEEP_CHECKS, _SWEPT)

    async def _look(self, endpoint: Endpoint, anchors: list[str], now: datetime) -> None:
        if endpoint.protocol == "tlcp":
            seen = Seen(Outcome.UNSUPPORTED, "TLCP cannot be spoken yet: listed, not checked")
        else:
            seen = await look(
                endpoint.host, endpoint.port, self._policy, anchors=anchors, now=now, resolver=self._resolver
            )
        values: dict[str, Any] = {field.name: getattr(seen, field.name) for field in fields(Seen)}
        values["reason"] = seen.reason[:512]
        values |= {"checked_at": now, "next_check_at": now + (EVERY if seen.outcome in _GOOD else SOONER)}
        if not seen.serial:  # what was seen before is still the newest that is known of the certificate
            kept = ("not_after", "subject", "issuer", "names", "serial", "fingerprint", "version", "cipher")
            values = {name: value for name, value in values.items() if name not in kept}
        changed = seen.fingerprint and seen.fingerprint != endpoint.fingerprint
        alarmed = None if changed else endpoint.alarmed
        nearest = alarm_of(seen.not_after or endpoint.not_after, now)
        if nearest is not None and (alarmed is None or nearest < alarmed):
            alarmed = nearest
            await self._record(endpoint, "alarm", now, days=nearest, serial=seen.serial or endpoint.serial)
        await asyncio.to_thread(self.store.change, endpoint, alarmed=alarmed, **values)
        if changed or seen.outcome is not endpoint.outcome:
            check = Check(
                id=new_id("chk"),
                tenant=endpoint.tenant,
                endpoint=endpoint.id,
                at=now,
                outcome=seen.outcome,
                reason=seen.reason[:512],
                serial=seen.serial,
                not_after=seen.not_after,
            )
            await asyncio.to_thread(self.store.note, check)
            await self._record(endpoint, "changed", now, outcome=str(seen.outcome), serial=seen.serial)

    async def _record(self, endpoint: Endpoint, event: str, now: datetime, **detail: Any) -> None:
        await self._ledger.append(
            Entry(
                operation=f"ssl_certificate.endpoint.{event}",
                outcome="ok",
                at=now,
                tenant=endpoint.tenant,
                instance=endpoint.instance,
                role="system",
                resource={"endpoint": endpoint.id},
                detail={"host": endpoint.host, "port": endpoint.port, **detail},
            )
        )

    async def _anchors(self) -> list[str]:
        """Our own roots that this machine's TLS can read; its own authorities come besides."""
        found = [parse_certificate(der) for der in await self._issuer.trust_anchors()]
        return [item.to_pem() for item in found if item.public_key.algorithm is not KeyAlgorithm.SM2]

    async def _get(self, call: Call, endpoint_id: str) -> Endpoint:
        endpoint = await asyncio.to_thread(self.store.endpoint, call.require_tenant(), endpoint_id)
        if endpoint is None:
            raise NotFound("endpoint", endpoint_id)
        call.resource["endpoint"] = endpoint.id
        return endpoint


def _is_host(text: str) -> bool:
    try:
        return parse_url(f"https://[{text}]/" if ":" in text else f"https://{text}/").host == text
    except OutboundFailed:
        return False


def _throw_away_request(names: tuple[str, ...]) -> str:
    secret = intl.ecdsa_p256_generate()
    dns = [name for name in names if not is_address(name)]
    addresses = [name for name in names if is_address(name)]
    if not names:
        raise FailedPrecondition(state="no names", field="endpoint")
    info = CertificationRequestInfo(Name.of(), intl.public_key(secret), (subject_alt_name(dns=dns, ip=addresses),))
    signed = info.sign(SignatureAlgorithm.ECDSA_SHA256, lambda message: intl.ecdsa_p256_sign(secret, message))
    return pem.encode(pem.CERTIFICATE_REQUEST, signed)
