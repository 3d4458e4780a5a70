"""Operations on CAs outside."""

from __future__ import annotations

from typing import Final

from miyun.core.i18n import Text
from miyun.core.operation import Call, Duty, Empty, Operation, Role
from miyun.offerings.certificate.applications.messages import ApplicationView
from miyun.offerings.certificate.outside import messages as m
from miyun.offerings.certificate.service import CertificateService as S

_SECURITY: Final = frozenset({Role.TENANT_SECURITY})
_READERS: Final = frozenset(
    {Role.APPLICATION, Role.TENANT_DEVELOPER, Role.TENANT_SYSTEM, Role.TENANT_SECURITY, Role.TENANT_AUDIT}
)
_PEM: Final = "-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n"


async def create(service: S, call: Call, request: m.CreateOutside) -> m.OutsideView:
    return await service.outside.create(call, request)


async def list_all(service: S, call: Call, request: Empty) -> m.OutsideList:
    return await service.outside.list_all(call, request)


async def remove(service: S, call: Call, request: m.OutsideRequest) -> m.OutsideView:
    return await service.outside.remove(call, request)


async def deliver(service: S, call: Call, request: m.DeliverRequest) -> ApplicationView:
    return await service.outside.deliver(call, request)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="certificate.outside.create",
        summary=Text("登记外部电子认证机构", "Register a licensed CA outside"),
        description=Text(
            "申请经审核后送该机构，签回的证书按其根证书核验。",
            "Reviewed applications go to it; what comes back is checked against its root.",
        ),
        method="POST",
        path="/certificates/outside",
        request=m.CreateOutside,
        response=m.OutsideView,
        handler=create,
        roles=_SECURITY,
        duty=Duty.KEYS,
        idempotent=True,
        example={"name": "示例电子认证服务有限公司", "certificates": _PEM, "templates": ["organisation"]},
    ),
    Operation(
        id="certificate.outside.list",
        summary=Text("列出外部电子认证机构", "List CAs outside"),
        method="GET",
        path="/certificates/outside",
        request=Empty,
        response=m.OutsideList,
        handler=list_all,
        roles=_READERS,
        duty=Duty.READ,
        quota_free=True,
        example={},
    ),
    Operation(
        id="certificate.outside.remove",
        summary=Text("停用外部电子认证机构", "Stop sending applications to a CA outside"),
        method="DELETE",
        path="/certificates/outside/{outside}",
        request=m.OutsideRequest,
        response=m.OutsideView,
        handler=remove,
        roles=_SECURITY,
        duty=Duty.KEYS,
        quota_free=True,
        tenant_fields=("outside",),
        example={"outside": "oca_06f3k2v8q0d4t6w8y0a2c4e6g8"},
    ),
    Operation(
        id="certificate.application.deliver",
        summary=Text("交回外部机构签发的证书", "Hand in what a CA outside issued"),
        method="POST",
        path="/certificates/applications/{application}/deliver",
        request=m.DeliverRequest,
        response=ApplicationView,
        handler=deliver,
        roles=_SECURITY,
        duty=Duty.KEYS,
        quota_free=True,
        idempotent=True,
        tenant_fields=("application",),
        example={"application": "apl_06f3k2v8q0d4t6w8y0a2c4e6g8", "certificate": _PEM},
    ),
)
