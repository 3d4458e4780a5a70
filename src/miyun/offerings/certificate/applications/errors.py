"""What can be wrong with an application for a certificate."""

from __future__ import annotations

from miyun.core.errors import Conflict, FailedPrecondition, InvalidArgument, PermissionDenied
from miyun.core.i18n import Text
from miyun.offerings.certificate.applications.model import STATE_TEXTS, State


class RequestNotSelfSigned(InvalidArgument):
    remedy = Text(
        "请用申请中公钥对应的私钥重新生成 PKCS#10。", "Make the PKCS#10 again with the private key of its public key."
    )

    def __init__(self) -> None:
        super().__init__(
            "csr",
            Text("自签名无效：申请者须持有私钥", "not signed by its own key: the applicant must hold the private key"),
        )


class ApplicationAlreadyOpen(Conflict):
    remedy = Text("请等待其审核，或先撤回。", "Wait for its review, or withdraw it first.")

    def __init__(self) -> None:
        super().__init__(
            Text("该密钥已有未办结的申请", "an application for this key is open already"),
            field="csr",
        )


class ApplicationStateConflict(FailedPrecondition):
    text = Text("申请{state_zh}，不可如此办理。", "The application is {state_en}; this cannot be done to it.")
    remedy = Text("请刷新后核对申请状态。", "Refresh and look at the application's state.")

    def __init__(self, state: State) -> None:
        now = STATE_TEXTS[state]
        super().__init__(field="application", state=now.en, state_zh=now.zh, state_en=now.en)


class SecondPersonNeeded(PermissionDenied):
    text = Text("须由另一人办理：申请人不可审核自己的申请。", "Somebody else must do this: no applicant reviews.")
    remedy = Text("请由另一名安全管理员审核。", "Have another security administrator review it.")

    def __init__(self) -> None:
        super().__init__(field="application", permission="certificate.application.approve")


class BatchChanged(Conflict):
    remedy = Text("请刷新后重新逐行核对再审核。", "Refresh, look at the rows again, then decide.")

    def __init__(self, waiting: int) -> None:
        super().__init__(
            Text(
                f"将通过 {waiting} 行，与所报行数不符",
                f"it would approve {waiting} rows, not as many as were said",
            ),
            field="approve",
        )


class NotRenewable(FailedPrecondition):
    text = Text("该证书现在不可更新：{reason_zh}。", "The certificate cannot be renewed now: {reason_en}.")
    remedy = Text(
        "请在有效期最后三十天（或最后三分之一）内更新；已失效的请重新申请。",
        "Renew within its last thirty days (or last third of its life); apply anew for one that has ended.",
    )

    def __init__(self, reason: Text) -> None:
        super().__init__(field="serial", state=reason.en, reason_zh=reason.zh, reason_en=reason.en)
