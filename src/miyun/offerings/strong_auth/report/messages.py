"""Requests and answers of the lists."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from miyun.core.listing import Cursor, Format, SortText
from miyun.core.operation import Struct
from miyun.offerings.strong_auth.messages import AccountView, Limit
from miyun.offerings.strong_auth.model import Session
from miyun.offerings.strong_auth.report.model import Attempt

Filter = Annotated[str, Meta(max_length=128)]


class AskReport(Struct):
    """`sort`: at (newest first as default), account or outcome; with - before it, descending."""

    start: datetime | None = None
    end: datetime | None = None
    application: Filter = ""
    account: Filter = ""
    outcome: Literal["", "ok", "refused"] = ""
    sort: SortText = ""
    limit: Limit = 100
    cursor: Cursor | None = None


class ExportReport(AskReport):
    format: Format = "csv"


class AttemptView(Struct):
    """`outcome`: ok, or the code of the error."""

    at: datetime
    application: str
    client: str
    method: str
    account: str
    subject: str
    serial: str
    outcome: str
    revocation: str
    signed: bool
    peer: str

    @staticmethod
    def of(item: Attempt) -> AttemptView:
        return AttemptView(**{name: getattr(item, name) for name in AttemptView.__struct_fields__})


class Report(Struct):
    items: list[AttemptView]
    next_cursor: str | None = None


class ListAccounts(Struct):
    """`sort`: created (the default), account or not_after. `text`: of the account or the subject, or a serial."""

    application: str | None = None
    text: Filter = ""
    sort: SortText = ""
    limit: Limit = 50
    cursor: Cursor | None = None


class ExportAccounts(ListAccounts):
    format: Format = "csv"


class AccountList(Struct):
    items: list[AccountView]
    next_cursor: str | None = None


class ListSessions(Struct):
    """Those that are open. `sort`: opened (newest first as default) or account."""

    application: str | None = None
    sort: SortText = ""
    limit: Limit = 50
    cursor: Cursor | None = None


class ExportSessions(Struct):
    application: str | None = None
    sort: SortText = ""
    format: Format = "csv"


class OpenSession(Struct):
    """`session_id` names it and opens nothing."""

    session_id: str
    application: str
    client: str
    method: str
    account: str
    serial: str
    opened_at: datetime
    last_seen_at: datetime
    expires_at: datetime

    @staticmethod
    def of(item: Session) -> OpenSession:
        values = {name: getattr(item, name) for name in OpenSession.__struct_fields__ if name != "session_id"}
        return OpenSession(session_id=item.id, **values)


class SessionList(Struct):
    items: list[OpenSession]
    next_cursor: str | None = None


class SessionRef(Struct):
    session_id: Annotated[str, Meta(max_length=64)]
