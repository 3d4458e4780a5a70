"""Errors of single sign-on that a person may see; those for clients are the protocols' own."""

from __future__ import annotations

from miyun.core.errors import MiyunError
from miyun.core.i18n import Text
from miyun.core.operation import Reply


class SignOnRefused(MiyunError):
    status = 400
    text = Text("应用发来的登录请求无效：{reason}。", "The application's sign-in request is not valid: {reason}.")
    remedy = Text(
        "请从应用重新进入；持续出现请联系应用的管理员。",
        "Start again from the application; if it persists, tell its administrator.",
    )

    def __init__(self, reason: str) -> None:
        super().__init__(field="query", reason=reason)


class ServiceUnknown(MiyunError):
    status = 403
    text = Text("该应用未登记为可登录的服务。", "This application is not registered for sign-in.")
    remedy = Text("请由租户安全管理员登记其地址。", "Have the tenant's security administrator register its address.")


class AnotherAccount(MiyunError):
    status = 403
    text = Text("该密钥不属于应用要求登录的账号。", "This key is not of the account that the application asks for.")
    remedy = Text(
        "请改用该账号的密钥；若要以另一账号登录，请先从应用退出。",
        "Use that account's key; to sign in as somebody else, sign out of the application first.",
    )


class ClientRefused(MiyunError):
    """A client's request is answered by the protocol's own error, which `reply` is."""

    status = 400
    text = Text("客户端的请求被拒绝：{reason}。", "The client's request is refused: {reason}.")
    remedy = Text("请按协议修正请求。", "Correct the request as the protocol says.")

    def __init__(self, reason: str, reply: Reply, *, had_effect: bool = False) -> None:
        super().__init__(reason=reason)
        self.reply = reply
        self.had_effect = had_effect  # type: ignore[misc]


class SessionUnknown(MiyunError):
    status = 403
    text = Text("登录状态已失效。", "The signed-in state has ended.")
    remedy = Text("请重新以证书登录。", "Sign in with the certificate again.")
