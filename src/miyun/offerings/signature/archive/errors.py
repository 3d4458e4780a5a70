"""What can go wrong with evidence."""

from __future__ import annotations

from miyun.core.errors import FailedPrecondition
from miyun.core.i18n import Text


class NotVerified(FailedPrecondition):
    text = Text(
        "签名未通过验证，不予留存：{reason_zh}。", "Its signature does not verify, so it is not kept: {reason_en}."
    )
    remedy = Text(
        "请以相同参数调用验证操作查看全部原因。", "Call the verification with the same fields to see every reason."
    )

    def __init__(self, reason: Text) -> None:
        super().__init__(field="signed", state="", reason_zh=reason.zh, reason_en=reason.en)


class NotSealed(FailedPrecondition):
    text = Text("证据尚待盖时间戳。", "The evidence waits for its time-stamp.")
    remedy = Text("稍后再试：每分钟固定一批。", "Try again soon: a batch is sealed every minute.")

    def __init__(self) -> None:
        super().__init__(field="evidence", state="waiting")


class RehashNotPossible(FailedPrecondition):
    text = Text("证据正待盖时间戳，或已使用该杂凑算法。", "It waits for a time-stamp, or has this hash already.")
    remedy = Text("请查看证据状态。", "Look at the evidence's state.")

    def __init__(self) -> None:
        super().__init__(field="hash", state="")
