"""The one rendering of errors over HTTP: RFC 9457 problem documents, in the caller's language and in both."""

from __future__ import annotations

from typing import Any

import msgspec

from miyun.core.errors import MiyunError, Unauthenticated
from miyun.core.i18n import Locale, Text

MEDIA_TYPE = "application/problem+json"
_TITLES = {
    400: Text("请求有误", "Bad request"),
    401: Text("未通过身份验证", "Not authenticated"),
    403: Text("无权访问", "Not permitted"),
    404: Text("找不到", "Not found"),
    405: Text("方法不被支持", "Method not allowed"),
    408: Text("请求超时", "Request timeout"),
    409: Text("状态冲突", "Conflict"),
    413: Text("请求过大", "Too large"),
    415: Text("媒体类型不被支持", "Unsupported media type"),
    429: Text("超出配额", "Quota exceeded"),
    500: Text("内部错误", "Internal error"),
    503: Text("服务暂不可用", "Temporarily unavailable"),
}
CHALLENGE = 'MIYUN1-HMAC-SM3 realm="miyun", Basic realm="miyun", charset="UTF-8"'


def document(error: MiyunError, locale: Locale, request_id: str) -> dict[str, Any]:
    """`type` and `code` are for programs, `detail` and `remedy` for people; `zh` and `en` hold both languages."""
    message, advice = error.message, error.advice
    title = _TITLES.get(error.status, _TITLES[500] if error.status >= 500 else _TITLES[400])
    problem: dict[str, Any] = {
        "type": f"urn:miyun:error:{error.code}",
        "title": title.to(locale),
        "status": error.status,
        "code": error.code,
        "detail": message.to(locale),
        "remedy": advice.to(locale),
        "request_id": request_id,
        "zh": {"detail": message.zh, "remedy": advice.zh},
        "en": {"detail": message.en, "remedy": advice.en},
    }
    problem.update(error.details)
    if error.field:
        problem["field"] = error.field
    if error.retry_after is not None:
        problem["retry_after"] = error.retry_after
    return problem


def render(error: MiyunError, locale: Locale, request_id: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers (lower case) and body."""
    return (
        error.status,
        headers_of(error) | {"content-type": MEDIA_TYPE},
        msgspec.json.encode(document(error, locale, request_id)),
    )


def headers_of(error: MiyunError) -> dict[str, str]:
    """What HTTP itself says of an error, whatever form its body has."""
    headers: dict[str, str] = {}
    if error.retry_after is not None:
        headers["retry-after"] = str(error.retry_after)
    if isinstance(error, Unauthenticated):
        headers["www-authenticate"] = CHALLENGE
    if error.status in (408, 413):
        headers["connection"] = "close"  # the rest of the body is not wanted
    return headers
