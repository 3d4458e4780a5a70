"""Errors of tenancy; the class name is the code.

RoleConflict, LastAdministrator, PersonState ...: see `miyun.core.errors` for the tree they hang on.
"""

from __future__ import annotations

from miyun.core.errors import (
    FailedPrecondition,
    InvalidArgument,
    MiyunError,
    PermissionDenied,
    Unauthenticated,
)
from miyun.core.i18n import Text


class RoleConflict(MiyunError):
    status = 409
    text = Text(
        "同一人不得同时担任“{one_zh}”与“{other_zh}”。",
        "One person may not be both {one_en} and {other_en}.",
    )
    remedy = Text("请由不同人员分别担任（三员分立）。", "Give the roles to different people.")

    def __init__(self, one: Text, other: Text) -> None:
        super().__init__(field="roles", one_zh=one.zh, one_en=one.en, other_zh=other.zh, other_en=other.en)


class OwnAccount(PermissionDenied):
    text = Text("不得变更本人的账号与角色。", "Nobody changes their own account or roles.")
    remedy = Text("请由另一位管理员办理。", "Ask another administrator.")

    def __init__(self) -> None:
        super().__init__(field="person")


class LastAdministrator(FailedPrecondition):
    text = Text("这是最后一名在用的{role_zh}。", "This is the last active {role_en}.")
    remedy = Text("请先指定接替人员。", "Appoint a successor first.")

    def __init__(self, role: Text) -> None:
        super().__init__(field="person", role_zh=role.zh, role_en=role.en)


class WeakPassword(InvalidArgument):
    remedy = Text(
        "请使用至少 12 个字符，或至少 10 个字符且含大写、小写、数字、符号中的三类。",
        "Use at least 12 characters, or at least 10 with three of upper case, lower case, digits and symbols.",
    )


class ClockSkew(Unauthenticated):
    text = Text("请求时间与平台时间相差超过 5 分钟。", "The request's time is more than 5 minutes off the platform's.")
    remedy = Text("请校准客户端时钟后重新签名。", "Set the client's clock and sign again.")


class SessionExpired(Unauthenticated):
    text = Text("登录已过期。", "The session has ended.")
    remedy = Text("请重新登录。", "Sign in again.")


class CsrfMismatch(PermissionDenied):
    text = Text("页面令牌缺失或不符，操作未执行。", "The page token is missing or wrong; nothing was done.")
    remedy = Text("请刷新页面后重试。", "Reload the page and try again.")


class GrantRequired(PermissionDenied):
    text = Text(
        "未获该租户的限时授权，不得进入。",
        "Supplier staff enter a tenant only under its time-limited authorisation.",
    )
    remedy = Text(
        "请由租户安全管理员授权（人员、用途、时段）。",
        "Have the tenant's security administrator authorise the person, purpose and time.",
    )


class SeveralInstances(InvalidArgument):
    remedy = Text("请用 X-Miyun-Instance 指明服务实例。", "Name the service instance with X-Miyun-Instance.")
