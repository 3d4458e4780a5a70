"""Requests and answers about certificates that near their end."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from miyun.core.listing import Cursor, Format, SortText
from miyun.core.operation import Struct
from miyun.offerings.certificate.messages import Limit

Days = Annotated[int, msgspec.Meta(ge=1, le=400)]


class ExpiringRequest(Struct, frozen=True):
    days: Days = 30
    text: Annotated[str, msgspec.Meta(max_length=200)] = ""
    sort: SortText = ""
    limit: Limit = 50
    cursor: Cursor | None = None


class ExportExpiring(Struct, frozen=True):
    days: Days = 30
    text: Annotated[str, msgspec.Meta(max_length=200)] = ""
    sort: SortText = ""
    format: Format = "csv"


class ExpiringView(Struct, frozen=True):
    """`application`: the application for it, which tells whom to ask."""

    serial: str
    subject: str
    template: str
    not_after: datetime
    days_left: int
    renewable: bool
    application: str | None


class ExpiringPage(Struct, frozen=True):
    items: list[ExpiringView]
    next_cursor: str | None = None
