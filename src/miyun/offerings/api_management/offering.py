"""API management: declared, not built yet."""

from miyun.core.catalogue import Offering
from miyun.core.i18n import Text

OFFERING = Offering(
    slug="api_management",
    name=Text("API管理", "API management"),
    summary=Text("API 设计、发布、网关、配额与开放门户。", "API design, publication, gateway, quota and portal."),
    category="platform",
    state="planned",
    standards=("OpenAPI 3.1", "OAuth 2.0"),
)
