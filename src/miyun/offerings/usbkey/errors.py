"""What can be wrong with a USB key's life."""

from __future__ import annotations

from miyun.core.errors import FailedPrecondition, InvalidArgument, PermissionDenied
from miyun.core.i18n import Text
from miyun.offerings.usbkey.model import STATE_TEXTS, RequestState, State


class UsbKeyStateConflict(FailedPrecondition):
    text = Text("该钥匙{state_zh}，不可如此办理。", "The key is {state_en}; this cannot be done to it.")
    remedy = Text("请刷新后核对钥匙状态。", "Refresh and look at the key's state.")

    def __init__(self, state: State) -> None:
        now = STATE_TEXTS[state]
        super().__init__(field="usbkey", state=now.en, state_zh=now.zh, state_en=now.en)


class UsbKeyRequestConflict(FailedPrecondition):
    text = Text("该事项处于“{state}”状态，不可如此办理。", "The request is '{state}'; this cannot be done to it.")
    remedy = Text("请刷新后核对，必要时重新提出。", "Refresh and look; ask again if need be.")

    def __init__(self, state: RequestState) -> None:
        super().__init__(field="approval", state=str(state))


class UsbKeyNeedsSecondPerson(PermissionDenied):
    text = Text(
        "须由另一人办理：提出者不可批准自己的事项。", "Somebody else must decide: nobody approves what they asked."
    )
    remedy = Text("请由另一名管理员办理。", "Have another administrator decide.")

    def __init__(self) -> None:
        super().__init__(field="approval", permission="usbkey.approval.approve")


class UsbKeyHasNoApplication(FailedPrecondition):
    text = Text("该钥匙没有待写入的证书。", "No certificates of this key are applied for.")
    remedy = Text("请先以 usbkey.key.certify 或 usbkey.key.renew 申请。", "Apply first: usbkey.key.certify, or .renew.")

    def __init__(self) -> None:
        super().__init__(field="usbkey", state="none")


class UsbKeyCertificatesNotFetched(FailedPrecondition):
    text = Text("该钥匙的新证书尚未取出写入。", "The key's new certificates were not fetched and written yet.")
    remedy = Text(
        "请待审核签发后执行 miyun usbkey write。", "Run miyun usbkey write once they are reviewed and issued."
    )

    def __init__(self) -> None:
        super().__init__(field="usbkey", state="not fetched")


class UsbKeyProofInvalid(InvalidArgument):
    remedy = Text(
        "请用钥匙中新生成的签名密钥重新签名。", "Sign again with the signing key that was made in the USB key."
    )

    def __init__(self) -> None:
        super().__init__(
            "proof",
            Text("不是该签名密钥对“miyun usbkey”的签名", "not a signature of that signing key for this USB key"),
        )
