"""Host antivirus: declared, not built yet."""

from miyun.core.catalogue import Offering
from miyun.core.i18n import Text

OFFERING = Offering(
    slug="antivirus",
    name=Text("主机杀毒", "Host antivirus"),
    summary=Text("主机病毒扫描、隔离、策略与离线更新。", "Host scanning, quarantine, policy and offline updates."),
    category="security",
    state="planned",
    standards=("GB/T 22239",),
)
