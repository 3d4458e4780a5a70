"""APT protection: declared, not built yet."""

from miyun.core.catalogue import Offering
from miyun.core.i18n import Text

OFFERING = Offering(
    slug="apt",
    name=Text("APT防护", "APT protection"),
    summary=Text(
        "流量检测、文件分析、威胁情报与回溯。", "Traffic detection, file analysis, threat intelligence, retro-hunt."
    ),
    category="security",
    state="planned",
    standards=("STIX 2.1", "TAXII 2.1"),
)
