"""Operations on batches of applications."""

from __future__ import annotations

from typing import Any, Final

from miyun.core.i18n import Text
from miyun.core.listing import Column, exporting
from miyun.core.operation import Call, Download, Duty, Operation, Role
from miyun.offerings.certificate.applications.batches import messages as m
from miyun.offerings.certificate.operations import EXAMPLE_CSR, ISSUED
from miyun.offerings.certificate.service import CertificateService as S

_APPLICANTS: Final = frozenset(
    {Role.APPLICATION, Role.TENANT_DEVELOPER, Role.TENANT_SYSTEM, Role.TENANT_SECURITY, Role.SYSTEM}
)
_READERS: Final = _APPLICANTS | {Role.TENANT_AUDIT}
_ID: Final = "apb_06f3k2v8q0d4t6w8y0a2c4e6g8"
_ROW: Final = "apl_06f3k2v8q0d4t6w8y0a2c4e6g8"
_ONE: Final[dict[str, Any]] = {"tenant_fields": ("batch",)}


async def apply(service: S, call: Call, request: m.ApplyBatchRequest) -> m.BatchAnswer:
    call.units = 0  # what is issued is counted when it is
    return await service.applications.batches.apply(call, request)


async def review(service: S, call: Call, request: m.ReviewRequest) -> m.BatchAnswer:
    return await service.applications.batches.review(call, request)


async def withdraw(service: S, call: Call, request: m.BatchRequest) -> m.BatchView:
    call.units = 0
    return await service.applications.batches.withdraw(call, request)


async def get(service: S, call: Call, request: m.BatchRequest) -> m.BatchView:
    return await service.applications.batches.get(call, request)


async def page(service: S, call: Call, request: m.ListRequest) -> m.BatchPage:
    return await service.applications.batches.page(call, request)


async def results(service: S, call: Call, request: m.ResultsRequest) -> Download:
    return await service.applications.batches.results(call, request)


_BATCHES: Final[tuple[Column[m.BatchView], ...]] = (
    Column("batch", Text("批次", "Batch"), lambda item: item.batch),
    Column("state", Text("状态", "State"), lambda item: item.state),
    Column("template", Text("模板", "Template"), lambda item: item.template),
    Column("rows", Text("行数", "Rows"), lambda item: item.rows),
    Column("refused", Text("未受理", "Not taken"), lambda item: item.refused),
    Column("applicant", Text("申请人", "Applicant"), lambda item: item.applicant),
    Column("applied_at", Text("申请时间", "Applied"), lambda item: item.applied_at),
    Column("expires_at", Text("审核期限", "To be reviewed by"), lambda item: item.expires_at),
    Column("reviewer", Text("审核人", "Reviewer"), lambda item: item.reviewer),
    Column("reviewed_at", Text("审核时间", "Reviewed"), lambda item: item.reviewed_at),
    Column("note", Text("说明", "Note"), lambda item: item.note),
)

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="certificate.application.batch.apply",
        summary=Text("批量申请证书", "Apply for many certificates at once"),
        description=Text(
            "一次最多 1000 行（JSON 或 CSV），每行各自受理；由另一人一并审核。",
            "Up to 1000 rows (JSON or CSV), each taken or refused for itself; a second person reviews them together.",
        ),
        method="POST",
        path="/certificates/application-batches",
        request=m.ApplyBatchRequest,
        response=m.BatchAnswer,
        handler=apply,
        roles=_APPLICANTS,
        duty=Duty.USE,
        meter=ISSUED,
        idempotent=True,
        max_body=16 * 1024 * 1024,
        tenant_fields=("outside",),
        example={"template": "person", "rows": [{"reference": "1", "csr": EXAMPLE_CSR}], "pair": "escrow"},
    ),
    Operation(
        id="certificate.application.batch.review",
        step_up=True,
        summary=Text("审核一批申请", "Review a batch of applications"),
        description=Text(
            "未列入 reject 的待审核行全部通过；approve 须等于其行数。申请人本人不可审核。",
            "Every row that waits and is not in reject is approved; approve says how many. No applicant reviews.",
        ),
        method="POST",
        path="/certificates/application-batches/{batch}/review",
        request=m.ReviewRequest,
        response=m.BatchAnswer,
        handler=review,
        roles=frozenset({Role.TENANT_SECURITY}),
        duty=Duty.KEYS,
        idempotent=True,
        example={"batch": _ID, "approve": 9, "reject": [{"application": _ROW, "reason": "已离职"}]},
        **_ONE,
    ),
    Operation(
        id="certificate.application.batch.withdraw",
        summary=Text("撤回一批申请中未办结的", "Withdraw what is undecided of a batch"),
        method="POST",
        path="/certificates/application-batches/{batch}/withdraw",
        request=m.BatchRequest,
        response=m.BatchView,
        handler=withdraw,
        roles=_APPLICANTS,
        duty=Duty.USE,
        quota_free=True,
        meter=ISSUED,
        idempotent=True,
        example={"batch": _ID},
        **_ONE,
    ),
    Operation(
        id="certificate.application.batch.list",
        summary=Text("查找申请批次", "Find batches of applications"),
        method="GET",
        path="/certificates/application-batches",
        request=m.ListRequest,
        response=m.BatchPage,
        handler=page,
        roles=_READERS,
        duty=Duty.READ,
        quota_free=True,
        example={"waiting": True},
    ),
    Operation(
        id="certificate.application.batch.export",
        summary=Text("导出申请批次", "Export batches of applications"),
        method="GET",
        path="/certificates/application-batches/export",
        request=m.ExportRequest,
        response=Download,
        handler=exporting(page, m.ListRequest, _BATCHES, name="application-batches"),
        roles=_READERS,
        duty=Duty.READ,
        quota_free=True,
        reply="stream",
        example={"format": "csv"},
    ),
    Operation(
        id="certificate.application.batch.get",
        summary=Text("查看申请批次", "Look at a batch of applications"),
        method="GET",
        path="/certificates/application-batches/{batch}",
        request=m.BatchRequest,
        response=m.BatchView,
        handler=get,
        roles=_READERS,
        duty=Duty.READ,
        quota_free=True,
        example={"batch": _ID},
        **_ONE,
    ),
    Operation(
        id="certificate.application.batch.results",
        summary=Text("下载一批申请的结果与证书", "Download what became of a batch, with its certificates"),
        method="GET",
        path="/certificates/application-batches/{batch}/results",
        request=m.ResultsRequest,
        response=Download,
        handler=results,
        roles=_APPLICANTS,
        duty=Duty.READ,
        quota_free=True,
        reply="stream",
        example={"batch": _ID, "format": "csv"},
        **_ONE,
    ),
)
