"""Refusals of time-stamp requests, with what RFC 3161 calls them."""

from __future__ import annotations

from miyun.core.errors import MiyunError
from miyun.core.i18n import Text
from miyun.wire.tsp import FailureInfo, RequestError


class TimestampRejected(MiyunError):
    """A request that no token can be issued for; `failure` is the PKIFailureInfo to answer."""

    status = 400
    text = Text(
        "时间戳请求被拒绝（{failure}）：{reason_zh}", "The timestamp request is rejected ({failure}): {reason_en}"
    )
    remedy = Text("请按 RFC 3161 与所选策略修正请求。", "Correct the request as RFC 3161 and the policy demand.")

    def __init__(self, failure: FailureInfo, reason: Text, *, field: str | None = None) -> None:
        super().__init__(field=field, failure=_name(failure), reason_zh=reason.zh, reason_en=reason.en)
        self.failure = failure


def _name(failure: FailureInfo) -> str:
    """BAD_ALG → badAlg, as RFC 3161 writes it."""
    first, *others = failure.name.lower().split("_")
    return first + "".join(part.capitalize() for part in others)


_REASONS = {
    FailureInfo.BAD_ALG: "杂凑算法不被接受",
    FailureInfo.BAD_REQUEST: "请求不符合规范",
    FailureInfo.BAD_DATA_FORMAT: "数据格式错误",
}


def rejected(error: RequestError) -> TimestampRejected:
    """From what the decoder found: names the field and the octet."""
    reason = Text(
        f"{_REASONS.get(error.failure_info, '请求有误')}（{error.field}，第 {error.offset} 字节）",
        f"{error.field}: {error.message} (octet {error.offset})",
    )
    return TimestampRejected(error.failure_info, reason, field=error.field)
