"""Operations of the SSL certificate room."""

from __future__ import annotations

from miyun.core.i18n import Text
from miyun.core.operation import Duty, Operation, Role
from miyun.offerings.ssl_certificate import messages as m
from miyun.offerings.ssl_certificate.acme.account.service import Accounts
from miyun.offerings.ssl_certificate.acme.operations import CERTIFICATES, PROTOCOL_OPERATIONS
from miyun.offerings.ssl_certificate.acme.order.service import Orders
from miyun.offerings.ssl_certificate.endpoint.operations import ENDPOINT_OPERATIONS
from miyun.offerings.ssl_certificate.exports import EXPORTS
from miyun.offerings.ssl_certificate.outside.operations import ORDERS, OUTSIDE_OPERATIONS
from miyun.offerings.ssl_certificate.service import part

__all__ = ["METERS", "OPERATIONS"]

_READERS = frozenset(
    {Role.TENANT_SYSTEM, Role.TENANT_SECURITY, Role.TENANT_AUDIT, Role.TENANT_DEVELOPER, Role.SUPPLIER_STAFF}
)

_KEYS: tuple[Operation, ...] = (
    Operation(
        id="ssl_certificate.external_key.create",
        summary=Text("签发 ACME 外部账号密钥（EAB）", "Issue an external account key (EAB) for ACME"),
        description=Text(
            "应用的 ACME 客户端（如 certbot）凭它注册账号；MAC 密钥只显示一次。",
            "With it an application's ACME client (certbot, for example) opens its account; the MAC key is shown once.",
        ),
        method="POST",
        path="/ssl_certificate/external-keys",
        request=m.CreateExternalKey,
        response=m.ExternalKeyMade,
        handler=part("acme.accounts", Accounts.create_key),
        roles=frozenset({Role.TENANT_SYSTEM, Role.SYSTEM}),
        duty=Duty.POLICY,
        example={"application": "app_…", "name": "网站一"},
        tenant_fields=("application",),
        idempotent=True,
        secret_response=True,
    ),
    Operation(
        id="ssl_certificate.external_key.list",
        summary=Text("列出 ACME 外部账号密钥", "List external account keys of ACME"),
        method="GET",
        path="/ssl_certificate/external-keys",
        request=m.Sorted,
        response=m.ExternalKeyList,
        handler=part("acme.accounts", Accounts.list_keys),
        roles=_READERS,
        duty=Duty.READ,
        example={},
        quota_free=True,
    ),
    Operation(
        id="ssl_certificate.external_key.revoke",
        summary=Text("吊销 ACME 外部账号密钥及其账号", "Revoke an external account key with its ACME accounts"),
        method="DELETE",
        path="/ssl_certificate/external-keys/{external_key}",
        request=m.ExternalKeyRef,
        response=m.ExternalKeyView,
        handler=part("acme.accounts", Accounts.revoke_key),
        roles=frozenset({Role.TENANT_SYSTEM, Role.TENANT_SECURITY}),
        duty=Duty.POLICY,
        example={"external_key": "eab_…"},
        tenant_fields=("external_key",),
        quota_free=True,
        step_up=True,
    ),
    Operation(
        id="ssl_certificate.account.list",
        summary=Text("列出 ACME 账号", "List ACME accounts"),
        method="GET",
        path="/ssl_certificate/accounts",
        request=m.Sorted,
        response=m.AccountList,
        handler=part("acme.accounts", Accounts.list_accounts),
        roles=_READERS,
        duty=Duty.READ,
        example={},
        quota_free=True,
    ),
    Operation(
        id="ssl_certificate.account.end",
        summary=Text("停用 ACME 账号", "End an ACME account"),
        method="DELETE",
        path="/ssl_certificate/accounts/{acme_account}",
        request=m.AccountRef,
        response=m.AccountView,
        handler=part("acme.accounts", Accounts.end_account),
        roles=frozenset({Role.TENANT_SYSTEM, Role.TENANT_SECURITY}),
        duty=Duty.POLICY,
        example={"acme_account": "acct_…"},
        tenant_fields=("acme_account",),
        quota_free=True,
    ),
    Operation(
        id="ssl_certificate.account.orders",
        summary=Text("列出 ACME 订单", "List ACME orders"),
        method="GET",
        path="/ssl_certificate/acme-orders",
        request=m.Sorted,
        response=m.AcmeOrderList,
        handler=part("acme.orders", Orders.list_all),
        roles=_READERS,
        duty=Duty.READ,
        example={},
        quota_free=True,
    ),
    Operation(
        id="ssl_certificate.account.authorizations",
        summary=Text("列出 ACME 域名验证", "List ACME authorizations"),
        method="GET",
        path="/ssl_certificate/acme-authorizations",
        request=m.Sorted,
        response=m.AuthorizationList,
        handler=part("acme.orders", Orders.list_authorizations),
        roles=_READERS,
        duty=Duty.READ,
        example={},
        quota_free=True,
    ),
)

OPERATIONS: tuple[Operation, ...] = (*_KEYS, *PROTOCOL_OPERATIONS, *OUTSIDE_OPERATIONS, *ENDPOINT_OPERATIONS, *EXPORTS)
METERS = (CERTIFICATES, ORDERS)
