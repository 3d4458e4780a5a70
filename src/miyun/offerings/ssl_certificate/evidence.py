"""What the room gives to the acceptance dossier: the certificates of the period."""

from __future__ import annotations

import asyncio
from datetime import datetime

import msgspec

from miyun.core.catalogue import Evidence
from miyun.core.i18n import Text
from miyun.offerings.ssl_certificate.service import SslCertificateService

_MOST = 10_000


async def evidence(
    service: SslCertificateService, *, tenant: str, instance: str, start: datetime, end: datetime
) -> list[Evidence]:
    issued = await asyncio.to_thread(service.acme.store.issued_between, tenant, start, end, _MOST)
    rows = [
        {
            "serial": f"{int(item.serial):X}",
            "names": item.names,
            "account": item.account,
            "not_before": item.not_before,
            "not_after": item.not_after,
            "encryption": item.encryption,
            "revoked_at": item.revoked_at,
        }
        for item in issued
    ]
    return [
        Evidence(
            path="certificates.json",
            content=msgspec.json.format(msgspec.json.encode(rows), indent=1),
            media_type="application/json",
            title=Text("以 ACME 签发的证书", "Certificates issued by ACME"),
        )
    ]
