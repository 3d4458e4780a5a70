"""Microservices: declared, not built yet."""

from miyun.core.catalogue import Offering
from miyun.core.i18n import Text

OFFERING = Offering(
    slug="microservice",
    name=Text("微服务", "Microservices"),
    summary=Text("注册配置、流量治理与链路追踪。", "Registry, configuration, traffic governance and tracing."),
    category="platform",
    state="planned",
    standards=("OpenTelemetry",),
)
