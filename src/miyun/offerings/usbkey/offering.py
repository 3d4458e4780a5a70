"""智能密码钥匙: the life of USB keys."""

from miyun.core.catalogue import Offering, Plan
from miyun.core.i18n import Text
from miyun.offerings.usbkey.evidence import evidence
from miyun.offerings.usbkey.operations import KEYS, OPERATIONS

OFFERING = Offering(
    slug="usbkey",
    name=Text("智能密码钥匙", "USB key"),
    summary=Text(
        "智能密码钥匙的库存、初始化、写证书、发放、解锁、挂失、收回与报废。",
        "USB keys from stock through initialisation, certificates, issue, unlock and loss to return and scrap.",
    ),
    category="identity",
    state="available",
    standards=("GM/T 0016", "GM/T 0017", "GM/T 0020", "GB/T 43694"),
    plans=(Plan("usbkey-standard", Text("标准版", "Standard"), Text("年", "year")),),
    meters=(KEYS,),
    includes=("certificate.*",),
    operations=OPERATIONS,
    evidence=evidence,
)
