"""USB key: declared, not built yet."""

from miyun.core.catalogue import Offering
from miyun.core.i18n import Text

OFFERING = Offering(
    slug="usbkey",
    name=Text("智能密码钥匙", "USB key"),
    summary=Text(
        "智能密码钥匙的库存、初始化、发放、解锁、挂失与回收。",
        "Stock, initialisation, issue, unlock, loss and return of USB keys.",
    ),
    category="identity",
    state="planned",
    standards=("GM/T 0016", "GM/T 0017"),
)
