"""From a proven order to its certificate, or to the pair of one and the encryption key in its envelope."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from miyun.core.errors import InvalidArgument
from miyun.core.i18n import Text
from miyun.core.ports import CertificateIssuer, IssuedCertificate
from miyun.offerings.ssl_certificate.model import PROFILES, AcmeCertificate, AcmeOrder, OrderStatus
from miyun.offerings.ssl_certificate.store.orders import OrderStore
from miyun.wire.acme import CertificateId
from miyun.wire.x509 import parse_certificate

_COMMON_NAME: Final = 64  # ub-common-name of RFC 5280


class Issuing:
    def __init__(self, *, store: OrderStore, issuer: CertificateIssuer) -> None:
        self._store = store
        self._issuer = issuer

    async def issue(self, order: AcmeOrder, spki: bytes, now: datetime) -> AcmeOrder:
        """The order, valid. Raises what the issuer raises."""
        profile = PROFILES[order.profile]
        names = [name for _, name in order.names]
        subject = {"CN": _common_name(names)}
        envelope: bytes | None = None
        twin: IssuedCertificate | None = None
        if profile.pair:
            pair = await self._issuer.issue_pair(
                order.tenant, template=profile.template, subject=subject, spki=spki, names=names, at=now
            )
            issued, twin, envelope = pair.signing, pair.encryption, pair.enveloped_key
        else:
            issued = await self._issuer.issue(
                order.tenant, template=profile.template, subject=subject, spki=spki, names=names, at=now
            )
        records = [_record(order, issued, names)]
        if twin is not None:
            records.append(_record(order, twin, names, encryption=True))
        done = replace(
            order,
            status=OrderStatus.VALID,
            certificate=str(issued.serial),
            encryption_certificate=str(twin.serial) if twin else None,
            enveloped_key=envelope,
        )
        await asyncio.to_thread(self._store.complete_order, done, records)
        return done


def _common_name(names: Sequence[str]) -> str:
    fitting = next((name for name in names if len(name) <= _COMMON_NAME), None)
    if fitting is None:
        raise InvalidArgument(
            "names", Text("须有一个不超过 64 字符的名称", "one of the names must have at most 64 characters")
        )
    return fitting


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
