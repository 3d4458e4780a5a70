"""加解密: data encryption by keys that stay in the machine."""

from miyun.core.catalogue import Offering, Plan
from miyun.core.i18n import Text
from miyun.offerings.encryption.evidence import evidence
from miyun.offerings.encryption.operations import CALLS, OPERATIONS

OFFERING = Offering(
    slug="encryption",
    name=Text("数据加密/加解密", "Data encryption"),
    summary=Text(
        "字段、批量、信封与任意大小文件的加解密，SM4-GCM 认证附加数据，SM2 公钥加密，密钥轮换后可在密码机内重新加密。",
        "Fields, batches, envelopes and files of any size by SM4-GCM with associated data; SM2 encryption; "
        "re-encryption inside the machine after a rotation.",
    ),
    category="crypto",
    state="available",
    standards=("GB/T 32907", "GB/T 17964", "GB/T 36624", "GB/T 32918.4", "GM/T 0009"),
    plans=(Plan("encryption-standard", Text("标准版", "Standard"), Text("年", "year")),),
    meters=(CALLS,),
    includes=("kms.*",),
    operations=OPERATIONS,
    evidence=evidence,
    sample={
        "operation": "encryption.encrypt",
        "request": {"key": "{key:SM4:encrypt}", "plaintext": "5a+G5LqR", "associated_data": "cm93IDc="},
    },
)
