"""Database audit: declared, not built yet."""

from miyun.core.catalogue import Offering
from miyun.core.i18n import Text

OFFERING = Offering(
    slug="dbaudit",
    name=Text("数据库审计", "Database audit"),
    summary=Text(
        "数据库协议解析、风险规则、脱敏与防篡改留存。",
        "Database protocol decoding, risk rules, masking, tamper-evident retention.",
    ),
    category="security",
    state="planned",
    standards=("GB/T 22239",),
)
