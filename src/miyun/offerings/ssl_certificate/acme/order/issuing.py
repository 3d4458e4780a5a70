"""From a proven order to its certificate, or to the pair of one and the encryption key in its envelope."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from miyun.core.errors import MiyunError
from miyun.core.i18n import Text
from miyun.core.ports import CertificateIssuer, IssuedCertificate, IssuedPair
from miyun.offerings.ssl_certificate.acme.limits import events_of
from miyun.offerings.ssl_certificate.errors import AcmeUnauthorized
from miyun.offerings.ssl_certificate.model import PROFILES, AcmeCertificate, AcmeOrder, OrderStatus
from miyun.offerings.ssl_certificate.store.orders import OrderStore
from miyun.wire import acme
from miyun.wire.acme import CertificateId
from miyun.wire.x509 import parse_certificate

log = logging.getLogger("miyun.acme")
_STUCK: Final = timedelta(minutes=2)
_TOGETHER: Final = 100
_COMMON_NAME: Final = 64  # ub-common-name of RFC 5280


class Issuing:
    """A certificate is asked for under its order's id, so that there is one of it whatever dies in between."""

    def __init__(self, *, store: OrderStore, issuer: CertificateIssuer) -> None:
        self._store = store
        self._issuer = issuer

    async def issue(self, order: AcmeOrder, spki: bytes, now: datetime) -> AcmeOrder:
        """The order, valid. Raises what the issuer raises, AcmeUnauthorized for an order that ended meanwhile."""
        profile = PROFILES[order.profile]
        names = [name for _, name in order.names]
        subject = _subject(names)
        begin = order.not_before if order.not_before is not None and order.not_before > now else None
        ask = self._issuer.issue_pair if profile.pair else self._issuer.issue
        issued: IssuedCertificate | IssuedPair = await ask(
            order.tenant,
            template=profile.template,
            subject=subject,
            spki=spki,
            names=names,
            not_before=begin,
            not_after=order.not_after,
            reference=order.id,
            at=now,
        )
        done = await self._complete(order, issued, now)
        if done is not None:
            return done
        # it stood still for so long that the order was ended: nobody is to have what came of it
        signing, twin = _parts(issued)
        for item in (signing, twin):
            if item is not None:
                await self._issuer.revoke(item.serial, "cessation_of_operation", now)
        reason = Text("订单在签发期间已终止", "the order was ended while it was being worked on")
        raise AcmeUnauthorized("orderNotReady", reason)

    async def recover(self, order: AcmeOrder, now: datetime) -> AcmeOrder | None:
        """An order whose certificate is there, though whoever asked for it did not live to note it."""
        issued = await self._issuer.of_reference(order.tenant, order.id)
        return await self._complete(order, issued, now) if issued is not None else None

    async def finish_stuck(self, now: datetime) -> None:
        """Orders whose issuing was broken off: they get the certificate that is there, or end."""
        for order in await asyncio.to_thread(self._store.stuck_orders, now - _STUCK, _TOGETHER):
            try:
                found = await self.recover(order, now)
            except MiyunError as problem:  # of a pair's envelope, with the machine locked: others need none
                log.warning("order %s waits: %s", order.id, problem.code)
                continue
            if found is None:
                error = acme.problem("serverInternal", "issuing was interrupted; order again", 500)
                await asyncio.to_thread(
                    self._store.move_order, order.id, OrderStatus.PROCESSING, OrderStatus.INVALID, error=error
                )

    async def is_issued(self, order: AcmeOrder) -> bool:
        return await self._issuer.of_reference(order.tenant, order.id) is not None

    async def _complete(
        self, order: AcmeOrder, issued: IssuedCertificate | IssuedPair, now: datetime
    ) -> AcmeOrder | None:
        """None for an order that ended without a certificate."""
        signing, twin = _parts(issued)
        names = [name for _, name in order.names]
        records = [_record(order, signing, names)]
        if twin is not None:
            records.append(_record(order, twin, names, encryption=True))
        done = replace(
            order,
            status=OrderStatus.VALID,
            certificate=str(signing.serial),
            encryption_certificate=str(twin.serial) if twin else None,
            enveloped_key=issued.enveloped_key if isinstance(issued, IssuedPair) else None,
        )
        counted = events_of(order.tenant, names, await asyncio.to_thread(renewed_names, self._store, order.replaces))
        if await asyncio.to_thread(
            self._store.complete_order,
            done,
            records,
            now,
            events=counted,
            otherwise=events_of(order.tenant, names, ()),
        ):
            return done
        found = await asyncio.to_thread(self._store.order, order.account, order.id)
        return found if found is not None and found.status is OrderStatus.VALID else None


def renewed_names(store: OrderStore, replaces: str | None) -> tuple[str, ...]:
    """Of a certificate that no order has replaced yet."""
    old = store.certificate(replaces) if replaces is not None else None
    return old.names if old is not None and old.replaced_by is None else ()


def _parts(issued: IssuedCertificate | IssuedPair) -> tuple[IssuedCertificate, IssuedCertificate | None]:
    return (issued.signing, issued.encryption) if isinstance(issued, IssuedPair) else (issued, None)


def _subject(names: Sequence[str]) -> dict[str, str]:
    """With the first name that fits as its common name; of longer ones it has none, and needs none (RFC 9525)."""
    fitting = next((name for name in names if len(name) <= _COMMON_NAME), None)
    return {"CN": fitting} if fitting is not None else {}


def _record(
    order: AcmeOrder, issued: IssuedCertificate, names: Sequence[str], *, encryption: bool = False
) -> AcmeCertificate:
    certificate = parse_certificate(issued.der)
    return AcmeCertificate(
        serial=str(issued.serial),
        tenant=order.tenant,
        account=order.account,
        order_id=order.id,
        identifier=str(CertificateId.of(certificate)),
        names=tuple(names),
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        fingerprint=certificate.fingerprint.hex(),
        encryption=encryption,
    )
