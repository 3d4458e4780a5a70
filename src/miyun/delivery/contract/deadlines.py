"""Time limits in words: 「验收合格后10个工作日内」, 「培训开展前7日」, 「4小时内」."""

from __future__ import annotations

import re

from miyun.delivery.contract.amounts import chinese_integer
from miyun.delivery.contract.model import DayKind, Deadline
from miyun.delivery.contract.text import half_width

_UNIT = {
    "工作日": DayKind.WORKING_DAY,
    "个工作日": DayKind.WORKING_DAY,
    "小时": DayKind.HOUR,
    "个小时": DayKind.HOUR,
    "个月": DayKind.MONTH,
    "日": DayKind.DAY,
    "天": DayKind.DAY,
    "个自然日": DayKind.DAY,
    "自然日": DayKind.DAY,
    "个日历日": DayKind.DAY,
    "日历日": DayKind.DAY,
}
_LIMIT = re.compile(
    r"(?<![年月\d一二三四五六七八九十])(?P<count>\d{1,3}|[一二三四五六七八九十两]{1,3})\s*"
    r"(?:\([^()]{1,4}\)\s*)?(?P<unit>个?工作日|个?小时|个月|个?自然日|个?日历日|日|天)\s*(?P<side>之?内|以内|前|后|开始)?"
)
UNKNOWN_EVENT = "unknown"
_ANCHORS = (
    ("payment_due", r"付款期限|支付期限|应付款日"),
    ("term_end", r"服务期(?:限)?(?:届?满|期满|结束|终止)|合同(?:期限?)?(?:届?满|期满)|期限届满"),
    ("final_acceptance", r"(?:终验|最终验收|竣工验收)(?:合格|通过)?"),
    ("interim_acceptance", r"(?:中期验收|初验|初步验收)(?:合格|通过)?"),
    ("acceptance", r"验收(?:合格|通过|完成|结束)?"),
    ("invoice", r"(?:收到|开具|提供)[^，。；]{0,12}发票"),
    ("training", r"培训(?:开展|开始|举行)?"),
    ("signature", r"(?:合同|协议)?[^，。；]{0,6}(?:签订|签署|签字|生效)"),
    ("change_request", r"变更"),
    ("force_majeure", r"不可抗力"),
    ("request", r"要求|请求|通知|咨询|接到|收到|报修"),
)


def find_deadline(text: str, unknown: str = "request") -> Deadline | None:
    """The first time limit in `text`; its anchor is the nearest known event before it, `unknown` if there is none."""
    plain = half_width(text)
    for match in _LIMIT.finditer(plain):
        count = chinese_integer(match["count"])
        if not count:
            continue
        unit = _UNIT[re.sub(r"\s", "", match["unit"])]
        before = match["side"] == "前" or re.search(r"(?:前|提前)\s*(?:至少)?\s*$", plain[: match.start()]) is not None
        if unit is DayKind.DAY and match["side"] is None and not before:
            continue
        before_it, after_it = plain[: match.start()], plain[match.end() : match.end() + 12]
        return Deadline(count, unit, _anchor(before_it) or _anchor(after_it) or unknown, before)
    return None


def _anchor(text: str) -> str:
    """The event named last in `text`, or ""."""
    best, place = "", -1
    for name, pattern in _ANCHORS:
        for match in re.finditer(pattern, text):
            if match.end() > place:
                best, place = name, match.end()
    return best
