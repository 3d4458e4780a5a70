"""Errors of certificate login. Why a certificate is refused may be told: the certificate is the caller's own."""

from __future__ import annotations

from miyun.core.errors import FailedPrecondition, MiyunError, Overloaded
from miyun.core.i18n import Text


class CertificateRefused(MiyunError):
    status = 403
    text = Text("证书未被接受：{reason_zh}（{subject}）。", "The certificate is not accepted: {reason_en} ({subject}).")
    remedy = Text(
        "请更换有效证书，或联系租户安全管理员。", "Use a valid certificate or ask the tenant's security administrator."
    )

    def __init__(self, reason: str, told: Text, subject: str) -> None:
        """`reason` is for programs: a code of the trust directory, or of this room."""
        super().__init__(field="certificate", reason_zh=told.zh, reason_en=told.en, subject=subject)
        self.reason = reason


class CertificateNotGiven(MiyunError):
    status = 403
    text = Text("没有收到客户端证书。", "No client certificate was given.")
    remedy = Text(
        "请先安装证书；若曾取消选择，请关闭浏览器的全部窗口后再试，或改用其他登录方式。",
        "Install the certificate first; if you have cancelled the choice before, close every window of the browser and "
        "try again, or sign in another way.",
    )


class NotBound(CertificateRefused):
    """A good certificate of somebody who has no account here."""

    def __init__(self, subject: str) -> None:
        told = Text("未绑定本应用的账号", "not bound to an account of this application")
        super().__init__("not_bound", told, subject)


class LoginFailed(MiyunError):
    status = 403
    text = Text("登录失败：签名与证书不符。", "Login failed: the signature is not the certificate's.")
    remedy = Text(
        "请确认使用的是该证书的私钥，且签名的是挑战原文。", "Sign the challenge's message with this certificate's key."
    )


class AccountNotActive(FailedPrecondition):
    text = Text("账号处于“{state}”状态。", "The account is '{state}'.")
    remedy = Text("请由租户安全管理员恢复账号。", "Have the tenant's security administrator resume it.")


class TooManyChallenges(Overloaded):
    text = Text("未完成的登录挑战过多。", "Too many open login challenges.")
    remedy = Text("请稍后重试，并避免重复获取挑战。", "Retry later and do not ask for challenges that are not used.")
