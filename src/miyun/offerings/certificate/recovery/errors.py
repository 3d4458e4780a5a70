"""What can be wrong with a recovery."""

from __future__ import annotations

from miyun.core.errors import FailedPrecondition, InvalidArgument, PermissionDenied
from miyun.core.i18n import Text
from miyun.offerings.certificate.recovery.model import STATE_TEXTS, State


class RecoveryStateConflict(FailedPrecondition):
    text = Text("恢复申请{state_zh}，不可如此办理。", "The recovery is {state_en}; this cannot be done to it.")
    remedy = Text("密钥只交付一次；如仍需要，请重新申请。", "A key is delivered once; ask anew if it is still needed.")

    def __init__(self, state: State) -> None:
        now = STATE_TEXTS[state]
        super().__init__(field="recovery", state=now.en, state_zh=now.zh, state_en=now.en)


class AnotherPersonNeeded(PermissionDenied):
    text = Text(
        "须由另一人办理：申请、两项同意各由不同的人作出。",
        "Somebody else must do this: the request and both consents come from three people.",
    )
    remedy = Text("请由未参与此项恢复的管理员办理。", "Have an administrator do it who has no part in it yet.")

    def __init__(self) -> None:
        super().__init__(field="recovery", permission="certificate.recovery.approve")


class UnfitReceiver(InvalidArgument):
    remedy = Text(
        "用户恢复须用同一主体的有效 SM2 签名证书；司法恢复须用在有效期内的 SM2 证书。",
        "A user's recovery needs a valid SM2 signing certificate of the same subject, a judicial one an SM2 certificate"
        " that has not expired.",
    )

    def __init__(self, reason: Text) -> None:
        super().__init__("receiver", reason)
