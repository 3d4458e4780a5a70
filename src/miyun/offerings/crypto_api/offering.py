"""Crypto API: declared, not built yet."""

from miyun.core.catalogue import Offering
from miyun.core.i18n import Text

OFFERING = Offering(
    slug="crypto_api",
    name=Text("密码API接口", "Crypto API"),
    summary=Text(
        "统一密码接口：REST、SDF/SKF/SAF/SOF 适配与多语言开发包。",
        "One crypto interface: REST, SDF/SKF/SAF/SOF shims and language kits.",
    ),
    category="crypto",
    state="planned",
    standards=("GM/T 0019", "GB/T 43694"),
)
