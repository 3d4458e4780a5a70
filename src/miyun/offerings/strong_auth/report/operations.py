"""Operations of the lists."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from miyun.core.i18n import Text
from miyun.core.operation import Call, Download, Duty, Operation, Role
from miyun.offerings.strong_auth.messages import Done
from miyun.offerings.strong_auth.report import messages as m
from miyun.offerings.strong_auth.report.service import Reports

if TYPE_CHECKING:
    from miyun.offerings.strong_auth.service import StrongAuthService

_PEOPLE = frozenset({Role.TENANT_SECURITY, Role.TENANT_SYSTEM, Role.TENANT_AUDIT})
_READERS = frozenset({Role.APPLICATION, Role.TENANT_SECURITY, Role.TENANT_DEVELOPER, Role.TENANT_AUDIT})

Verb = Callable[[Reports, Call, Any], Awaitable[Any]]


def _by(verb: Verb) -> Callable[[StrongAuthService, Call, Any], Awaitable[Any]]:
    async def handler(room: StrongAuthService, call: Call, request: Any) -> Any:
        return await verb(room.reports, call, request)

    return handler


def _read(name: str, path: str, summary: Text, request: Any, response: Any, verb: Verb, **more: Any) -> Operation:
    return Operation(
        **{
            "id": f"strong_auth.{name}",
            "summary": summary,
            "method": "GET",
            "path": f"/strong_auth/{path}",
            "request": request,
            "response": response,
            "handler": _by(verb),
            "roles": _PEOPLE,
            "duty": Duty.READ,
            "example": {},
            "quota_free": True,
            **more,
        }
    )


_FILE: dict[str, Any] = {"reply": "stream", "example": {"format": "csv"}}

OPERATIONS: tuple[Operation, ...] = (
    _read(
        "account.list", "accounts", Text("列出已绑定的账号", "List bound accounts"),
        m.ListAccounts, m.AccountList, Reports.accounts, roles=_READERS,
    ),
    _read(
        "account.export", "accounts/file", Text("导出账号", "Export accounts"),
        m.ExportAccounts, Download, Reports.export_accounts, roles=_READERS, **_FILE,
    ),
    _read("report", "report", Text("登录报告", "Login report"), m.AskReport, m.Report, Reports.report),
    _read(
        "report.export", "report/file", Text("导出登录报告", "Export the login report"),
        m.ExportReport, Download, Reports.export_report, **_FILE,
    ),
    _read(
        "session.list", "sessions", Text("列出在线会话", "List open sessions"),
        m.ListSessions, m.SessionList, Reports.sessions, roles=_READERS,
    ),
    _read(
        "session.export", "sessions/file", Text("导出在线会话", "Export open sessions"),
        m.ExportSessions, Download, Reports.export_sessions, roles=_READERS, **_FILE,
    ),
    Operation(
        id="strong_auth.session.terminate",
        summary=Text("强制结束会话", "End somebody's session"),
        method="DELETE",
        path="/strong_auth/sessions/{session_id}",
        request=m.SessionRef,
        response=Done,
        handler=_by(Reports.end),
        roles=frozenset({Role.TENANT_SECURITY}),
        duty=Duty.POLICY,
        example={"session_id": "…"},
        tenant_fields=("session_id",),
    ),
)  # fmt: skip
