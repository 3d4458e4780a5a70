"""What the timestamp room gives to the acceptance dossier: tokens per hour, drift history, TSA certificates."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from miyun.core.catalogue import Evidence
from miyun.core.i18n import Text
from miyun.core.listing import csv_table
from miyun.offerings.timestamp.model import HASH_NAMES, POLICIES, source_reason
from miyun.offerings.timestamp.service import TimestampService
from miyun.wire.x509 import certificates_pem, parse_certificate


async def evidence(
    service: TimestampService, *, tenant: str, instance: str, start: datetime, end: datetime
) -> list[Evidence]:
    """Times are Asia/Shanghai. Hours without any use are left out."""
    usage = await service.usage(instance, start, end)
    tsas = service.authorities.all()
    policies = [
        {
            "policy": policy.slug,
            "oid": policy.oid,
            "hash_algorithms": sorted(HASH_NAMES[item] for item in policy.digests),
            "signature": policy.scheme.value,
        }
        for policy in POLICIES.values()
    ]
    source = {"time_source": {"zh": service.source_note.zh, "en": service.source_note.en}}
    return [
        Evidence(
            "hours.csv",
            csv_table(
                ("钟点起始", "签发", "被拒", "超额放行"),
                ((item.window, item.units, item.refused, item.over) for item in usage),
            ),
            "text/csv",
            Text("每钟点签发数量", "Timestamps per clock hour"),
        ),
        Evidence(
            "drift.csv",
            csv_table(
                ("时间", "时间源", "偏差（秒）", "可信", "说明"),
                (
                    (
                        item.at,
                        item.source,
                        None if item.offset is None else Decimal(f"{item.offset:.6f}"),
                        "是" if item.trusted else "否",
                        source_reason(item.reason).zh if item.reason else "",
                    )
                    for item in service.drift_history(start, end)
                ),
            ),
            "text/csv",
            Text("时钟偏差历史", "Drift history of the clock"),
        ),
        Evidence(
            "tsa.pem",
            certificates_pem(
                parse_certificate(der) for der in dict.fromkeys(der for tsa in tsas for der in (tsa.der, *tsa.chain))
            ).encode(),
            "application/x-pem-file",
            Text("时间戳服务器证书及其证书链", "Certificates of the time-stamping authorities with their chains"),
        ),
        Evidence(
            "policies.json",
            msgspec.json.format(msgspec.json.encode(source | {"policies": policies}), indent=1),
            "application/json",
            Text("时间戳策略与时间源", "Timestamp policies and time source"),
        ),
    ]
