"""GM remote access: declared, not built yet."""

from miyun.core.catalogue import Offering
from miyun.core.i18n import Text

OFFERING = Offering(
    slug="remote_access",
    name=Text("国密远程安全接入", "GM remote access"),
    summary=Text(
        "基于 TLCP 的远程安全接入与逐应用访问控制。", "Remote access over TLCP with access control per application."
    ),
    category="identity",
    state="planned",
    standards=("GB/T 38636", "GM/T 0024", "GM/T 0025"),
)
