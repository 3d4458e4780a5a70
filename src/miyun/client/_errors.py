"""What a call may raise.

MiyunError
├─ ConnectionFailed        no answer; whether the operation took place is unknown unless it is idempotent
├─ IncompleteAnswer        a streamed answer broke off
├─ KeyUnusable             the key that should sign cannot, or may not
└─ ApiError                the platform refused; `code` is the error code of the API reference
   ├─ InvalidRequest       400, 413, 415
   ├─ CryptoFailure        400: InvalidSignature, DecryptionFailed
   ├─ Unauthenticated      401
   ├─ PermissionDenied     403
   │  └─ StepUpRequired    the person signs `message` with the key, and sends the same request again
   ├─ NotFound             404
   ├─ Conflict             409
   ├─ QuotaExceeded        429, carries retry_after
   └─ Unavailable          5xx, may carry retry_after
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


class MiyunError(Exception):
    """Base of all errors of this package."""


class ConnectionFailed(MiyunError):
    pass


class IncompleteAnswer(MiyunError):
    pass


class KeyUnusable(MiyunError):
    """`code` is the key agent's; `tries`: how often the PIN may still be given; `consent`: the page where its user is
    asked."""

    def __init__(
        self, message: str, *, code: int | None = None, tries: int | None = None, consent: str | None = None
    ) -> None:
        self.code, self.tries, self.consent = code, tries, consent
        super().__init__(f"{message} {consent}" if consent else message)

    @classmethod
    def unreachable(cls, address: str, language: str) -> KeyUnusable:
        zh = f"{address} 没有密码钥匙助手：请先执行 miyun agent。"
        return cls(zh if language == "zh" else f"There is no key agent at {address}: start miyun agent first.")

    @classmethod
    def among(cls, names: Sequence[str], language: str) -> KeyUnusable:
        """Not exactly one of those that are plugged in was named."""
        listed = ", ".join(names)
        if not listed:
            return cls("没有插入带证书的密码钥匙。" if language == "zh" else "No key with a certificate is plugged in.")
        return cls(f"请选定一把密码钥匙：{listed}" if language == "zh" else f"Choose one of the keys: {listed}")

    @classmethod
    def other_text(cls, begins: str, operation: str | None, language: str) -> KeyUnusable:
        """What the platform wants signed does not do what was asked for."""
        if language == "zh":
            return cls(f"平台要求签名的内容不是{f'对 {operation} 的确认' if operation else '登录'}：{begins!r}")
        wanted = f"does not confirm {operation}" if operation else "is no sign-in"
        return cls(f"what the platform wants signed {wanted}: {begins!r}")

    @classmethod
    def elsewhere(cls, address: str, url: str, language: str) -> KeyUnusable:
        if language == "zh":
            return cls(f"要求签名的内容属于 {address}，而不是 {url}：请改用该地址，或核对平台的 server.public_url。")
        return cls(
            f"What is to be signed belongs to {address}, not to {url}: use that address, or correct the platform's "
            "server.public_url."
        )


class ApiError(MiyunError):
    """`zh` and `en` hold detail and remedy; `field` names the request's field that is wrong."""

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after: int | None = None) -> None:
        self.status = status
        self.code = str(problem.get("code", f"HTTP{status}"))
        self.detail = str(problem.get("detail", ""))
        self.remedy = str(problem.get("remedy", ""))
        self.field: str | None = problem.get("field")
        self.request_id: str | None = problem.get("request_id")
        self.zh: Mapping[str, str] = problem.get("zh") or {}
        self.en: Mapping[str, str] = problem.get("en") or {}
        self.step_up: Mapping[str, str] = problem.get("step_up") or {}
        self.retry_after = retry_after
        super().__init__(f"{self.code}: {self.detail} {self.remedy}".strip())


class InvalidRequest(ApiError):
    pass


class CryptoFailure(ApiError):
    pass


class Unauthenticated(ApiError):
    pass


class PermissionDenied(ApiError):
    pass


class StepUpRequired(PermissionDenied):
    @property
    def message(self) -> str:
        """What is to be signed: it names the person, the operation, and the digest of the request."""
        return str(self.step_up["message"])

    @property
    def header(self) -> str:
        return str(self.step_up["header"])


class NotFound(ApiError):
    pass


class Conflict(ApiError):
    pass


class QuotaExceeded(ApiError):
    pass


class Unavailable(ApiError):
    pass


_BY_STATUS: dict[int, type[ApiError]] = {
    400: InvalidRequest,
    401: Unauthenticated,
    403: PermissionDenied,
    404: NotFound,
    409: Conflict,
    413: InvalidRequest,
    415: InvalidRequest,
    429: QuotaExceeded,
}
_CRYPTO = frozenset({"InvalidSignature", "DecryptionFailed"})


def error_of(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """The error of an answer; what is no problem document is an error all the same."""
    try:
        problem = json.loads(body)
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    after = headers.get("retry-after", "")
    kind = _BY_STATUS.get(status, Unavailable if status >= 500 else ApiError)
    if problem.get("code") in _CRYPTO:
        kind = CryptoFailure
    elif problem.get("code") == "StepUpRequired" and "step_up" in problem:
        kind = StepUpRequired
    return kind(status, problem, int(after) if after.isdigit() else None)
