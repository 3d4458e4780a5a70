"""DevOps: declared, not built yet."""

from miyun.core.catalogue import Offering
from miyun.core.i18n import Text

OFFERING = Offering(
    slug="devops",
    name=Text("DevOps", "DevOps"),
    summary=Text("流水线、制品、扫描、签名与审批。", "Pipelines, artefacts, scanning, signing and approvals."),
    category="platform",
    state="planned",
    standards=("SLSA", "CycloneDX"),
)
