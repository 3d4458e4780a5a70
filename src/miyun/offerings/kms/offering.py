"""密钥管理: keys in the machine, by name."""

from miyun.core.catalogue import Offering, Plan
from miyun.core.i18n import Text
from miyun.offerings.kms.evidence import evidence
from miyun.offerings.kms.operations import CALLS, OPERATIONS

OFFERING = Offering(
    slug="kms",
    name=Text("密钥管理", "Key management"),
    summary=Text(
        "密钥的创建、轮换、停用、销毁、导入与备份；密钥明文不出密码机，数据密钥与重新包装均带附加数据。",
        "Create, rotate, disable, destroy, import and back up keys that never leave the machine in the clear; "
        "data keys and re-wrapping with associated data.",
    ),
    category="crypto",
    state="available",
    standards=("GM/T 0051", "GB/T 32907", "GB/T 32918", "GB/T 39786"),
    plans=(Plan("kms-standard", Text("标准版", "Standard"), Text("年", "year")),),
    meters=(CALLS,),
    operations=OPERATIONS,
    evidence=evidence,
    sample={
        "operation": "kms.data_key.generate",
        "request": {"key": "{key:SM4:encrypt}", "size": 16, "plaintext": False},
    },
)
