"""What can go wrong with signers."""

from __future__ import annotations

from miyun.core.errors import FailedPrecondition, InvalidArgument
from miyun.core.i18n import Text
from miyun.wire.errors import DecodeError


class SignerNotEnabled(FailedPrecondition):
    text = Text("签名者 {signer} 当前状态为“{state}”，不能签名。", "Signer {signer} is {state} and cannot sign.")
    remedy = Text(
        "请由租户安全管理员启用，或另建签名者。", "Have a tenant security administrator enable it or make another."
    )


class SignerStateConflict(FailedPrecondition):
    text = Text(
        "签名者 {signer} 处于“{state}”状态，不能改为“{wanted}”。", "Signer {signer} is {state}: not to be {wanted}."
    )
    remedy = Text("请先查看签名者状态。", "Look at the signer's state first.")


class SignerCertificateExpired(FailedPrecondition):
    text = Text("签名者 {signer} 的证书已于 {state} 过期。", "The certificate of signer {signer} expired on {state}.")
    remedy = Text("请更新签名者证书（signature.signer.renew）。", "Renew the signer (signature.signer.renew).")


class SignerCertificateRevoked(FailedPrecondition):
    text = Text("签名者 {signer} 的证书已被吊销。", "The certificate of signer {signer} was revoked.")
    remedy = Text("请更新签名者证书（signature.signer.renew）。", "Renew the signer (signature.signer.renew).")


def unreadable(field: str, error: DecodeError) -> InvalidArgument:
    where = f"{error.field}: " if error.field else ""
    return InvalidArgument(
        field,
        Text(
            f"无法解析：{where}{error.message}（第 {error.offset} 字节）",
            f"cannot be read: {where}{error.message} (octet {error.offset})",
        ),
    )
