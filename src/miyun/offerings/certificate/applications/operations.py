"""Operations on applications for certificates."""

from __future__ import annotations

from typing import Any, Final

from miyun.core.i18n import Text
from miyun.core.operation import Call, Download, Duty, Operation, Reply, Role
from miyun.offerings.certificate.applications import messages as m
from miyun.offerings.certificate.operations import EXAMPLE_CSR, ISSUED
from miyun.offerings.certificate.service import CertificateService as S

_APPLICANTS: Final = frozenset(
    {Role.APPLICATION, Role.TENANT_DEVELOPER, Role.TENANT_SYSTEM, Role.TENANT_SECURITY, Role.SYSTEM}
)
_READERS: Final = _APPLICANTS | {Role.TENANT_AUDIT}
_REVIEWERS: Final = frozenset({Role.TENANT_SECURITY})
_ID: Final = "apl_06f3k2v8q0d4t6w8y0a2c4e6g8"
_SERIAL: Final = "4f0b1c2d3e4f5a6b7c8d9e0f1a2b3c4d"
_ONE: Final[dict[str, Any]] = {"tenant_fields": ("application",)}


async def apply(service: S, call: Call, request: m.ApplyRequest) -> m.ApplicationView:
    call.units = 0  # what is issued is counted when it is
    return await service.applications.desk.apply(call, request)


async def renew(service: S, call: Call, request: m.RenewRequest) -> m.ApplicationView:
    call.units = 0
    return await service.applications.desk.renew(call, request)


async def rekey(service: S, call: Call, request: m.RekeyRequest) -> m.ApplicationView:
    call.units = 0
    return await service.applications.desk.rekey(call, request)


async def withdraw(service: S, call: Call, request: m.ApplicationRequest) -> m.ApplicationView:
    call.units = 0
    return await service.applications.desk.withdraw(call, request)


async def approve(service: S, call: Call, request: m.ApproveRequest) -> m.ApplicationView:
    return await service.applications.desk.approve(call, request)


async def reject(service: S, call: Call, request: m.RejectRequest) -> m.ApplicationView:
    return await service.applications.desk.reject(call, request)


async def get(service: S, call: Call, request: m.ApplicationRequest) -> m.ApplicationView:
    return await service.applications.desk.get(call, request)


async def page(service: S, call: Call, request: m.ListRequest) -> m.ApplicationPage:
    return await service.applications.page(call, request)


async def export(service: S, call: Call, request: m.ExportRequest) -> Download:
    return await service.applications.export(call, request)


async def file(service: S, call: Call, request: m.FileRequest) -> Reply:
    return await service.applications.files.file(call, request)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="certificate.application.apply",
        summary=Text("申请证书", "Apply for a certificate"),
        description=Text(
            "由另一人审核后签发；无须审核的模板即时签发。PKCS#10 可为 GM/T 0092 或 CFCA 双属性格式。",
            "A second person reviews it, unless the template asks for none. PKCS#10 as GM/T 0092 or of CFCA's form.",
        ),
        method="POST",
        path="/certificates/applications",
        request=m.ApplyRequest,
        response=m.ApplicationView,
        handler=apply,
        roles=_APPLICANTS,
        duty=Duty.USE,
        meter=ISSUED,
        idempotent=True,
        tenant_fields=("outside",),
        example={"template": "person", "csr": EXAMPLE_CSR, "days": 365, "pair": "escrow"},
    ),
    Operation(
        id="certificate.application.renew",
        summary=Text("更新证书（密钥不变）", "Renew a certificate, keeping its key"),
        method="POST",
        path="/certificates/{serial}/renew",
        request=m.RenewRequest,
        response=m.ApplicationView,
        handler=renew,
        roles=_APPLICANTS,
        duty=Duty.USE,
        meter=ISSUED,
        idempotent=True,
        tenant_fields=("serial",),
        example={"serial": _SERIAL},
    ),
    Operation(
        id="certificate.application.rekey",
        summary=Text("更换证书密钥", "Give a certificate's subject a new key"),
        method="POST",
        path="/certificates/{serial}/rekey",
        request=m.RekeyRequest,
        response=m.ApplicationView,
        handler=rekey,
        roles=_APPLICANTS,
        duty=Duty.USE,
        meter=ISSUED,
        idempotent=True,
        tenant_fields=("serial",),
        example={"serial": _SERIAL, "csr": EXAMPLE_CSR},
    ),
    Operation(
        id="certificate.application.withdraw",
        summary=Text("撤回申请", "Withdraw an application"),
        method="POST",
        path="/certificates/applications/{application}/withdraw",
        request=m.ApplicationRequest,
        response=m.ApplicationView,
        handler=withdraw,
        roles=_APPLICANTS,
        duty=Duty.USE,
        meter=ISSUED,
        quota_free=True,
        idempotent=True,
        example={"application": _ID},
        **_ONE,
    ),
    Operation(
        id="certificate.application.approve",
        step_up=True,
        summary=Text("审核通过", "Approve an application"),
        description=Text("申请人本人不可审核。", "Nobody approves what they applied for."),
        method="POST",
        path="/certificates/applications/{application}/approve",
        request=m.ApproveRequest,
        response=m.ApplicationView,
        handler=approve,
        roles=_REVIEWERS,
        duty=Duty.KEYS,
        idempotent=True,
        example={"application": _ID},
        **_ONE,
    ),
    Operation(
        id="certificate.application.reject",
        summary=Text("驳回申请", "Reject an application"),
        method="POST",
        path="/certificates/applications/{application}/reject",
        request=m.RejectRequest,
        response=m.ApplicationView,
        handler=reject,
        roles=_REVIEWERS,
        duty=Duty.KEYS,
        quota_free=True,
        idempotent=True,
        example={"application": _ID, "reason": "单位名称与营业执照不一致"},
        **_ONE,
    ),
    Operation(
        id="certificate.application.list",
        summary=Text("查找申请", "Find applications"),
        method="GET",
        path="/certificates/applications",
        request=m.ListRequest,
        response=m.ApplicationPage,
        handler=page,
        roles=_READERS,
        duty=Duty.READ,
        quota_free=True,
        example={"state": "pending", "limit": 50},
    ),
    Operation(
        id="certificate.application.export",
        summary=Text("导出申请清单", "Export applications"),
        method="GET",
        path="/certificates/applications/export",
        request=m.ExportRequest,
        response=Download,
        handler=export,
        roles=_READERS,
        duty=Duty.READ,
        quota_free=True,
        reply="stream",
        example={"format": "csv"},
    ),
    Operation(
        id="certificate.application.get",
        summary=Text("查看申请", "Look at an application"),
        method="GET",
        path="/certificates/applications/{application}",
        request=m.ApplicationRequest,
        response=m.ApplicationView,
        handler=get,
        roles=_READERS,
        duty=Duty.READ,
        quota_free=True,
        example={"application": _ID},
        **_ONE,
    ),
    Operation(
        id="certificate.application.file",
        summary=Text("下载证书、证书链或加密密钥信封", "Download certificates, chain or the enveloped encryption key"),
        method="GET",
        path="/certificates/applications/{application}/file",
        request=m.FileRequest,
        response=Reply,
        handler=file,
        roles=_APPLICANTS,
        duty=Duty.READ,
        quota_free=True,
        reply="raw",
        example={"application": _ID, "format": "p7b"},
        **_ONE,
    ),
)
