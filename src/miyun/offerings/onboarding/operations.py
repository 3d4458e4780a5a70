"""Operations of onboarding."""

from __future__ import annotations

from miyun.core.i18n import Text
from miyun.core.operation import Duty, Meter, Operation, Role
from miyun.offerings.onboarding import messages as m
from miyun.offerings.onboarding.service import OnboardingService as S

ONBOARDED = Meter("onboarding.bindings", Text("次", "bindings"), lambda request, _response: len(request.services) or 1)

# SYSTEM: the rehearsal onboards its application as the platform itself.
_SYSTEM = frozenset({Role.TENANT_SYSTEM, Role.SYSTEM})
_READERS = frozenset({Role.SYSTEM, Role.TENANT_SYSTEM, Role.TENANT_DEVELOPER, Role.TENANT_SECURITY, Role.TENANT_AUDIT})

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="onboarding.start",
        summary=Text("接入一个应用", "Onboard an application"),
        method="POST",
        path="/onboarding/applications",
        request=m.Start,
        response=m.Started,
        handler=S.start,
        roles=_SYSTEM,
        duty=Duty.POLICY,
        example={"name": "交易平台", "services": ["timestamp"]},
        idempotent=True,
        secret_response=True,
    ),
    Operation(
        id="onboarding.service.add",
        summary=Text("为应用增加一个服务", "Bind another service to an application"),
        method="POST",
        path="/onboarding/applications/{application}/services",
        request=m.AddService,
        response=m.Guide,
        handler=S.add_service,
        roles=_SYSTEM,
        duty=Duty.POLICY,
        example={"application": "app_…", "service": "encryption"},
        tenant_fields=("application",),
        secret_response=True,
    ),
    Operation(
        id="onboarding.guide",
        summary=Text("查看接入步骤", "Show the steps of an application"),
        method="GET",
        path="/onboarding/applications/{application}",
        request=m.ApplicationRef,
        response=m.Guide,
        handler=S.guide,
        roles=_READERS,
        duty=Duty.READ,
        example={"application": "app_…"},
        tenant_fields=("application",),
        quota_free=True,
    ),
    Operation(
        id="onboarding.check",
        summary=Text("连通检查", "Check the connections of an application"),
        method="POST",
        path="/onboarding/applications/{application}/check",
        request=m.ApplicationRef,
        response=m.CheckList,
        handler=S.check,
        roles=_READERS,
        duty=Duty.READ,
        example={"application": "app_…"},
        tenant_fields=("application",),
        quota_free=True,
    ),
    Operation(
        id="onboarding.count",
        summary=Text("应用接入计数", "Count application × service"),
        method="GET",
        path="/onboarding/count",
        request=m.Nothing,
        response=m.Count,
        handler=S.count,
        roles=_READERS,
        duty=Duty.READ,
        example={},
        quota_free=True,
    ),
)
