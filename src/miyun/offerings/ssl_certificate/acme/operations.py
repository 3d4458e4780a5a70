"""Operations of the ACME protocol: whoever calls them is an ACME account, told by its JWS (`protocol.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from miyun.core.i18n import Text
from miyun.core.operation import Duty, Meter, Operation, Reply, Role
from miyun.offerings.ssl_certificate import messages as m
from miyun.offerings.ssl_certificate.acme.account.service import Accounts
from miyun.offerings.ssl_certificate.acme.order.certificates import Certificates
from miyun.offerings.ssl_certificate.acme.order.service import Orders
from miyun.offerings.ssl_certificate.acme.server import AcmeServer
from miyun.offerings.ssl_certificate.service import Method, part
from miyun.wire.acme import JOSE_TYPE

CERTIFICATES = Meter("ssl_certificate.certificates", Text("张", "certificates"))

_MAX_BODY = 128 * 1024


def _public(
    name: str, summary: Text, path: str, request: type[Any], handler: Method, example: Mapping[str, Any]
) -> Operation:
    return Operation(
        id=f"ssl_certificate.acme.{name}",
        summary=summary,
        method="GET",
        path=f"/ssl_certificate/acme/{path}",
        request=request,
        response=Reply,
        handler=handler,
        roles=frozenset({Role.PUBLIC}),
        duty=Duty.READ,
        scope="public",
        reply="raw",
        example=example,
    )


def _signed(
    name: str,
    summary: Text,
    path: str,
    request: type[Any],
    handler: Method,
    *,
    example: Mapping[str, Any] = {},
    meter: Meter | None = None,
    recorded: bool = True,
    quota_free: bool = False,
) -> Operation:
    return Operation(
        id=f"ssl_certificate.acme.{name}",
        summary=summary,
        method="POST",
        path=f"/ssl_certificate/acme/{path}",
        request=request,
        response=Reply,
        handler=handler,
        roles=frozenset({Role.APPLICATION}),
        duty=Duty.USE,
        body="raw",
        reply="raw",
        content_types=(JOSE_TYPE,),
        max_body=_MAX_BODY,
        example=example,
        meter=meter,
        recorded=recorded,
        quota_free=quota_free,
    )


PROTOCOL_OPERATIONS: tuple[Operation, ...] = (
    _public(
        "directory",
        Text("ACME 目录", "The ACME directory"),
        "directory",
        m.Nothing,
        part("acme", AcmeServer.directory),
        {},
    ),
    _public(
        "nonce", Text("ACME 随机数", "A nonce for ACME"), "new-nonce", m.Nothing, part("acme", AcmeServer.nonce), {}
    ),
    _public(
        "renewal",
        Text("证书建议续期的时间", "When a certificate is best renewed (ARI)"),
        "renewal-info/{certificate}",
        m.AcmeRenewalRequest,
        part("acme.certificates", Certificates.renewal),
        {"certificate": "AAAA.AQ"},
    ),
    _signed(
        "account.create",
        Text("注册 ACME 账号", "Open an ACME account"),
        "new-account",
        m.AcmeRequest,
        part("acme.accounts", Accounts.create),
    ),
    _signed(
        "account.change",
        Text("查看、更改或停用 ACME 账号", "See, change or deactivate an ACME account"),
        "account/{account}",
        m.AcmeAccountRequest,
        part("acme.accounts", Accounts.change),
        example={"account": "acct_…"},
        quota_free=True,
    ),
    _signed(
        "account.orders",
        Text("ACME 账号的订单", "Orders of an ACME account"),
        "account/{account}/orders",
        m.AcmeOrdersRequest,
        part("acme.accounts", Accounts.list_orders),
        example={"account": "acct_…"},
        recorded=False,
        quota_free=True,
    ),
    _signed(
        "key.change",
        Text("更换 ACME 账号密钥", "Change the key of an ACME account"),
        "key-change",
        m.AcmeRequest,
        part("acme.accounts", Accounts.change_key),
    ),
    _signed(
        "order.create",
        Text("ACME 下单", "Order a certificate by ACME"),
        "new-order",
        m.AcmeRequest,
        part("acme.orders", Orders.create),
    ),
    _signed(
        "order.view",
        Text("查看 ACME 订单", "See an ACME order"),
        "order/{order}",
        m.AcmeOrderRequest,
        part("acme.orders", Orders.view),
        example={"order": "aord_…"},
        recorded=False,
        quota_free=True,
    ),
    _signed(
        "order.finalize",
        Text("ACME 订单签发证书", "Have the certificate of an ACME order issued"),
        "order/{order}/finalize",
        m.AcmeOrderRequest,
        part("acme.orders", Orders.finalize),
        example={"order": "aord_…"},
        meter=CERTIFICATES,
    ),
    _signed(
        "authorization",
        Text("查看或放弃 ACME 授权", "See or give up an ACME authorization"),
        "authz/{authorization}",
        m.AcmeAuthorizationRequest,
        part("acme.orders", Orders.authorization),
        example={"authorization": "authz_…"},
        quota_free=True,
    ),
    _signed(
        "challenge",
        Text("响应 ACME 质询", "Answer an ACME challenge"),
        "challenge/{challenge}",
        m.AcmeChallengeRequest,
        part("acme.orders", Orders.challenge),
        example={"challenge": "chall_…"},
    ),
    _signed(
        "certificate",
        Text("下载 ACME 证书", "Download a certificate by ACME"),
        "certificate/{order}",
        m.AcmeCertificateRequest,
        part("acme.certificates", Certificates.fetch),
        example={"order": "aord_…"},
        quota_free=True,
    ),
    _signed(
        "certificate.revoke",
        Text("以 ACME 吊销证书", "Revoke a certificate by ACME"),
        "revoke-cert",
        m.AcmeRequest,
        part("acme.certificates", Certificates.revoke),
        quota_free=True,
    ),
)
