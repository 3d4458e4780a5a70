"""Operations on certificates that near their end."""

from __future__ import annotations

from typing import Final

from miyun.core.i18n import Text
from miyun.core.operation import Call, Download, Duty, Operation, Role
from miyun.offerings.certificate.expiry import messages as m
from miyun.offerings.certificate.service import CertificateService as S

_READERS: Final = frozenset({Role.TENANT_DEVELOPER, Role.TENANT_SYSTEM, Role.TENANT_SECURITY, Role.TENANT_AUDIT})


async def expiring(service: S, call: Call, request: m.ExpiringRequest) -> m.ExpiringPage:
    return await service.expiry.page(call, request)


async def export(service: S, call: Call, request: m.ExportExpiring) -> Download:
    return await service.expiry.export(call, request)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="certificate.expiring.list",
        summary=Text("列出即将到期、尚无接续的证书", "List certificates that end soon and that no other follows"),
        method="GET",
        path="/certificates/expiring",
        request=m.ExpiringRequest,
        response=m.ExpiringPage,
        handler=expiring,
        roles=_READERS,
        duty=Duty.READ,
        quota_free=True,
        example={"days": 30},
    ),
    Operation(
        id="certificate.expiring.export",
        summary=Text("导出即将到期的证书", "Export certificates that end soon"),
        method="GET",
        path="/certificates/expiring/export",
        request=m.ExportExpiring,
        response=Download,
        handler=export,
        roles=_READERS,
        duty=Duty.READ,
        quota_free=True,
        reply="stream",
        example={"days": 30},
    ),
)
