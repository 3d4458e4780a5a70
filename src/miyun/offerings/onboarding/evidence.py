"""What onboarding gives to the acceptance dossier: the count, and every connection check with its ledger record."""

from __future__ import annotations

from datetime import datetime

import msgspec

from miyun.core.catalogue import Evidence
from miyun.core.i18n import Text
from miyun.offerings.onboarding.messages import CheckView
from miyun.offerings.onboarding.service import OnboardingService


async def evidence(
    service: OnboardingService, *, tenant: str, instance: str, start: datetime, end: datetime
) -> list[Evidence]:
    counted, bought = service.counted_and_bought(tenant)
    checks = [CheckView.of(check) for check in service.checks(tenant) if start <= check.at < end]
    content = {"counted": counted, "bought": bought, "rule": "Σ application × service", "checks": checks}
    return [
        Evidence(
            path="onboarding.json",
            content=msgspec.json.format(msgspec.json.encode(content), indent=1),
            media_type="application/json",
            title=Text("应用接入计数与连通检查", "Onboarding count and connection checks"),
        )
    ]
