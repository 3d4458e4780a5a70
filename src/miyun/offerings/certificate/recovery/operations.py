"""Operations on escrowed keys and their recovery."""

from __future__ import annotations

from typing import Any, Final

from miyun.core.i18n import Text
from miyun.core.listing import Column, exporting
from miyun.core.operation import Call, Download, Duty, Operation, Role
from miyun.offerings.certificate.recovery import messages as m
from miyun.offerings.certificate.recovery.model import Consent
from miyun.offerings.certificate.recovery.service import COLUMNS
from miyun.offerings.certificate.service import CertificateService as S

_SECURITY: Final = frozenset({Role.TENANT_SECURITY})
_SYSTEM: Final = frozenset({Role.TENANT_SYSTEM})
_READERS: Final = frozenset({Role.TENANT_SECURITY, Role.TENANT_SYSTEM, Role.TENANT_AUDIT})
_ID: Final = "rcv_06f3k2v8q0d4t6w8y0a2c4e6g8"
_ONE: Final[dict[str, Any]] = {"tenant_fields": ("recovery",), "quota_free": True}


async def escrowed(service: S, call: Call, request: m.EscrowListRequest) -> m.EscrowPage:
    return await service.recoveries.escrowed(call, request)


async def recover(service: S, call: Call, request: m.RecoverRequest) -> m.RecoveryView:
    return await service.recoveries.request(call, request)


async def authorise(service: S, call: Call, request: m.RecoveryRequest) -> m.RecoveryView:
    return await service.recoveries.consent(call, request.recovery, Consent.SYSTEM)


async def approve(service: S, call: Call, request: m.RecoveryRequest) -> m.RecoveryView:
    return await service.recoveries.consent(call, request.recovery, Consent.SECURITY)


async def reject(service: S, call: Call, request: m.RejectRequest) -> m.RecoveryView:
    return await service.recoveries.reject(call, request)


async def collect(service: S, call: Call, request: m.RecoveryRequest) -> m.DeliveredView:
    return await service.recoveries.collect(call, request)


async def get(service: S, call: Call, request: m.RecoveryRequest) -> m.RecoveryView:
    return await service.recoveries.get(call, request)


async def page(service: S, call: Call, request: m.ListRequest) -> m.RecoveryPage:
    return await service.recoveries.page(call, request)


