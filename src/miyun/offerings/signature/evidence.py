"""What the signature room gives to the acceptance dossier: signers with certificates, calls per hour, kept evidence."""

from __future__ import annotations

from datetime import datetime

from miyun.core.catalogue import Evidence
from miyun.core.i18n import Text
from miyun.core.listing import csv_table
from miyun.offerings.signature.archive.model import STATE_TEXTS
from miyun.offerings.signature.service import SignatureService
from miyun.wire.x509 import certificates_pem, parse_certificate


async def evidence(
    service: SignatureService, *, tenant: str, instance: str, start: datetime, end: datetime
) -> list[Evidence]:
    """Times are Asia/Shanghai. Hours without any use are left out."""
    signers = [item for item in service.signers_of(tenant) if item.created_at < end]
    certificates = dict.fromkeys(der for item in signers for der in (item.der, *item.chain))
    return [
        Evidence(
            "signers.csv",
            csv_table(
                ("签名者", "名称", "算法", "密钥", "版本", "状态", "证书序列号", "主题", "证书失效"),
                (
                    (
                        item.id,
                        item.name,
                        item.algorithm,
                        item.key,
                        item.version,
                        item.state.value,
                        f"{item.serial:032x}",
                        str(item.certificate.subject),
                        item.not_after,
                    )
                    for item in signers
                ),
            ),
            "text/csv",
            Text("签名者登记表", "Register of signers"),
        ),
        Evidence(
            "certificates.pem",
            certificates_pem(parse_certificate(der) for der in certificates).encode(),
            "application/x-pem-file",
            Text("签名证书及其证书链", "Signing certificates with their chains"),
        ),
        Evidence(
            "hours.csv",
            csv_table(
                ("钟点起始", "调用", "被拒"),
                ((item.window, item.units, item.refused) for item in await service.usage(instance, start, end)),
            ),
            "text/csv",
            Text("每钟点签名验签次数", "Signature calls per clock hour"),
        ),
        Evidence(
            "kept.csv",
            csv_table(
                ("标识", "名称", "格式", "签名者", "SM3", "状态", "留存", "固定"),
                (
                    (
                        item.id,
                        item.name,
                        item.kind.value,
                        item.signers,
                        item.fingerprint,
                        STATE_TEXTS[item.state].zh,
                        item.kept_at,
                        item.sealed_at,
                    )
                    for item in service.archive.kept_between(tenant, start, end)
                ),
            ),
            "text/csv",
            Text("留存证据登记表", "Register of kept evidence"),
        ),
    ]
