"""Container platform: declared, not built yet."""

from miyun.core.catalogue import Offering
from miyun.core.i18n import Text

OFFERING = Offering(
    slug="container",
    name=Text("容器平台", "Container platform"),
    summary=Text("多租户 Kubernetes 容器平台。", "A multi-tenant Kubernetes platform."),
    category="platform",
    state="planned",
    standards=("Kubernetes API", "OCI"),
)
