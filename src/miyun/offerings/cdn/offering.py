"""Content and video acceleration: declared, not built yet."""

from miyun.core.catalogue import Offering
from miyun.core.i18n import Text

OFFERING = Offering(
    slug="cdn",
    name=Text("内容与视频加速", "Content and video acceleration"),
    summary=Text(
        "缓存加速、直播点播、刷新预热与防盗链。", "Caching, live and on-demand video, refresh and preheat, anti-leech."
    ),
    category="delivery",
    state="planned",
    standards=("RFC 9111", "RFC 8216"),
)
