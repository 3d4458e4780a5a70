"""Operations on USB keys."""

from __future__ import annotations

from typing import Any, Final

from miyun.core.i18n import Text
from miyun.core.listing import exporting
from miyun.core.operation import Call, Download, Duty, Meter, Operation, Role
from miyun.offerings.usbkey import columns
from miyun.offerings.usbkey import messages as m
from miyun.offerings.usbkey.service import UsbKeyService as S

_OPERATORS: Final = frozenset({Role.TENANT_SYSTEM, Role.TENANT_SECURITY, Role.SYSTEM})
_KEEPERS: Final = frozenset({Role.TENANT_SECURITY, Role.SYSTEM})
_DECIDERS: Final = frozenset({Role.TENANT_SYSTEM, Role.TENANT_SECURITY})
_READERS: Final = _OPERATORS | {Role.TENANT_AUDIT}
_ID: Final = "usb_06f3k2v8q0d4t6w8y0a2c4e6g8"
_ASKED: Final = "uka_06f3k2v8q0d4t6w8y0a2c4e6g8"
_ONE: Final[dict[str, Any]] = {"tenant_fields": ("usbkey",)}
_DECISION: Final[dict[str, Any]] = {"tenant_fields": ("approval",)}
KEYS: Final = Meter("usbkey.personalised", Text("把", "keys"))


async def ask(service: S, call: Call, request: m.AskRequest) -> m.ApprovalView:
    return await service.approvals.ask(call, request)


async def approve(service: S, call: Call, request: m.ApprovalRequest) -> m.ApprovalView:
    return await service.approvals.approve(call, request)


async def reject(service: S, call: Call, request: m.RejectRequest) -> m.ApprovalView:
    return await service.approvals.reject(call, request)


async def collect(service: S, call: Call, request: m.ApprovalRequest) -> m.CollectAnswer:
    return await service.approvals.collect(call, request)


async def requests(service: S, call: Call, request: m.ApprovalListRequest) -> m.ApprovalPage:
    return await service.approvals.page(call, request)


async def certify(service: S, call: Call, request: m.CertifyRequest) -> m.FiledAnswer:
    call.units = 0  # a key is counted when its certificates are fetched
    return await service.certification.certify(call, request)


async def renew(service: S, call: Call, request: m.KeyRequest) -> m.FiledAnswer:
    call.units = 0
    return await service.certification.renew(call, request)


