"""What lists of applications and of what they were given have as files."""

from __future__ import annotations

from typing import Final

from miyun.core.i18n import Text
from miyun.core.listing import Column
from miyun.core.tenancy import messages as m

_APPLICATION: Final = Text("应用", "Application")
_STATE: Final = Text("状态", "State")
_CREATED: Final = Text("签发时间", "Issued")
_EXPIRES: Final = Text("有效期至", "Valid until")
_REVOKED: Final = Text("吊销时间", "Revoked")
_USED: Final = Text("最近使用", "Last used")

APPLICATIONS: Final[tuple[Column[m.ApplicationView], ...]] = (
    Column("name", Text("名称", "Name"), lambda item: item.name),
    Column("state", _STATE, lambda item: item.state),
    Column("created_at", Text("登记时间", "Registered"), lambda item: item.created_at),
    Column("application", Text("编号", "Identifier"), lambda item: item.application),
)
BINDINGS: Final[tuple[Column[m.BindingView], ...]] = (
    Column("application", _APPLICATION, lambda item: item.application),
    Column("offering", Text("服务", "Service"), lambda item: item.offering),
    Column("instance", Text("实例", "Instance"), lambda item: item.instance),
    Column("created_at", Text("接入时间", "Bound"), lambda item: item.created_at),
    Column("binding", Text("编号", "Identifier"), lambda item: item.binding),
)
ACCESS_KEYS: Final[tuple[Column[m.AccessKeyView], ...]] = (
    Column("access_key", Text("访问密钥", "Access key"), lambda item: item.access_key),
    Column("application", _APPLICATION, lambda item: item.application),
    Column("state", _STATE, lambda item: item.state),
    Column("created_at", _CREATED, lambda item: item.created_at),
    Column("expires_at", _EXPIRES, lambda item: item.expires_at),
    Column("revoked_at", _REVOKED, lambda item: item.revoked_at),
    Column("used_at", _USED, lambda item: item.used_at),
)
CREDENTIALS: Final[tuple[Column[m.CredentialView], ...]] = (
    Column("username", Text("用户名", "User name"), lambda item: item.username),
    Column("application", _APPLICATION, lambda item: item.application),
    Column("binding", Text("接入", "Binding"), lambda item: item.binding),
    Column("operations", Text("可调用", "May call"), lambda item: item.operations),
    Column("state", _STATE, lambda item: item.state),
    Column("created_at", _CREATED, lambda item: item.created_at),
    Column("expires_at", _EXPIRES, lambda item: item.expires_at),
    Column("revoked_at", _REVOKED, lambda item: item.revoked_at),
    Column("used_at", _USED, lambda item: item.used_at),
)
GRANTS: Final[tuple[Column[m.GrantView], ...]] = (
    Column("staff", Text("乙方人员", "Supplier's person"), lambda item: item.staff),
    Column("purpose", Text("用途", "Purpose"), lambda item: item.purpose),
    Column("starts_at", Text("自", "From"), lambda item: item.starts_at),
    Column("ends_at", Text("至", "Until"), lambda item: item.ends_at),
    Column("revoked_at", Text("撤销时间", "Withdrawn"), lambda item: item.revoked_at),
    Column("created_by", Text("授权人", "Authorised by"), lambda item: item.created_by),
    Column("created_at", Text("授权时间", "Authorised at"), lambda item: item.created_at),
    Column("grant", Text("编号", "Identifier"), lambda item: item.grant),
)
