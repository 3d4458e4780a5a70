"""The room's lists as files."""

from __future__ import annotations

from typing import Any, Final

from miyun.core.i18n import Text
from miyun.core.listing import Column, exporting
from miyun.core.operation import Download, Duty, Operation, Role
from miyun.offerings.ssl_certificate import messages as m
from miyun.offerings.ssl_certificate.acme.account.service import Accounts
from miyun.offerings.ssl_certificate.acme.order.service import Orders
from miyun.offerings.ssl_certificate.outside.messages import ExportOrders, ListOrders, OrderView
from miyun.offerings.ssl_certificate.outside.service import Outside
from miyun.offerings.ssl_certificate.service import Method, part

_READERS: Final = frozenset(
    {Role.TENANT_SYSTEM, Role.TENANT_SECURITY, Role.TENANT_AUDIT, Role.TENANT_DEVELOPER, Role.SUPPLIER_STAFF}
)
_KEYS: Final[tuple[Column[m.ExternalKeyView], ...]] = (
    Column("external_key", Text("编号", "Identifier"), lambda item: item.external_key),
    Column("name", Text("名称", "Name"), lambda item: item.name),
    Column("application", Text("应用", "Application"), lambda item: item.application),
    Column("created_at", Text("签发", "Issued"), lambda item: item.created_at),
    Column("expires_at", Text("到期", "Expires"), lambda item: item.expires_at),
    Column("revoked_at", Text("吊销", "Revoked"), lambda item: item.revoked_at),
)
_ACCOUNTS: Final[tuple[Column[m.AccountView], ...]] = (
    Column("account", Text("账号", "Account"), lambda item: item.account),
    Column("application", Text("应用", "Application"), lambda item: item.application),
    Column("external_key", Text("外部账号密钥", "External account key"), lambda item: item.external_key),
    Column("contact", Text("联系方式", "Contact"), lambda item: item.contact),
    Column("status", Text("状态", "State"), lambda item: item.status),
    Column("created_at", Text("注册", "Opened"), lambda item: item.created_at),
)
_ORDERS: Final[tuple[Column[m.AcmeOrderView], ...]] = (
    Column("order", Text("订单", "Order"), lambda item: item.order),
    Column("account", Text("账号", "Account"), lambda item: item.account),
    Column("names", Text("名称", "Names"), lambda item: item.names),
    Column("profile", Text("类型", "Profile"), lambda item: item.profile),
    Column("status", Text("状态", "State"), lambda item: item.status),
    Column("serial", Text("证书序列号", "Serial number"), lambda item: item.serial),
    Column("error", Text("失败原因", "Error"), lambda item: item.error),
    Column("created_at", Text("下单", "Ordered"), lambda item: item.created_at),
    Column("expires_at", Text("失效", "Expires"), lambda item: item.expires_at),
)
_AUTHORIZATIONS: Final[tuple[Column[m.AuthorizationView], ...]] = (
    Column("authorization", Text("验证", "Authorization"), lambda item: item.authorization),
    Column("account", Text("账号", "Account"), lambda item: item.account),
    Column("order", Text("订单", "Order"), lambda item: item.order),
    Column("name", Text("名称", "Name"), lambda item: item.name),
    Column("wildcard", Text("通配", "Wildcard"), lambda item: item.wildcard),
    Column("status", Text("状态", "State"), lambda item: item.status),
    Column("expires_at", Text("失效", "Expires"), lambda item: item.expires_at),
)
_OUTSIDE: Final[tuple[Column[OrderView], ...]] = (
    Column("order", Text("订单", "Order"), lambda item: item.order),
    Column("ca", Text("CA", "CA"), lambda item: item.ca),
    Column("way", Text("方式", "Way"), lambda item: item.way),
    Column("level", Text("级别", "Level"), lambda item: item.level),
    Column("names", Text("名称", "Names"), lambda item: item.names),
    Column("algorithm", Text("密钥算法", "Key algorithm"), lambda item: item.algorithm),
    Column("state", Text("状态", "State"), lambda item: item.state),
    Column("reference", Text("CA 编号", "The CA's number"), lambda item: item.reference),
    Column("serial", Text("证书序列号", "Serial number"), lambda item: item.serial),
    Column("not_after", Text("证书到期", "Certificate ends"), lambda item: item.not_after),
    Column("deployed_to", Text("部署于", "Deployed to"), lambda item: item.deployed_to),
    Column("rehearsal", Text("演练", "Rehearsal"), lambda item: item.rehearsal),
    Column("created_at", Text("下单", "Ordered"), lambda item: item.created_at),
)


def _export(name: str, path: str, summary: Text, handler: Method, request: Any = m.Export, **more: Any) -> Operation:
    return Operation(
        id=f"ssl_certificate.{name}",
        summary=summary,
        method="GET",
        path=f"/ssl_certificate/{path}",
        request=request,
        response=Download,
        handler=handler,
        duty=Duty.READ,
        reply="stream",
        quota_free=True,
        example={"format": "csv"},
        **{"roles": _READERS, **more},
    )


EXPORTS: Final = (
    _export(
        "external_key.export",
        "external-keys/export",
        Text("导出 ACME 外部账号密钥清单", "Export the list of external account keys"),
        exporting(part("acme.accounts", Accounts.list_keys), m.Sorted, _KEYS, name="external-keys"),
    ),
    _export(
        "account.export",
        "accounts/export",
        Text("导出 ACME 账号", "Export ACME accounts"),
        exporting(part("acme.accounts", Accounts.list_accounts), m.Sorted, _ACCOUNTS, name="acme-accounts"),
    ),
    _export(
        "account.orders_export",
        "acme-orders/export",
        Text("导出 ACME 订单", "Export ACME orders"),
        exporting(part("acme.orders", Orders.list_all), m.Sorted, _ORDERS, name="acme-orders"),
    ),
    _export(
        "account.authorizations_export",
        "acme-authorizations/export",
        Text("导出 ACME 域名验证", "Export ACME authorizations"),
        exporting(
            part("acme.orders", Orders.list_authorizations), m.Sorted, _AUTHORIZATIONS, name="acme-authorizations"
        ),
    ),
    _export(
        "order.export",
        "orders/export",
        Text("导出外部证书订单", "Export orders at outside CAs"),
        exporting(part("outside", Outside.list), ListOrders, _OUTSIDE, name="orders"),
        ExportOrders,
        roles=_READERS | {Role.APPLICATION},
    ),
)
