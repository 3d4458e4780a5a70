"""Errors of the SSL certificate room: refusals of the ACME server, and of what people order and watch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from miyun.core.errors import FailedPrecondition, MiyunError
from miyun.core.i18n import Text


@dataclass(frozen=True, slots=True)
class Subproblem:
    """What is wrong with one name of several (RFC 8555 6.7.1)."""

    kind: str
    reason: Text
    name_type: str
    name: str


class AcmeRefused(MiyunError):
    """`kind`: an error type of RFC 8555 6.7 and its registry, without the URN."""

    status = 400
    text = Text("ACME 请求未被接受（{kind}）：{reason_zh}", "The ACME request is refused ({kind}): {reason_en}")
    remedy = Text("请按错误类型修正后重试。", "Correct it as the error type says and try again.")

    def __init__(
        self,
        kind: str,
        reason: Text,
        *,
        retry_after: int | None = None,
        subproblems: Sequence[Subproblem] = (),
    ) -> None:
        super().__init__(retry_after=retry_after, kind=kind, reason_zh=reason.zh, reason_en=reason.en)
        self.kind = kind
        self.reason = reason
        self.subproblems = tuple(subproblems)


class AcmeUnauthorized(AcmeRefused):
    status = 403


class AcmeAccountEnded(AcmeRefused):
    """RFC 8555 7.3.6."""

    status = 401


class AcmeAccountMissing(AcmeRefused):
    """RFC 8555 6.7 accountDoesNotExist: the key or the address of an account is not known."""

    status = 400


class AcmeNotFound(AcmeRefused):
    status = 404


class AcmeConflict(AcmeRefused):
    status = 409


class AcmeKeyTaken(AcmeConflict):
    """`account`: the address of the one that has the key (RFC 8555 7.3.5)."""

    def __init__(self, account: str) -> None:
        super().__init__("malformed", Text("新密钥已属于另一账号", "the new key belongs to another account"))
        self.account = account


class AcmeRateLimited(AcmeRefused):
    status = 429


class WrongOrderState(FailedPrecondition):
    text = Text("订单处于“{state}”状态，不能执行此操作。", "The order is '{state}', which does not allow this.")
    remedy = Text("请先查看订单状态。", "Look at the order's state first.")


class CertificateDoesNotFit(MiyunError):
    status = 400
    text = Text("证书与订单不符：{reason_zh}", "The certificate does not fit the order: {reason_en}")
    remedy = Text(
        "请上传该订单签发的证书与完整证书链。", "Upload the certificate issued for this order with its whole chain."
    )

    def __init__(self, reason: Text) -> None:
        super().__init__(field="certificates", reason_zh=reason.zh, reason_en=reason.en)
        self.reason = reason


class OutsideCaRefused(MiyunError):
    """What the outside CA's own problem document says is passed on."""

    status = 502
    text = Text("外部 CA“{ca}”未办理：{reason_zh}", "The outside CA '{ca}' did not do it: {reason_en}")
    remedy = Text(
        "请按该 CA 的说明处理；暂时性错误会自动重试。",
        "Do as that CA says; what is temporary is tried again by itself.",
    )

    def __init__(self, ca: str, reason: Text, *, kind: str = "", retry_after: int | None = None) -> None:
        super().__init__(retry_after=retry_after, ca=ca, reason_zh=reason.zh, reason_en=reason.en)
        self.kind = kind
        self.reason = reason
