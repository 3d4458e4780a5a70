"""Operations of the inventory of endpoints."""

from __future__ import annotations

from miyun.core.i18n import Text
from miyun.core.operation import Download, Duty, Operation, Role
from miyun.offerings.ssl_certificate.endpoint import messages as m
from miyun.offerings.ssl_certificate.endpoint.service import Endpoints
from miyun.offerings.ssl_certificate.outside.messages import OrderView
from miyun.offerings.ssl_certificate.outside.operations import ORDERS
from miyun.offerings.ssl_certificate.service import part

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
_WRITERS = frozenset({Role.TENANT_SYSTEM, Role.TENANT_DEVELOPER})

ENDPOINT_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="ssl_certificate.endpoint.add",
        summary=Text("登记要监测的端点", "Watch an endpoint"),
        description=Text(
            "每 6 小时握手检查一次：证书链、名称、期限、协议；到期前 30、14、7、1 天告警。",
            "A handshake every 6 hours: chain, names, term, protocol; alarms 30, 14, 7 and 1 days before the end.",
        ),
        method="POST",
        path="/ssl_certificate/endpoints",
        request=m.AddEndpoint,
        response=m.EndpointView,
        handler=part("endpoints", Endpoints.add),
        roles=_WRITERS,
        duty=Duty.OPERATE,
        example={"host": "www.example.gov.cn", "port": 443},
        idempotent=True,
    ),
    Operation(
        id="ssl_certificate.endpoint.list",
        summary=Text("列出监测的端点", "List watched endpoints"),
        method="GET",
        path="/ssl_certificate/endpoints",
        request=m.ListEndpoints,
        response=m.EndpointList,
        handler=part("endpoints", Endpoints.list_all),
        roles=_READERS,
        duty=Duty.READ,
        example={},
        quota_free=True,
    ),
    Operation(
        id="ssl_certificate.endpoint.export",
        summary=Text("导出端点清单", "Export the watched endpoints"),
        method="GET",
        path="/ssl_certificate/endpoints/export",
        request=m.ExportEndpoints,
        response=Download,
        handler=part("endpoints", Endpoints.export),
        roles=_READERS,
        duty=Duty.READ,
        reply="stream",
        example={"format": "csv"},
        quota_free=True,
    ),
    Operation(
        id="ssl_certificate.endpoint.get",
        summary=Text("查看端点及其历史", "See an endpoint with its history"),
        method="GET",
        path="/ssl_certificate/endpoints/{endpoint}",
        request=m.EndpointRef,
        response=m.EndpointDetail,
        handler=part("endpoints", Endpoints.get),
        roles=_READERS,
        duty=Duty.READ,
        example={"endpoint": "endp_…"},
        tenant_fields=("endpoint",),
        quota_free=True,
    ),
    Operation(
        id="ssl_certificate.endpoint.check",
        summary=Text("立即检查端点", "Look at an endpoint now"),
        method="POST",
        path="/ssl_certificate/endpoints/{endpoint}/check",
        request=m.EndpointRef,
        response=m.EndpointView,
        handler=part("endpoints", Endpoints.check),
        roles=_WRITERS,
        duty=Duty.OPERATE,
        example={"endpoint": "endp_…"},
        tenant_fields=("endpoint",),
    ),
    Operation(
        id="ssl_certificate.endpoint.rehearse",
        summary=Text("演练端点证书的续期", "Rehearse the renewal of an endpoint's certificate"),
        description=Text(
            "以一次性密钥向所选 CA（宜用其测试目录）下单，不部署；结果见该订单。",
            "Orders with a throw-away key from the CA named, best from its staging directory; nothing is deployed. The "
            "order tells how it went.",
        ),
        method="POST",
        path="/ssl_certificate/endpoints/{endpoint}/rehearse",
        request=m.Rehearse,
        response=OrderView,
        handler=part("endpoints", Endpoints.rehearse),
        roles=frozenset({Role.TENANT_SYSTEM}),
        duty=Duty.OPERATE,
        example={"endpoint": "endp_…", "ca": "letsencrypt-staging"},
        tenant_fields=("endpoint",),
        meter=ORDERS,
    ),
    Operation(
        id="ssl_certificate.endpoint.remove",
        summary=Text("不再监测端点", "Stop watching an endpoint"),
        method="DELETE",
        path="/ssl_certificate/endpoints/{endpoint}",
        request=m.EndpointRef,
        response=m.Done,
        handler=part("endpoints", Endpoints.remove),
        roles=_WRITERS,
        duty=Duty.OPERATE,
        example={"endpoint": "endp_…"},
        tenant_fields=("endpoint",),
        quota_free=True,
    ),
)
