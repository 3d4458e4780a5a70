"""The one error tree. Each edge renders it once (problem+json, PKIStatus, CLI exit codes ...).

MiyunError
├─ InvalidArgument      400   the caller's value is wrong; `field` names it
│  └─ UnknownField, BadEncoding, ...
├─ TooLarge             413
├─ Unauthenticated      401   ├─ CredentialExpired, ReplayedRequest
├─ PermissionDenied     403   └─ NotEntitled, PasswordUnchanged, KeyMissing
├─ NotFound             404   also answers for what belongs to another tenant: existence is not revealed
├─ Conflict             409   ├─ InDoubt (idempotency key whose outcome is unknown), AlreadyExists
├─ FailedPrecondition   409   wrong state for the operation
├─ QuotaExceeded        429   carries retry_after seconds
├─ Overloaded           503   carries retry_after seconds
├─ Unavailable          503   ├─ MachineLocked, StorageFull, ClockUntrusted
├─ CryptoFailure        400   ├─ InvalidSignature, DecryptionFailed: constant text, no cause
└─ InternalError        500   request id only; the trace goes to the log

A room adds its own subclasses (`class KeyNotEnabled(FailedPrecondition)`) with `text` and `remedy`;
the class name is the error code.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from miyun.core.i18n import Text

_REGISTRY: dict[str, type[MiyunError]] = {}
_PERMITTED = Text("具备该权限的人员", "someone who holds this permission")


class MiyunError(Exception):
    """Base of every error a user may see. `values` fill the placeholders of `text` and `remedy`."""

    status: ClassVar[int] = 500
    details: Mapping[str, Any] = MappingProxyType({})  # what a program needs besides
    had_effect: ClassVar[bool] = False  # something was changed before it was raised: a repeat must not be taken for new
    text: ClassVar[Text] = Text("内部错误。", "Internal error.")
    remedy: ClassVar[Text] = Text("请凭请求编号联系服务方。", "Contact the supplier with the request id.")

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        other = _REGISTRY.setdefault(cls.__name__, cls)
        if other is not cls and other.__module__ != cls.__module__:
            raise TypeError(f"error code {cls.__name__} is declared twice: {other.__module__} and {cls.__module__}")

    def __init__(self, *, field: str | None = None, retry_after: int | None = None, **values: object) -> None:
        self.field = field
        self.retry_after = retry_after
        self.values = {"field": field or "", **values}
        super().__init__(self.message.en)

    @property
    def code(self) -> str:
        return type(self).__name__

    @property
    def message(self) -> Text:
        return self.text.format(**self.values)

    @property
    def advice(self) -> Text:
        return self.remedy.format(**self.values)


def registry() -> dict[str, type[MiyunError]]:
    """All declared error codes; tests require zh and en text and documentation for each."""
    return dict(_REGISTRY)


class InvalidArgument(MiyunError):
    """`reason` is a Text saying what is wrong with `field`."""

    status = 400
    text = Text("字段“{field}”无效：{reason_zh}。", "Field '{field}' is invalid: {reason_en}.")
    remedy = Text("请按接口说明修正该字段后重试。", "Correct the field as the API reference describes and try again.")

    def __init__(self, field: str, reason: Text, **values: Any) -> None:
        super().__init__(field=field, reason_zh=reason.zh.rstrip("。"), reason_en=reason.en.rstrip("."), **values)


class UnknownField(MiyunError):
    status = 400
    text = Text("不认识的字段“{field}”。", "Unknown field '{field}'.")
    remedy = Text("请删除该字段，或核对拼写。", "Remove the field or check its spelling.")


class TooLarge(MiyunError):
    status = 413
    text = Text("“{field}”过大：上限 {limit}。", "'{field}' is too large: the limit is {limit}.")
    remedy = Text("请缩小请求，或改用流式接口。", "Send less, or use the streaming operation.")


class Unauthenticated(MiyunError):
    status = 401
    text = Text("身份未通过验证。", "Authentication failed.")
    remedy = Text("请检查访问密钥、签名与时间。", "Check the access key, the signature and the clock.")


class CredentialExpired(Unauthenticated):
    text = Text("凭证已过期或已吊销。", "The credential has expired or was revoked.")
    remedy = Text("请由租户管理员重新签发凭证。", "Have a tenant administrator issue a new one.")


class ReplayedRequest(Unauthenticated):
    text = Text("请求已被使用过（重放）。", "This request was already used (replay).")
    remedy = Text("每个请求请使用新的随机数与当前时间。", "Use a fresh nonce and the current time for each request.")


class PermissionDenied(MiyunError):
    """`who` may, where that is known: an administrator who meets the separation of duties has to find the other one."""

    status = 403
    text = Text("无权执行“{permission}”。", "Not permitted: '{permission}'.")
    remedy = Text("请由{who_zh}办理。", "Ask {who_en}.")

    def __init__(self, permission: str = "", *, who: Text = _PERMITTED, field: str | None = None, **more: Any) -> None:
        super().__init__(permission=permission, who_zh=who.zh, who_en=who.en, field=field, **more)


class PasswordUnchanged(PermissionDenied):
    text = Text("首次登录须先修改密码。", "The first password has to be changed first.")
    remedy = Text("请先修改密码（account.change_password）。", "Change the password (account.change_password).")

    def __init__(self, permission: str) -> None:
        super().__init__(permission, field="password")


class KeyMissing(PermissionDenied):
    text = Text("该角色须以密钥登录，而您尚未登记密钥。", "This role needs a key, and yours is not registered yet.")
    remedy = Text("请登记密钥，并由另一位管理员核准。", "Register your key and have another administrator approve it.")

    def __init__(self, permission: str) -> None:
        super().__init__(permission, field="key")


class NotEntitled(MiyunError):
    status = 403
    text = Text("合同未包含该服务，或不在服务期内：{service}。", "Not covered by a contract in term: {service}.")
    remedy = Text("请核对合同权益，必要时签订补充协议。", "Check the entitlements; a supplement may be needed.")


class NotFound(MiyunError):
    status = 404
    text = Text("找不到 {kind}：{name}。", "No such {kind}: {name}.")
    remedy = Text("请核对标识。", "Check the identifier.")

    def __init__(self, kind: str, name: str, *, field: str | None = None) -> None:
        super().__init__(field=field or kind, kind=kind, name=name)


class Conflict(MiyunError):
    status = 409
    text = Text("与现有状态冲突：{reason_zh}", "Conflict: {reason_en}")
    remedy = Text("请刷新后重试。", "Refresh and try again.")

    def __init__(self, reason: Text, *, field: str | None = None) -> None:
        super().__init__(field=field, reason_zh=reason.zh, reason_en=reason.en)


class AlreadyExists(MiyunError):
    status = 409
    text = Text("{kind} 已存在：{name}。", "{kind} already exists: {name}.")
    remedy = Text("请换一个名称。", "Choose another name.")


class InDoubt(MiyunError):
    status = 409
    text = Text(
        "该幂等键的前一次请求结果未知，未再执行。",
        "The outcome of an earlier request with this idempotency key is unknown; it was not executed again.",
    )
    remedy = Text(
        "请查询资源现状，再以新的幂等键重试。", "Look up the resource, then retry with a new idempotency key."
    )


class IdempotencyMismatch(MiyunError):
    status = 409
    text = Text("同一幂等键用于不同的请求。", "The idempotency key was used for a different request.")
    remedy = Text("不同的请求请使用不同的幂等键。", "Use another idempotency key.")


class FailedPrecondition(MiyunError):
    status = 409
    text = Text("当前状态不允许此操作：{state}。", "The current state does not allow this: {state}.")
    remedy = Text("请先改变状态。", "Change the state first.")


class QuotaExceeded(MiyunError):
    status = 429
    text = Text(
        "本钟点配额已用完：{used}/{limit}（{meter}）。",
        "Quota of this clock hour is used up: {used}/{limit} ({meter}).",
    )
    remedy = Text(
        "请在 Retry-After 秒后重试，或增购服务授权。", "Retry after Retry-After seconds or buy another service licence."
    )


class Overloaded(MiyunError):
    status = 503
    text = Text("服务繁忙。", "The service is busy.")
    remedy = Text("请按 Retry-After 稍后重试。", "Retry after Retry-After seconds.")


class Unavailable(MiyunError):
    status = 503
    text = Text("服务暂不可用：{part}。", "Temporarily unavailable: {part}.")
    remedy = Text("请稍后重试；持续出现请联系服务方。", "Retry later; contact the supplier if it persists.")

    def __init__(self, part: str, *, retry_after: int | None = 2, **values: Any) -> None:
        super().__init__(retry_after=retry_after, part=part, **values)


class MachineLocked(Unavailable):
    text = Text("密码机未解锁，不提供密码服务。", "The cryptographic machine is locked.")
    remedy = Text("请由密码机操作员解锁。", "Have the machine's operators unlock it.")

    def __init__(self) -> None:
        super().__init__("vsm", retry_after=30)


class DatabaseUnreachable(Unavailable):
    text = Text("数据库连接不上，操作未执行。", "The database cannot be reached; nothing was done.")
    remedy = Text(
        "请由平台运维检查 database.dsn 与数据库服务。", "Have the platform operator check database.dsn and its server."
    )

    def __init__(self) -> None:
        super().__init__("database", retry_after=5)


class StorageFull(Unavailable):
    text = Text("存储空间不足，操作未执行。", "Storage is full; nothing was done.")
    remedy = Text("请由平台运维扩容后重试。", "Have the platform operator free space, then retry.")

    def __init__(self) -> None:
        super().__init__("storage", retry_after=60)


class ClockUntrusted(Unavailable):
    text = Text(
        "时钟不可信（偏差超限或被调整），暂停签发。",
        "The clock is not to be relied upon (drift, or a step); nothing is issued.",
    )
    remedy = Text("请检查时间源；见 timestamp.status。", "Check the time sources; see timestamp.status.")

    def __init__(self) -> None:
        super().__init__("clock", retry_after=60)


class CryptoFailure(MiyunError):
    """Opaque on purpose: no cause, no field."""

    status = 400


class InvalidSignature(CryptoFailure):
    text = Text("签名无效。", "The signature is not valid.")
    remedy = Text("请核对数据、公钥与用户标识。", "Check the data, the public key and the user id.")


class DecryptionFailed(CryptoFailure):
    text = Text("解密失败。", "Decryption failed.")
    remedy = Text("请核对密文、密钥与附加数据。", "Check the ciphertext, the key and the associated data.")


class InternalError(MiyunError):
    pass
