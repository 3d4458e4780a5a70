"""What certificate login gives to the acceptance dossier: every login of the period."""

from __future__ import annotations

from datetime import datetime

import msgspec

from miyun.core.catalogue import Evidence
from miyun.core.i18n import Text
from miyun.offerings.strong_auth.messages import LoginRecord
from miyun.offerings.strong_auth.service import StrongAuthService


async def evidence(
    service: StrongAuthService, *, tenant: str, instance: str, start: datetime, end: datetime
) -> list[Evidence]:
    records = [LoginRecord.of(session) for session in service.opened(tenant, start, end)]
    return [
        Evidence(
            path="logins.json",
            content=msgspec.json.format(msgspec.json.encode(records), indent=1),
            media_type="application/json",
            title=Text("证书登录记录", "Certificate logins"),
        )
    ]
