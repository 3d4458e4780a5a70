"""What a call may raise.

MiyunError
├─ ConnectionFailed        no answer; whether the operation took place is unknown unless it is idempotent
├─ IncompleteAnswer        a streamed answer broke off
└─ ApiError                the platform refused; `code` is the error code of the API reference
   ├─ InvalidRequest       400, 413, 415
   ├─ CryptoFailure        400: InvalidSignature, DecryptionFailed
   ├─ Unauthenticated      401
   ├─ PermissionDenied     403
   ├─ NotFound             404
   ├─ Conflict             409
   ├─ QuotaExceeded        429, carries retry_after
   └─ Unavailable          5xx, may carry retry_after
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class MiyunError(Exception):
    """Base of all errors of this package."""


class ConnectionFailed(MiyunError):
    pass


class IncompleteAnswer(MiyunError):
    pass


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
    return kind(status, problem, int(after) if after.isdigit() else None)