async def fetch(service: S, call: Call, request: m.KeyRequest) -> m.CertificatesAnswer:
    return await service.certification.fetch(call, request)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="usbkey.key.register",
        summary=Text("批量入库", "Register keys in stock"),
        method="POST",
        path="/usbkeys",
        request=m.RegisterRequest,
        response=m.BatchAnswer,
        handler=S.register,
        roles=_OPERATORS,
        duty=Duty.OPERATE,
        idempotent=True,
        example={"items": [{"serial": "T0001", "label": "一号钥匙", "maker": "Miyun", "model": "software"}]},
    ),
    Operation(
        id="usbkey.key.list",
        summary=Text("查找钥匙", "Find keys"),
        method="GET",
        path="/usbkeys",
        request=m.ListRequest,
        response=m.KeyPage,
        handler=S.page,
        roles=_READERS,
        duty=Duty.READ,
        quota_free=True,
        example={"state": "issued", "expiring_days": 30},
    ),
    Operation(
        id="usbkey.key.export",
        summary=Text("导出钥匙台账", "Export the register of keys"),
        method="GET",
        path="/usbkeys/export",
        request=m.ExportRequest,
        response=Download,
        handler=exporting(S.page, m.ListRequest, columns.KEYS, name="usbkeys"),
        roles=_READERS,
        duty=Duty.READ,
        quota_free=True,
        reply="stream",
        example={"format": "csv"},
    ),
    Operation(
        id="usbkey.key.batch",
        summary=Text("批量挂失或收回", "Report many keys lost, or take them back"),
        method="POST",
        path="/usbkeys/batch",
        request=m.BatchRequest,
        response=m.BatchAnswer,
        handler=S.batch,
        roles=_OPERATORS,
        duty=Duty.OPERATE,
        quota_free=True,
        idempotent=True,
        example={"action": "take_back", "usbkeys": [_ID], "note": "人员离任"},
    ),
    Operation(
        id="usbkey.key.get",
        summary=Text("查看钥匙及其历程", "Look at a key and its life"),
        method="GET",
        path="/usbkeys/{usbkey}",
        request=m.KeyRequest,
        response=m.KeyDetail,
        handler=S.get,
        roles=_READERS,
        duty=Duty.READ,
        quota_free=True,
        example={"usbkey": _ID},
        **_ONE,
    ),
    Operation(
        id="usbkey.key.affected",
        summary=Text("遗失影响面：证书、账号、会话", "Who is affected: certificates, accounts, sessions"),
        method="GET",
        path="/usbkeys/{usbkey}/affected",
        request=m.KeyRequest,
        response=m.AffectedAnswer,
        handler=S.affected,
        roles=_READERS,
        duty=Duty.READ,
        quota_free=True,
        example={"usbkey": _ID},
        **_ONE,
    ),
    Operation(
        id="usbkey.key.initialise",
        summary=Text("初始化（取管理员 PIN 与设备认证密钥）", "Initialise: its administrator's PIN and device key"),
        description=Text(
            "供操作员的程序写入钥匙（miyun usbkey personalise）；此前的管理员 PIN 作废。",
            "For the operator's program to write into the key (miyun usbkey personalise).",
        ),
        method="POST",
        path="/usbkeys/{usbkey}/initialise",
        request=m.KeyRequest,
        response=m.InitialiseAnswer,
        handler=S.initialise,
        roles=_KEEPERS,
        duty=Duty.KEYS,
        secret_response=True,
        example={"usbkey": _ID},
        **_ONE,
    ),
    Operation(
        id="usbkey.key.certify",
        summary=Text("为钥匙申请双证书", "Apply for the pair of certificates of a key"),
        description=Text(
            "由另一名安全管理员审核（certificate.application.approve）；模板无须审核的即时签发，并标明仅经一人。",
            "Another security administrator reviews it (certificate.application.approve). Where the template asks for"
            " no review it is issued at once, and said to be one person's doing.",
        ),
        method="POST",
        path="/usbkeys/{usbkey}/certificates",
        request=m.CertifyRequest,
        response=m.FiledAnswer,
        handler=certify,
        roles=_KEEPERS,
        duty=Duty.KEYS,
        meter=KEYS,
        example={
            "usbkey": _ID,
            "public_key": "BAnzHc4RNlVvIVK2zJzDxW3rOpYFWpVbkAhDGv0RWSxsEMs3Vy8VwC9vEAkqZBeVDAkc9IkPMl7ZxYMXm4xVhXM=",
            "proof": "MEUCIQDx",
            "subject": {"CN": "张三", "O": "某单位"},
        },
        **_ONE,
    ),
    Operation(
        id="usbkey.key.renew",
        summary=Text("为钥匙申请更新证书（密钥不变）", "Apply to renew a key's certificates, keeping its keys"),
        method="POST",
        path="/usbkeys/{usbkey}/renewal",
        request=m.KeyRequest,
        response=m.FiledAnswer,
        handler=renew,
        roles=_KEEPERS,
        duty=Duty.KEYS,
        meter=KEYS,
        idempotent=True,
        example={"usbkey": _ID},
        **_ONE,
    ),
    Operation(
        id="usbkey.key.fetch",
        summary=Text("取已签发的证书以写入钥匙", "Fetch a key's certificates, once they are issued"),
        description=Text(
            "写入之前可重复；此前的证书随即吊销。",
            "Can be repeated until they are written; earlier ones are revoked.",
        ),
        method="POST",
        path="/usbkeys/{usbkey}/certificates/fetch",
        request=m.KeyRequest,
        response=m.CertificatesAnswer,
        handler=fetch,
        roles=_KEEPERS,
        duty=Duty.KEYS,
        meter=KEYS,
        example={"usbkey": _ID},
        **_ONE,
    ),
    Operation(
        id="usbkey.key.personalise",
        summary=Text("确认证书已写入", "Say that the certificates are written"),
        method="POST",
        path="/usbkeys/{usbkey}/personalise",
        request=m.NotedRequest,
        response=m.KeyView,
        handler=S.personalise,
        roles=_OPERATORS,
        duty=Duty.OPERATE,
        idempotent=True,
        example={"usbkey": _ID},
        **_ONE,
    ),
    Operation(
        id="usbkey.key.hand_out",
        summary=Text("发放", "Hand out"),
        method="POST",
        path="/usbkeys/{usbkey}/hand-out",
        request=m.HandOutRequest,
        response=m.KeyView,
        handler=S.hand_out,
        roles=_OPERATORS,
        duty=Duty.OPERATE,
        idempotent=True,
        example={"usbkey": _ID, "holder": "张三"},
        **_ONE,
    ),
    Operation(
        id="usbkey.key.lose",
        summary=Text("挂失（吊销其证书）", "Report lost: its certificates are revoked"),
        method="POST",
        path="/usbkeys/{usbkey}/lost",
        request=m.NotedRequest,
        response=m.KeyView,
        handler=S.lose,
        roles=_OPERATORS,
        duty=Duty.OPERATE,
        quota_free=True,
        idempotent=True,
        example={"usbkey": _ID, "note": "电话挂失"},
        **_ONE,
    ),
    Operation(
        id="usbkey.key.take_back",
        summary=Text("收回（吊销其证书）", "Take back: its certificates are revoked"),
        method="POST",
        path="/usbkeys/{usbkey}/returned",
        request=m.NotedRequest,
        response=m.KeyView,
        handler=S.take_back,
        roles=_OPERATORS,
        duty=Duty.OPERATE,
        quota_free=True,
        idempotent=True,
        example={"usbkey": _ID},
        **_ONE,
    ),
    Operation(
        id="usbkey.approval.ask",
        summary=Text("提出解锁或报废", "Ask to unlock or scrap a key"),
        method="POST",
        path="/usbkeys/{usbkey}/approvals",
        request=m.AskRequest,
        response=m.ApprovalView,
        handler=ask,
        roles=_DECIDERS,
        duty=Duty.OPERATE,
        quota_free=True,
        idempotent=True,
        example={"usbkey": _ID, "kind": "unlock", "reason": "用户忘记 PIN"},
        **_ONE,
    ),
    Operation(
        id="usbkey.approval.list",
        summary=Text("查看待批事项", "Look at what is to be decided"),
        method="GET",
        path="/usbkey-approvals",
        request=m.ApprovalListRequest,
        response=m.ApprovalPage,
        handler=requests,
        roles=_READERS,
        duty=Duty.READ,
        quota_free=True,
        example={"state": "pending"},
    ),
    Operation(
        id="usbkey.approval.export",
        summary=Text("导出解锁与报废审批", "Export what was asked and decided"),
        method="GET",
        path="/usbkey-approvals/export",
        request=m.ApprovalExportRequest,
        response=Download,
        handler=exporting(requests, m.ApprovalListRequest, columns.APPROVALS, name="usbkey-approvals"),
        roles=_READERS,
        duty=Duty.READ,
        quota_free=True,
        reply="stream",
        example={"format": "csv"},
    ),
    Operation(
        id="usbkey.approval.approve",
        summary=Text("批准", "Approve"),
        description=Text("提出者本人不可批准。", "Nobody approves what they asked for."),
        method="POST",
        path="/usbkey-approvals/{approval}/approve",
        request=m.ApprovalRequest,
        response=m.ApprovalView,
        handler=approve,
        roles=_DECIDERS,
        duty=Duty.OPERATE,
        step_up=True,
        quota_free=True,
        idempotent=True,
        example={"approval": _ASKED},
        **_DECISION,
    ),
    Operation(
        id="usbkey.approval.reject",
        summary=Text("驳回", "Reject"),
        method="POST",
        path="/usbkey-approvals/{approval}/reject",
        request=m.RejectRequest,
        response=m.ApprovalView,
        handler=reject,
        roles=_DECIDERS,
        duty=Duty.OPERATE,
        quota_free=True,
        idempotent=True,
        example={"approval": _ASKED, "note": "未核实身份"},
        **_DECISION,
    ),
    Operation(
        id="usbkey.approval.collect",
        step_up=True,
        summary=Text("领取解锁应答（仅提出者，一次）", "Collect the answer that unlocks: by whoever asked, once"),
        method="POST",
        path="/usbkey-approvals/{approval}/collect",
        request=m.ApprovalRequest,
        response=m.CollectAnswer,
        handler=collect,
        roles=_DECIDERS,
        duty=Duty.OPERATE,
        quota_free=True,
        secret_response=True,
        example={"approval": _ASKED},
        **_DECISION,
    ),
    Operation(
        id="usbkey.compatibility.report",
        summary=Text("登记兼容性结果", "Report how a maker's key works"),
        method="POST",
        path="/usbkey-compatibility",
        request=m.FindingRequest,
        response=m.FindingView,
        handler=S.report,
        roles=_OPERATORS,
        duty=Duty.OPERATE,
        idempotent=True,
        example={"maker": "某厂商", "model": "K3", "system": "麒麟 V10", "library": "libskf 2.1", "works": True},
    ),
    Operation(
        id="usbkey.compatibility.list",
        summary=Text("兼容性矩阵", "The compatibility matrix"),
        method="GET",
        path="/usbkey-compatibility",
        request=m.FindingListRequest,
        response=m.FindingPage,
        handler=S.findings,
        roles=_READERS,
        duty=Duty.READ,
        quota_free=True,
        example={},
    ),
    Operation(
        id="usbkey.compatibility.export",
        summary=Text("导出兼容性矩阵", "Export the compatibility matrix"),
        method="GET",
        path="/usbkey-compatibility/export",
        request=m.FindingExportRequest,
        response=Download,
        handler=exporting(S.findings, m.FindingListRequest, columns.FINDINGS, name="usbkey-compatibility"),
        roles=_READERS,
        duty=Duty.READ,
        quota_free=True,
        reply="stream",
        example={"format": "csv"},
    ),
)
