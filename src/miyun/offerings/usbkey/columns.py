"""What the room's lists are as files."""

from __future__ import annotations

from typing import Final

from miyun.core.i18n import Text
from miyun.core.listing import Column
from miyun.offerings.usbkey import messages as m

KEYS: Final[tuple[Column[m.KeyView], ...]] = (
    Column("usbkey", Text("编号", "Id"), lambda item: item.usbkey),
    Column("serial", Text("序列号", "Serial"), lambda item: item.serial),
    Column("label", Text("标签", "Label"), lambda item: item.label),
    Column("maker", Text("厂商", "Maker"), lambda item: item.maker),
    Column("model", Text("型号", "Model"), lambda item: item.model),
    Column("state", Text("状态", "State"), lambda item: item.state),
    Column("holder", Text("持有人", "Holder"), lambda item: item.holder),
    Column("subject", Text("证书主体", "Subject"), lambda item: item.subject),
    Column("certificate", Text("签名证书", "Signing certificate"), lambda item: item.certificate),
    Column("expires_at", Text("证书到期", "Ends"), lambda item: item.expires_at),
    Column("registered_at", Text("入库时间", "Registered"), lambda item: item.registered_at),
    Column("changed_at", Text("状态时间", "Changed"), lambda item: item.changed_at),
)
APPROVALS: Final[tuple[Column[m.ApprovalView], ...]] = (
    Column("approval", Text("编号", "Id"), lambda item: item.approval),
    Column("usbkey", Text("钥匙", "Key"), lambda item: item.usbkey),
    Column("kind", Text("事项", "What"), lambda item: item.kind),
    Column("state", Text("状态", "State"), lambda item: item.state),
    Column("remote", Text("远程", "From afar"), lambda item: item.remote),
    Column("reason", Text("原因", "Why"), lambda item: item.reason),
    Column("asked_by", Text("提出人", "Asked by"), lambda item: item.asked_by),
    Column("asked_at", Text("提出时间", "Asked"), lambda item: item.asked_at),
    Column("decided_by", Text("审批人", "Decided by"), lambda item: item.decided_by),
    Column("decided_at", Text("审批时间", "Decided"), lambda item: item.decided_at),
    Column("note", Text("说明", "Note"), lambda item: item.note),
)
FINDINGS: Final[tuple[Column[m.FindingView], ...]] = (
    Column("maker", Text("厂商", "Maker"), lambda item: item.maker),
    Column("model", Text("型号", "Model"), lambda item: item.model),
    Column("system", Text("系统", "System"), lambda item: item.system),
    Column("library", Text("库", "Library"), lambda item: item.library),
    Column("works", Text("可用", "Works"), lambda item: item.works),
    Column("note", Text("说明", "Note"), lambda item: item.note),
    Column("at", Text("时间", "When"), lambda item: item.at),
)
