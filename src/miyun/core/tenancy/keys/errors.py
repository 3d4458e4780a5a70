"""Errors of people's keys."""

from __future__ import annotations

from typing import Any

from miyun.core.errors import PermissionDenied, Unauthenticated
from miyun.core.i18n import Text


class SignInKeyRefused(Unauthenticated):
    text = Text("密钥未被接受：{reason_zh}。", "The key is not accepted: {reason_en}.")
    remedy = Text("请使用已登记且有效的密钥。", "Use a key that is registered and valid.")

    def __init__(self, reason: Text) -> None:
        super().__init__(field="certificate", reason_zh=reason.zh, reason_en=reason.en)


class KeyRequired(PermissionDenied):
    text = Text("该角色须以密钥登录。", "This role signs in with a key.")
    remedy = Text("请在登录页选择密钥登录。", "Choose signing in with a key on the sign-in page.")

    def __init__(self) -> None:
        super().__init__(permission="account.login", field="password")


class StepUpRequired(PermissionDenied):
    """`details` tells a program what to sign and how to send it."""

    text = Text("该操作须以密钥签名确认：{reason_zh}。", "This has to be signed for with your key: {reason_en}.")
    remedy = Text(
        "请以密钥签名 step_up.message，再以 x-miyun-step-up 头重新发送同一请求。",
        "Sign step_up.message with the key and send the same request again with the header x-miyun-step-up.",
    )

    def __init__(self, operation: str, message: str, reason: Text) -> None:
        super().__init__(permission=operation, reason_zh=reason.zh, reason_en=reason.en)
        self.operation = operation
        self.message_to_sign = message
        self.details: dict[str, Any] = {
            "step_up": {
                "message": message,
                "header": "x-miyun-step-up",
                "form": "base64url(message).base64url(signature)",
            }
        }
