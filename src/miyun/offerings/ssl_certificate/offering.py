"""SSL certificate: declared, not built yet."""

from miyun.core.catalogue import Offering
from miyun.core.i18n import Text

OFFERING = Offering(
    slug="ssl_certificate",
    name=Text("SSL证书", "SSL certificate"),
    summary=Text(
        "国密与国际 SSL 证书的申请、部署、监测与续期（ACME）。",
        "Order, deploy, watch and renew GM and international SSL certificates (ACME).",
    ),
    category="crypto",
    state="planned",
    standards=("RFC 8555", "GB/T 38636"),
)
