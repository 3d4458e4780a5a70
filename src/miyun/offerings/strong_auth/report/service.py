"""Attempts are noted as they happen; lists are read from what was noted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, TypeVar

from miyun.core.errors import InvalidArgument, MiyunError, NotFound, Overloaded
from miyun.core.i18n import Text
from miyun.core.ids import new_id
from miyun.core.listing import Column, Page, Sort, Sorting, export, exporting
from miyun.core.operation import Call, Download
from miyun.offerings.strong_auth.messages import AccountView, Done
from miyun.offerings.strong_auth.model import SESSION_IDLE, Account
from miyun.offerings.strong_auth.report import messages as m
from miyun.offerings.strong_auth.report.model import FAILURES, KEEP, WINDOW, Attempt
from miyun.offerings.strong_auth.report.store import ReportStore

Row = TypeVar("Row")
ATTEMPTS: Final = Sorting({"at": datetime, "account": str, "outcome": str}, default="-at", key=str)
ACCOUNTS: Final = Sorting({"created": str, "account": str, "not_after": datetime}, default="created", key=str)
SESSIONS: Final = Sorting({"opened": datetime, "account": str}, default="-opened", key=str)
_EXPORT: Final = 500

_ATTEMPT_COLUMNS: Final[tuple[Column[Attempt], ...]] = (
    Column("at", Text("时间", "Time"), lambda a: a.at),
    Column("application", Text("应用", "Application"), lambda a: a.application),
    Column("client", Text("客户端", "Client"), lambda a: a.client),
    Column("method", Text("方式", "Way"), lambda a: a.method),
    Column("account", Text("账号", "Account"), lambda a: a.account),
    Column("subject", Text("证书主题", "Subject"), lambda a: a.subject),
    Column("serial", Text("证书序列号", "Serial number"), lambda a: a.serial),
    Column("outcome", Text("结果", "Outcome"), lambda a: a.outcome),
    Column("revocation", Text("吊销检查", "Revocation"), lambda a: a.revocation),
    Column("signed", Text("本次签名", "Signed"), lambda a: a.signed),
    Column("peer", Text("来源地址", "Address"), lambda a: a.peer),
)
_ACCOUNT_COLUMNS: Final[tuple[Column[Account], ...]] = (
    Column("application", Text("应用", "Application"), lambda a: a.application),
    Column("account", Text("账号", "Account"), lambda a: a.account),
    Column("subject", Text("证书主题", "Subject"), lambda a: a.subject),
    Column("issuer", Text("签发者", "Issuer"), lambda a: a.issuer),
    Column("serial", Text("证书序列号", "Serial number"), lambda a: a.serial),
    Column("not_after", Text("有效期至", "Valid until"), lambda a: a.not_after),
    Column("state", Text("状态", "State"), lambda a: str(a.state)),
    Column("created_at", Text("绑定时间", "Bound"), lambda a: a.created_at),
)

_SESSION_COLUMNS: Final[tuple[Column[m.OpenSession], ...]] = (
    Column("account", Text("账号", "Account"), lambda s: s.account),
    Column("application", Text("应用", "Application"), lambda s: s.application),
    Column("client", Text("客户端", "Client"), lambda s: s.client),
    Column("method", Text("方式", "Way"), lambda s: s.method),
    Column("serial", Text("证书序列号", "Serial number"), lambda s: s.serial),
    Column("opened_at", Text("登录时间", "Since"), lambda s: s.opened_at),
    Column("last_seen_at", Text("最近活动", "Last seen"), lambda s: s.last_seen_at),
    Column("expires_at", Text("最迟结束", "Ends by"), lambda s: s.expires_at),
)


class TooManyFailures(Overloaded):
    text = Text("该地址登录失败次数过多。", "Too many failed logins from this address.")
    remedy = Text("请稍后再试。", "Try again later.")


class Reports:
    def __init__(self, store: ReportStore) -> None:
        self._store = store

    # noting

    @contextmanager
    def noted(self, call: Call, *, application: str, method: str, client: str = "") -> Iterator[None]:
        """What the block's login comes to; what it tells of the certificate and account is in the call's notes."""
        tenant = call.tenant or ""
        try:
            yield
        except MiyunError as error:
            if error.status < 500 and call.resource.get("serial"):  # without a certificate nobody can be named
                self._note(call, tenant, application, client, method, error.code)
            raise
        self._note(call, tenant, application, client, method, "ok")

    def check_address(self, peer: str, now: datetime) -> None:
        """Raises TooManyFailures: whoever sends anything could fill the records."""
        if peer and self._store.failures_from(peer, now - WINDOW) >= FAILURES:
            raise TooManyFailures(retry_after=int(WINDOW.total_seconds()))

    def sweep(self, now: datetime) -> None:
        self._store.sweep(now - KEEP)

    def _note(self, call: Call, tenant: str, application: str, client: str, method: str, outcome: str) -> None:
        told: dict[str, Any] = {**call.detail, **call.resource}
        self._store.add(
            Attempt(
                id=new_id("att"),
                at=call.now,
                tenant=tenant,
                application=application,
                client=client,
                method=method,
                account=str(call.detail.get("account", "")),
                subject=str(told.get("subject", ""))[:1024],
                serial=str(told.get("serial", "")),
                outcome=outcome,
                revocation=str(told.get("revocation", "")),
                signed=bool(told.get("signed", True)),
                peer=call.peer,
            )
        )

    # lists

    async def report(self, call: Call, request: m.AskReport) -> m.Report:
        page = await self._attempts(call, request, request.limit, request.cursor)
        return m.Report(items=[m.AttemptView.of(item) for item in page.items], next_cursor=page.next_cursor)

    async def export_report(self, call: Call, request: m.ExportReport) -> Download:
        async def pages(cursor: str | None) -> Page[Attempt]:
            return await self._attempts(call, request, _EXPORT, cursor)

        ATTEMPTS.sort(request.sort)
        return export(pages, _ATTEMPT_COLUMNS, form=request.format, locale=call.locale, name="logins")

    async def accounts(self, call: Call, request: m.ListAccounts) -> m.AccountList:
        page = await self._accounts(call, request, request.limit, request.cursor)
        return m.AccountList(items=[AccountView.of(item) for item in page.items], next_cursor=page.next_cursor)

    async def export_accounts(self, call: Call, request: m.ExportAccounts) -> Download:
        async def pages(cursor: str | None) -> Page[Account]:
            return await self._accounts(call, request, _EXPORT, cursor)

        ACCOUNTS.sort(request.sort)
        return export(pages, _ACCOUNT_COLUMNS, form=request.format, locale=call.locale, name="accounts")

    async def sessions(self, call: Call, request: m.ListSessions) -> m.SessionList:
        sort = SESSIONS.sort(request.sort)
        rows = await asyncio.to_thread(
            self._store.sessions,
            call.require_tenant(),
            application=call.principal.application or request.application or "",
            now=call.now,
            idle=call.now - SESSION_IDLE,
            sort=sort,
            place=SESSIONS.place(sort, request.cursor),
            limit=request.limit,
        )
        fields = {"opened": lambda s: s.opened_at, "account": lambda s: s.account}
        page = _page(rows, request.limit, SESSIONS, sort, fields)
        return m.SessionList(items=[m.OpenSession.of(item) for item in page.items], next_cursor=page.next_cursor)

    export_sessions = exporting(sessions, m.ListSessions, _SESSION_COLUMNS, name="sessions")

    async def end(self, call: Call, request: m.SessionRef) -> Done:
        call.resource["session"] = request.session_id[:12]
        ended = await asyncio.to_thread(self._store.end_session, call.require_tenant(), request.session_id, call.now)
        if not ended:
            raise NotFound("session", request.session_id, field="session_id")
        return Done(done=True)

    async def _attempts(self, call: Call, request: m.AskReport, limit: int, cursor: str | None) -> Page[Attempt]:
        if request.start and request.end and request.end <= request.start:
            raise InvalidArgument("end", Text("应晚于 start", "must be after start"))
        sort = ATTEMPTS.sort(request.sort)
        rows = await asyncio.to_thread(
            self._store.attempts,
            call.require_tenant(),
            start=request.start,
            end=request.end,
            application=request.application,
            account=request.account,
            outcome=request.outcome,
            sort=sort,
            place=ATTEMPTS.place(sort, cursor),
            limit=limit,
        )
        fields = {"at": lambda a: a.at, "account": lambda a: a.account, "outcome": lambda a: a.outcome}
        return _page(rows, limit, ATTEMPTS, sort, fields)

    async def _accounts(self, call: Call, request: m.ListAccounts, limit: int, cursor: str | None) -> Page[Account]:
        sort = ACCOUNTS.sort(request.sort)
        rows = await asyncio.to_thread(
            self._store.accounts,
            call.require_tenant(),
            application=call.principal.application or request.application or "",
            text=request.text,
            sort=sort,
            place=ACCOUNTS.place(sort, cursor),
            limit=limit,
        )
        fields = {"created": lambda a: a.id, "account": lambda a: a.account, "not_after": lambda a: a.not_after}
        return _page(rows, limit, ACCOUNTS, sort, fields)


def _page(
    rows: Sequence[Any], limit: int, sorting: Sorting, sort: Sort, fields: dict[str, Callable[[Any], Any]]
) -> Page[Any]:
    """Rows fetched with one more than `limit`."""
    if len(rows) <= limit:
        return Page(rows)
    last = rows[limit - 1]
    return Page(rows[:limit], sorting.cursor(sort, fields[sort.field](last), last.id))
