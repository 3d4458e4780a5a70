"""Errors of onboarding."""

from __future__ import annotations

from miyun.core.errors import MiyunError
from miyun.core.i18n import Text


class OnboardingIncomplete(MiyunError):
    status = 503
    had_effect = True
    text = Text(
        "应用 {application} 已登记，但接入没有完成：{reason_zh}",
        "The application {application} is registered, but its onboarding is not complete: {reason_en}",
    )
    remedy = Text(
        "请对该应用逐项添加服务（onboarding.service.add），并另行签发访问密钥。",
        "Add its services one by one (onboarding.service.add) and issue it an access key.",
    )

    def __init__(self, application: str, cause: MiyunError) -> None:
        super().__init__(
            field="services", application=application, reason_zh=cause.message.zh, reason_en=cause.message.en
        )
