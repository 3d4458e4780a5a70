"""SSL证书: certificates for servers, ordered and renewed by ACME."""

from decimal import Decimal

from miyun.core.catalogue import Offering, Plan, ServiceLevel
from miyun.core.i18n import Text
from miyun.offerings.ssl_certificate.evidence import evidence
from miyun.offerings.ssl_certificate.operations import METERS, OPERATIONS

OFFERING = Offering(
    slug="ssl_certificate",
    name=Text("SSL证书", "SSL certificate"),
    summary=Text(
        "国密双证书与国际 SSL 证书：ACME 自动签发与续期，外部 CA 订购，端点监测与到期告警，nginx 部署。",
        "GM dual and international certificates: ACME, orders at outside CAs, watched endpoints, deployment to nginx.",
    ),
    category="crypto",
    state="available",
    standards=("RFC 8555", "RFC 9773", "RFC 8738", "GB/T 35276"),
    plans=(Plan("ssl-certificate-standard", Text("标准版", "Standard"), Text("年", "year")),),
    meters=METERS,
    service_levels=(ServiceLevel("availability", Text("可用性", "Availability"), Decimal("99.9"), Text("%", "%")),),
    operations=OPERATIONS,
    evidence=evidence,
    sample={"operation": "ssl_certificate.order.list", "request": {}},
)
