"""Virtual cryptographic machine: declared, not built yet."""

from miyun.core.catalogue import Offering
from miyun.core.i18n import Text

OFFERING = Offering(
    slug="vsm",
    name=Text("虚拟密码机", "Virtual cryptographic machine"),
    summary=Text(
        "租户独享的虚拟密码机：生命周期、隔离、配额、备份迁移，SDF 接口。",
        "Cryptographic machines of a tenant's own: life cycle, isolation, quota, backup and migration, SDF.",
    ),
    category="crypto",
    state="planned",
    standards=("GM/T 0104", "GM/T 0088", "GM/T 0018"),
)
