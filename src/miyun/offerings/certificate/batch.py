"""Many certificates at once: each item for itself, all of them durable or none."""

from __future__ import annotations

import asyncio
from typing import Final

from miyun.core.errors import InvalidArgument, MiyunError
from miyun.core.i18n import Text
from miyun.core.operation import Call
from miyun.offerings.certificate.applications.requests import read_requests
from miyun.offerings.certificate.authority import Authorities
from miyun.offerings.certificate.derived.service import Templates
from miyun.offerings.certificate.issuance import Issuance, Issued, Order, subject_of
from miyun.offerings.certificate.messages import BatchError, BatchItem, BatchRequest, BatchResult, BatchView
from miyun.offerings.certificate.model import serial_text
from miyun.offerings.certificate.weak_keys import usable_key
from miyun.wire.pkcs10 import CertificationRequest
from miyun.wire.x509 import certificates_pem, parse_certificate

_TURN: Final = 32  # items that are read before others get their turn


class Batches:
    def __init__(self, *, issuance: Issuance, authorities: Authorities, templates: Templates) -> None:
        self._issuance = issuance
        self._authorities = authorities
        self._templates = templates

    async def issue(self, call: Call, request: BatchRequest) -> BatchView:
        """Raises InvalidArgument for a template that no tenant may ask for; what is wrong with an item is in its
        result."""
        tenant = call.require_tenant()
        self._templates.for_one_person(tenant, request.template)
        outcomes: list[list[Issued] | MiyunError | None] = [None] * len(request.items)
        orders: dict[int, Order] = {}
        for start in range(0, len(request.items), _TURN):
            part = request.items[start : start + _TURN]
            requests = iter(read_requests([item.csr for item in part if item.csr]))
            for place, item in enumerate(part, start):
                try:
                    orders[place] = _order(tenant, request, item, next(requests) if item.csr else None)
                except MiyunError as error:
                    outcomes[place] = error
            await asyncio.sleep(0)
        for place, outcome in zip(
            orders, await self._issuance.issue_many(list(orders.values()), call.now), strict=True
        ):
            outcomes[place] = outcome
        results = [
            _result(item, outcome, request.certificates)
            for item, outcome in zip(request.items, outcomes, strict=True)
            if outcome is not None
        ]
        made = [issued for outcome in outcomes if isinstance(outcome, list) for issued in outcome]
        call.units = len(made)
        refused = sum(item.error is not None for item in results)
        call.detail |= {"issued": len(made), "refused": refused}
        if made:
            call.resource |= {"certificate": serial_text(made[0].serial), "last": serial_text(made[-1].serial)}
        chain = self._authorities.chain(made[0].authority) if made and request.certificates else ()
        return BatchView(
            issued=len(made),
            refused=refused,
            items=results,
            chain_pem=certificates_pem(parse_certificate(item) for item in chain),
        )


def _order(tenant: str, request: BatchRequest, item: BatchItem, csr: CertificationRequest | MiyunError | None) -> Order:
    if bool(item.csr) is bool(item.public_key):
        raise InvalidArgument("csr", Text("csr 与 public_key 须且只须给出一个", "give either csr or public_key"))
    if isinstance(csr, MiyunError):
        raise csr
    if csr is None and not item.subject:
        raise InvalidArgument("subject", Text("未给出主题", "no subject is given"))
    if csr is None:
        usable_key("public_key", item.public_key)
    return Order(
        tenant=tenant,
        template=request.template,
        subject=csr.subject if csr is not None and not item.subject else subject_of(item.subject),
        spki=csr.spki_der if csr is not None else item.public_key,
        names=tuple(item.names),
        days=request.days,
        encryption_spki=item.encryption_public_key or None,
    )


def _result(item: BatchItem, outcome: list[Issued] | MiyunError, certificates: bool) -> BatchResult:
    if isinstance(outcome, MiyunError):
        text = outcome.message
        error = BatchError(code=outcome.code, field=outcome.field or "", zh=text.zh, en=text.en)
        return BatchResult(reference=item.reference, error=error)
    signing, twin = outcome[0], outcome[1] if len(outcome) == 2 else None
    return BatchResult(
        reference=item.reference,
        serial=serial_text(signing.serial),
        certificate=signing.der if certificates else None,
        encryption_serial=serial_text(twin.serial) if twin else None,
        encryption_certificate=twin.der if twin and certificates else None,
    )
