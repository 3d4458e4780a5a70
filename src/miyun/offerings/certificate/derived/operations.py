"""Operations on a tenant's own templates."""

from __future__ import annotations

from miyun.core.i18n import Text
from miyun.core.operation import Call, Duty, Operation, Role
from miyun.offerings.certificate.derived.messages import CreateTemplate, TemplateRequest
from miyun.offerings.certificate.messages import TemplateView
from miyun.offerings.certificate.service import CertificateService as S

_SECURITY = frozenset({Role.TENANT_SECURITY})


async def create(service: S, call: Call, request: CreateTemplate) -> TemplateView:
    return await service.templates.create(call, request)


async def retire(service: S, call: Call, request: TemplateRequest) -> TemplateView:
    return await service.templates.retire(call, request)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="certificate.template.create",
        summary=Text("新建本租户的证书模板", "Make a certificate template of the tenant's own"),
        description=Text(
            "由平台模板收窄而成，只能要求更多、允许更少；建立后不可更改，只可停用。",
            "One of the platform's, narrowed: it can only ask for more and allow less. It never changes, only retires.",
        ),
        method="POST",
        path="/certificates/templates",
        request=CreateTemplate,
        response=TemplateView,
        handler=create,
        roles=_SECURITY,
        duty=Duty.KEYS,
        idempotent=True,
        example={
            "template": "gateway",
            "base": "device",
            "name_zh": "网关",
            "name_en": "Gateway",
            "fixed": {"O": "示例局"},
            "domains": ["example.cn"],
            "max_days": 180,
            "review": True,
        },
    ),
    Operation(
        id="certificate.template.retire",
        summary=Text("停用本租户的证书模板", "Retire a certificate template of the tenant's own"),
        method="POST",
        path="/certificates/templates/{template}/retire",
        request=TemplateRequest,
        response=TemplateView,
        handler=retire,
        roles=_SECURITY,
        duty=Duty.KEYS,
        idempotent=True,
        example={"template": "gateway"},
    ),
)
