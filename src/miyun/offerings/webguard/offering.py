"""Web tamper-proofing: declared, not built yet."""

from miyun.core.catalogue import Offering
from miyun.core.i18n import Text

OFFERING = Offering(
    slug="webguard",
    name=Text("网页防篡改", "Web tamper-proofing"),
    summary=Text("网页基线、监测与自动恢复。", "Baseline, watch and automatic restore of web pages."),
    category="security",
    state="planned",
    standards=("GB/T 22239",),
)
