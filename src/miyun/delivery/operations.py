"""Operations of delivery: `delivery.*`."""

from __future__ import annotations

from typing import Final

from miyun.core.i18n import Text
from miyun.core.operation import Duty, Operation, Role
from miyun.delivery import messages as m
from miyun.delivery.service import DeliveryService as S

_READERS: Final = frozenset(
    (Role.TENANT_SYSTEM, Role.TENANT_SECURITY, Role.TENANT_AUDIT, Role.SUPPLIER_STAFF, Role.SYSTEM)
)
_BUILDERS: Final = frozenset((Role.TENANT_SYSTEM, Role.SUPPLIER_STAFF, Role.SYSTEM))

OPERATIONS: Final = (
    Operation(
        id="delivery.dossier.list",
        summary=Text("查看验收资料", "Show acceptance dossiers"),
        method="GET",
        path="/dossiers",
        request=m.Nothing,
        response=m.DossierList,
        handler=S.list_dossiers,
        roles=_READERS,
        duty=Duty.READ,
        example={},
        quota_free=True,
    ),
    Operation(
        id="delivery.dossier.build",
        summary=Text("生成验收资料", "Build the acceptance dossier"),
        method="POST",
        path="/contracts/{contract}/dossier",
        request=m.ContractName,
        response=m.DossierView,
        handler=S.build,
        roles=_BUILDERS,
        duty=Duty.OPERATE,
        example={"contract": "con_…"},
        tenant_fields=("contract",),
        quota_free=True,
    ),
    Operation(
        id="delivery.dossier.file",
        summary=Text("下载一份验收资料", "Download one file of a dossier"),
        method="GET",
        path="/contracts/{contract}/dossier/file",
        request=m.FileName,
        response=bytes,
        handler=S.file,
        roles=_READERS,
        duty=Duty.READ,
        reply="raw",
        example={"contract": "con_…", "path": "papers/01-项目总结报告.docx"},
        tenant_fields=("contract",),
        quota_free=True,
    ),
    Operation(
        id="delivery.levels",
        summary=Text("本月服务水平", "Service levels of this month"),
        method="GET",
        path="/service-levels",
        request=m.Nothing,
        response=m.Levels,
        handler=S.levels,
        roles=_READERS | {Role.TENANT_DEVELOPER},
        duty=Duty.READ,
        example={},
        quota_free=True,
    ),
)