_ESCROWED: Final[tuple[Column[m.EscrowedView], ...]] = (
    Column("escrow", Text("托管编号", "Escrow"), lambda item: item.escrow),
    Column("subject", Text("主体", "Subject"), lambda item: item.subject),
    Column("created_at", Text("托管时间", "Since"), lambda item: item.created_at),
    Column("certificates", Text("加密证书", "Encryption certificates"), lambda item: item.certificates),
    Column("key_sm3", Text("公钥 SM3", "SM3 of the public key"), lambda item: item.key_sm3),
)

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="certificate.escrow.list",
        summary=Text("查询托管的加密密钥（历史）", "Look up escrowed encryption keys, a person's history"),
        method="GET",
        path="/certificates/escrow",
        request=m.EscrowListRequest,
        response=m.EscrowPage,
        handler=escrowed,
        roles=_READERS,
        duty=Duty.READ,
        quota_free=True,
        example={"text": "张三", "limit": 50},
    ),
    Operation(
        id="certificate.escrow.export",
        summary=Text("导出托管的加密密钥清单", "Export the list of escrowed encryption keys"),
        method="GET",
        path="/certificates/escrow/export",
        request=m.EscrowExportRequest,
        response=Download,
        handler=exporting(escrowed, m.EscrowListRequest, _ESCROWED, name="escrow"),
        roles=_READERS,
        duty=Duty.READ,
        quota_free=True,
        reply="stream",
        example={"format": "csv"},
    ),
    Operation(
        id="certificate.recovery.request",
        summary=Text("申请恢复托管的加密密钥", "Ask for the recovery of an escrowed encryption key"),
        description=Text(
            "须系统管理员与另一名安全管理员两人同意；密钥以 GB/T 35276 密钥信封交付，仅一次。",
            "A system administrator and another security administrator agree to it; the key is delivered once, as an"
            " EnvelopedKey of GB/T 35276.",
        ),
        method="POST",
        path="/certificates/recoveries",
        request=m.RecoverRequest,
        response=m.RecoveryView,
        handler=recover,
        roles=_SECURITY,
        duty=Duty.KEYS,
        quota_free=True,
        idempotent=True,
        tenant_fields=("escrow",),
        example={
            "escrow": "esc_06f3k2v8q0d4t6w8y0a2c4e6g8",
            "receiver": "-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n",
            "reason": "智能密码钥匙损坏",
        },
    ),
    Operation(
        id="certificate.recovery.authorise",
        step_up=True,
        summary=Text("系统管理员同意恢复", "Agree to a recovery as system administrator"),
        method="POST",
        path="/certificates/recoveries/{recovery}/authorise",
        request=m.RecoveryRequest,
        response=m.RecoveryView,
        handler=authorise,
        roles=_SYSTEM,
        duty=Duty.POLICY,
        idempotent=True,
        example={"recovery": _ID},
        **_ONE,
    ),
    Operation(
        id="certificate.recovery.approve",
        step_up=True,
        summary=Text("另一名安全管理员同意恢复", "Agree to a recovery as another security administrator"),
        method="POST",
        path="/certificates/recoveries/{recovery}/approve",
        request=m.RecoveryRequest,
        response=m.RecoveryView,
        handler=approve,
        roles=_SECURITY,
        duty=Duty.KEYS,
        idempotent=True,
        example={"recovery": _ID},
        **_ONE,
    ),
    Operation(
        id="certificate.recovery.reject",
        summary=Text("驳回恢复申请", "Reject a recovery"),
        method="POST",
        path="/certificates/recoveries/{recovery}/reject",
        request=m.RejectRequest,
        response=m.RecoveryView,
        handler=reject,
        roles=_SECURITY | _SYSTEM,
        duty=Duty.POLICY,
        idempotent=True,
        example={"recovery": _ID, "reason": "文书不全"},
        **_ONE,
    ),
    Operation(
        id="certificate.recovery.collect",
        step_up=True,
        summary=Text("领取恢复的密钥（仅一次）", "Collect the recovered key, once"),
        method="POST",
        path="/certificates/recoveries/{recovery}/collect",
        request=m.RecoveryRequest,
        response=m.DeliveredView,
        handler=collect,
        roles=_SECURITY,
        duty=Duty.KEYS,
        idempotent=True,
        secret_response=True,
        example={"recovery": _ID},
        **_ONE,
    ),
    Operation(
        id="certificate.recovery.list",
        summary=Text("列出恢复申请", "List recoveries"),
        method="GET",
        path="/certificates/recoveries",
        request=m.ListRequest,
        response=m.RecoveryPage,
        handler=page,
        roles=_READERS,
        duty=Duty.READ,
        quota_free=True,
        example={"state": "requested"},
    ),
    Operation(
        id="certificate.recovery.export",
        summary=Text("导出恢复清单", "Export recoveries"),
        method="GET",
        path="/certificates/recoveries/export",
        request=m.ExportRequest,
        response=Download,
        handler=exporting(page, m.ListRequest, COLUMNS, name="recoveries"),
        roles=_READERS,
        duty=Duty.READ,
        quota_free=True,
        reply="stream",
        example={"format": "csv"},
    ),
    Operation(
        id="certificate.recovery.get",
        summary=Text("查看恢复申请", "Look at a recovery"),
        method="GET",
        path="/certificates/recoveries/{recovery}",
        request=m.RecoveryRequest,
        response=m.RecoveryView,
        handler=get,
        roles=_READERS,
        duty=Duty.READ,
        example={"recovery": _ID},
        **_ONE,
    ),
)
