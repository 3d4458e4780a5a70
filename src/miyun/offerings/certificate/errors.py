"""What can go wrong here beyond the common errors."""

from __future__ import annotations

from collections.abc import Sequence

from miyun.core.errors import Conflict, FailedPrecondition, InvalidArgument, MiyunError, Unavailable
from miyun.core.i18n import Text
from miyun.offerings.certificate.model import KeyUse, State
from miyun.wire.errors import DecodeError, EncodeError
from miyun.wire.ocsp import Status
from miyun.wire.x509.lint import Finding


class CertificateAlreadyRevoked(Conflict):
    remedy = Text("无需再次吊销；吊销原因不可更改。", "Nothing to do; the reason of a revocation cannot be changed.")

    def __init__(self) -> None:
        super().__init__(Text("证书已吊销", "the certificate is revoked already"), field="serial")


_STATES = {
    State.ISSUED: Text("有效", "issued"),
    State.SUSPENDED: Text("已冻结", "suspended"),
    State.REVOKED: Text("已吊销", "revoked"),
}


class CertificateStateConflict(Conflict):
    remedy = Text(
        "只有有效的证书可以冻结，只有已冻结的证书可以恢复。",
        "Only an issued certificate can be suspended, and only a suspended one resumed.",
    )

    def __init__(self, state: State) -> None:
        now = _STATES[state]
        super().__init__(Text(f"证书{now.zh}", f"the certificate is {now.en}"), field="serial")


_KEY_USES = {
    KeyUse.COMPROMISED: Text(
        "该密钥的证书曾因密钥泄露被吊销", "a certificate of this key was revoked for its compromise"
    ),
    KeyUse.OTHER_HOLDER: Text("该公钥已为另一主体签发过证书", "this public key was certified for another subject"),
    KeyUse.OTHER_USAGE: Text(
        "该公钥已用于双证书中的另一种用途", "this public key was certified for the other use of a certificate pair"
    ),
}


class WeakKey(InvalidArgument):
    remedy = Text("请生成新的密钥对后重新申请。", "Make a new key pair and apply again.")


class KeyRefused(Conflict):
    remedy = Text("请生成新的密钥对后重新申请。", "Generate a new key pair and apply with it.")

    def __init__(self, field: str, use: KeyUse) -> None:
        super().__init__(_KEY_USES[use], field=field)


class ClaimLost(Conflict):
    """`signed`: numbers that were signed all the same, and are revoked."""

    remedy = Text("请查看该申请的证书。", "Look at the certificates of that application.")

    def __init__(self, signed: Sequence[int] = ()) -> None:
        super().__init__(
            Text("证书已由另一进程签发", "another process has issued its certificates"), field="application"
        )
        self.signed = tuple(signed)


class LintRefused(MiyunError):
    """A certificate that its profile forbids; `findings` tell every rule it breaks."""

    status = 400
    text = Text("证书不合规范，未签发（规则 {rules}）：{reasons}", "Not issued: it breaks {rules}: {reasons}")
    remedy = Text(
        "请按规则修改主题、名称或密钥后重新申请。", "Change subject, names or key as the rule says, and apply again."
    )

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__(
            field="certificate",
            rules=", ".join(dict.fromkeys(item.rule for item in findings)),
            reasons="; ".join(item.text for item in findings),
        )
        self.findings = tuple(findings)


class ApplicationNeeded(FailedPrecondition):
    text = Text(
        "个人与机构证书须经申请与另一人审核。",
        "Certificates of people and organisations take an application and its review by somebody else.",
    )
    remedy = Text("请提交申请：certificate.application.apply。", "Apply for it: certificate.application.apply.")

    def __init__(self) -> None:
        super().__init__(field="template", state="direct")


class ShardsOnlyGrow(Conflict):
    remedy = Text("请给出不少于当前的分片数。", "Give at least the number of shards there are.")

    def __init__(self) -> None:
        super().__init__(
            Text(
                "已签发的证书指明了各自的分片列表，分片数只能增加",
                "certificates name the lists of their shards: the number can only grow",
            ),
            field="shards",
        )


class CertificateNotComplete(Conflict):
    remedy = Text("请重新申请证书。", "Apply for a new certificate.")

    def __init__(self) -> None:
        super().__init__(
            Text("序列号已分配，但证书从未签发", "the serial number was allocated but no certificate was ever signed"),
            field="serial",
        )


class AuthorityMissing(Unavailable):
    text = Text("证书认证机构尚未建立：{part}。", "The certification authority is not set up yet: {part}.")
    remedy = Text("请由平台运维完成初始化。", "Have the platform operator finish the set-up.")


class AuthorityEndedAlready(Conflict):
    remedy = Text(
        "吊销不可更改。若根吊销列表尚未更新，请执行 miyun ca ceremony。",
        "It is final. If its root's list does not tell of it yet, run miyun ca ceremony.",
    )

    def __init__(self, ca: str) -> None:
        super().__init__(Text(f"CA {ca} 已吊销", f"the authority {ca} is revoked already"), field="ca")


class AuthoritySucceeded(Conflict):
    remedy = Text("请执行 miyun ca status 查看现在签发的 CA。", "See by miyun ca status which authority issues now.")

    def __init__(self, ca: str) -> None:
        super().__init__(
            Text(f"CA {ca} 已有后继或已吊销", f"the authority {ca} has a successor or is revoked"), field="ca"
        )


class RootsOffline(Unavailable):
    text = Text("根 CA 的密码机处于离线状态。", "The machine with the root CAs' keys is offline.")
    remedy = Text(
        "请由操作员在平台所在机器执行 miyun ca ceremony。",
        "Have its operators run miyun ca ceremony on the platform's machine.",
    )

    def __init__(self) -> None:
        super().__init__("roots", retry_after=60)


class ResponderMissing(Unavailable):
    text = Text("OCSP 响应证书不可用：{part}。", "The OCSP responder's certificate is not available: {part}.")
    remedy = Text("请由平台运维检查初始化与证书有效期。", "Have the platform operator check set-up and validity.")


class OcspRefused(MiyunError):
    """A question that is not answered; `refusal` is the OCSPResponseStatus that says so."""

    status = 400
    text = Text("OCSP 请求被拒绝：{reason}", "The OCSP request is refused: {reason}")
    remedy = Text(
        "请按 RFC 6960 组织请求，并发往证书中 AIA 扩展所示的地址。",
        "Form the request as RFC 6960 says and send it to the address in the certificate's AIA extension.",
    )

    def __init__(self, refusal: Status, reason: str) -> None:
        super().__init__(field="body", reason=reason)
        self.refusal = refusal


def unreadable(field: str, error: DecodeError) -> InvalidArgument:
    """A malformed structure in `field`: says what is wrong and at which octet."""
    where = f"{error.field}: " if error.field else ""
    return InvalidArgument(
        field,
        Text(
            f"无法解析：{where}{error.message}（第 {error.offset} 字节）",
            f"cannot be read: {where}{error.message} (octet {error.offset})",
        ),
    )


def unencodable(field: str, error: EncodeError) -> InvalidArgument:
    return InvalidArgument(field, Text(f"不可编码：{error}", f"cannot be encoded: {error}"))
