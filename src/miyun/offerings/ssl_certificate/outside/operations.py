"""Operations of orders at outside CAs."""

from __future__ import annotations

from miyun.core.i18n import Text
from miyun.core.operation import Duty, Meter, Operation, Reply, Role
from miyun.offerings.ssl_certificate.messages import Page
from miyun.offerings.ssl_certificate.outside import messages as m
from miyun.offerings.ssl_certificate.outside.service import Outside
from miyun.offerings.ssl_certificate.service import part

ORDERS = Meter("ssl_certificate.orders", Text("单", "orders"))

_READERS = frozenset(
    {
        Role.TENANT_SYSTEM,
        Role.TENANT_SECURITY,
        Role.TENANT_AUDIT,
        Role.TENANT_DEVELOPER,
        Role.SUPPLIER_STAFF,
        Role.APPLICATION,
    }
)
_WRITERS = frozenset({Role.TENANT_SYSTEM, Role.APPLICATION, Role.SYSTEM})
_PEM = "-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n"
_CSR = "-----BEGIN CERTIFICATE REQUEST-----\n…\n-----END CERTIFICATE REQUEST-----\n"

OUTSIDE_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="ssl_certificate.ca.list",
        summary=Text("列出可用的外部 CA", "List the outside CAs that can be ordered from by ACME"),
        method="GET",
        path="/ssl_certificate/cas",
        request=Page,
        response=m.CaList,
        handler=part("outside", Outside.list_cas),
        roles=_READERS,
        duty=Duty.READ,
        example={},
        quota_free=True,
    ),
    Operation(
        id="ssl_certificate.ca.open_account",
        summary=Text("在外部 CA 开立 ACME 账号", "Open an ACME account at an outside CA"),
        description=Text(
            "账号密钥由密钥管理服务生成并保管；外部账号密钥（EAB）只用一次，不保存。",
            "The account's key is made and kept by key management; an external account key (EAB) is used once.",
        ),
        method="POST",
        path="/ssl_certificate/cas/{ca}/account",
        request=m.OpenAccount,
        response=m.CaView,
        handler=part("outside", Outside.open_account),
        roles=frozenset({Role.TENANT_SYSTEM, Role.SYSTEM}),
        duty=Duty.POLICY,
        example={"ca": "letsencrypt", "contact": ["ssl@example.gov.cn"]},
    ),
    Operation(
        id="ssl_certificate.order.create",
        summary=Text("向外部 CA 订购证书", "Order a certificate from an outside CA"),
        description=Text(
            "密钥留在生成它的地方，只交证书请求。way=acme 自动办理；way=paper 由人提交请求并上传证书（OV、EV、国密）。",
            "The key stays where it was made; only the request comes. way=acme runs by itself; with way=paper people "
            "hand in the request and upload the certificate (OV, EV, SM2).",
        ),
        method="POST",
        path="/ssl_certificate/orders",
        request=m.CreateOrder,
        response=m.OrderView,
        handler=part("outside", Outside.create),
        roles=_WRITERS,
        duty=Duty.USE,
        example={"csr": _CSR, "ca": "CFCA", "way": "paper", "level": "ov"},
        meter=ORDERS,
        idempotent=True,
    ),
    Operation(
        id="ssl_certificate.order.list",
        summary=Text("列出外部证书订单", "List orders at outside CAs"),
        method="GET",
        path="/ssl_certificate/orders",
        request=m.ListOrders,
        response=m.OrderList,
        handler=part("outside", Outside.list),
        roles=_READERS,
        duty=Duty.READ,
        example={},
        quota_free=True,
    ),
    Operation(
        id="ssl_certificate.order.get",
        summary=Text("查看外部证书订单与证书", "See an order at an outside CA, with its certificate"),
        method="GET",
        path="/ssl_certificate/orders/{order}",
        request=m.OrderRef,
        response=m.OrderDetail,
        handler=part("outside", Outside.get),
        roles=_READERS,
        duty=Duty.READ,
        example={"order": "ord_…"},
        tenant_fields=("order",),
        quota_free=True,
    ),
    Operation(
        id="ssl_certificate.order.submit",
        summary=Text("记录请求已交给 CA", "Record that the request went to the CA"),
        method="POST",
        path="/ssl_certificate/orders/{order}/submit",
        request=m.SubmitOrder,
        response=m.OrderView,
        handler=part("outside", Outside.submit),
        roles=frozenset({Role.TENANT_SYSTEM}),
        duty=Duty.OPERATE,
        example={"order": "ord_…", "reference": "2026-0001"},
        tenant_fields=("order",),
    ),
    Operation(
        id="ssl_certificate.order.upload",
        summary=Text("上传 CA 签发的证书", "Upload the certificate that the CA issued"),
        method="POST",
        path="/ssl_certificate/orders/{order}/upload",
        request=m.UploadOrder,
        response=m.OrderView,
        handler=part("outside", Outside.upload),
        roles=frozenset({Role.TENANT_SYSTEM}),
        duty=Duty.OPERATE,
        example={"order": "ord_…", "certificates": _PEM},
        tenant_fields=("order",),
    ),
    Operation(
        id="ssl_certificate.order.deployed",
        summary=Text("记录证书已部署", "Record where the certificate was deployed"),
        method="POST",
        path="/ssl_certificate/orders/{order}/deployed",
        request=m.DeployedOrder,
        response=m.OrderView,
        handler=part("outside", Outside.deployed),
        roles=_WRITERS,
        duty=Duty.OPERATE,
        example={"order": "ord_…", "place": "www-1"},
        tenant_fields=("order",),
        quota_free=True,
    ),
    Operation(
        id="ssl_certificate.order.cancel",
        summary=Text("取消外部证书订单", "Cancel an order at an outside CA"),
        method="POST",
        path="/ssl_certificate/orders/{order}/cancel",
        request=m.OrderRef,
        response=m.OrderView,
        handler=part("outside", Outside.cancel),
        roles=_WRITERS,
        duty=Duty.OPERATE,
        example={"order": "ord_…"},
        tenant_fields=("order",),
        quota_free=True,
    ),
    Operation(
        id="ssl_certificate.order.response",
        summary=Text("名称控制权的应答（http-01）", "What proves a name to an outside CA (http-01)"),
        method="GET",
        path="/ssl_certificate/responses/{token}",
        request=m.ResponseRef,
        response=Reply,
        handler=part("outside", Outside.response),
        roles=frozenset({Role.PUBLIC}),
        duty=Duty.READ,
        scope="public",
        reply="raw",
        example={"token": "AAAA"},
    ),
)
