"""What the certificate room gives to the acceptance dossier: certificates of the period, authorities, their lists."""

from __future__ import annotations

from datetime import datetime

from miyun.core.catalogue import Evidence
from miyun.core.errors import NotFound
from miyun.core.i18n import Text
from miyun.core.listing import csv_table
from miyun.offerings.certificate.model import serial_text
from miyun.offerings.certificate.service import CertificateService
from miyun.wire.x509 import certificates_pem, parse_certificate


async def evidence(
    service: CertificateService, *, tenant: str, instance: str, start: datetime, end: datetime
) -> list[Evidence]:
    """Registers of the tenant's certificates, of who applied and who reviewed, of key recoveries; every authority's
    certificate, and the newest revocation lists."""
    authorities = service.authorities.all()
    files = [
        Evidence(
            "certificates.csv",
            _register(service, tenant, start, end),
            "text/csv",
            Text("签发证书登记表", "Register of certificates"),
        ),
        Evidence(
            "applications.csv",
            await service.applications.register(tenant, start, end),
            "text/csv",
            Text("证书申请与审核登记表", "Register of applications and reviews"),
        ),
        Evidence(
            "recoveries.csv",
            await service.recoveries.register(tenant, start, end),
            "text/csv",
            Text("密钥恢复登记表", "Register of key recoveries"),
        ),
        Evidence(
            "authorities.pem",
            certificates_pem(parse_certificate(item.der) for item in authorities).encode(),
            "application/x-pem-file",
            Text("证书认证机构证书", "Certificates of the authorities"),
        ),
    ]
    for authority in authorities:
        try:
            newest = service.revocation.newest(authority.id)
        except NotFound:
            continue
        files.append(
            Evidence(
                f"crl/{authority.id}.crl",
                newest.der,
                "application/pkix-crl",
                Text(
                    f"吊销列表 {authority.id} 第 {newest.number} 号", f"Revocation list {authority.id}, {newest.number}"
                ),
            )
        )
    return files


def _register(service: CertificateService, tenant: str, start: datetime, end: datetime) -> bytes:
    head = ("序列号", "模板", "用途", "主题", "状态", "生效", "失效", "吊销时间", "吊销原因")
    rows = (
        (
            serial_text(item.serial),
            item.template,
            item.usage.value,
            item.subject,
            item.state.value,
            item.not_before,
            item.not_after,
            item.revoked_at,
            item.reason.value if item.reason else "",
        )
        for item in service.issued_between(tenant, start, end)
        if item.der is not None
    )
    return csv_table(head, rows)
