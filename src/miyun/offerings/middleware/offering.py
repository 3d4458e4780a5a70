"""Middleware: declared, not built yet."""

from miyun.core.catalogue import Offering
from miyun.core.i18n import Text

OFFERING = Offering(
    slug="middleware",
    name=Text("中间件", "Middleware"),
    summary=Text(
        "数据库、缓存与消息中间件的一键创建、备份与扩缩。", "Databases, caches and queues: create, back up, scale."
    ),
    category="platform",
    state="planned",
    standards=("Open Service Broker API",),
)
