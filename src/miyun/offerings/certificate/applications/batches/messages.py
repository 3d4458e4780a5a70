"""Requests and answers about batches of applications."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from miyun.core.listing import Cursor, Format, SortText
from miyun.core.operation import Struct
from miyun.offerings.certificate.applications.batches.model import MAX_ROWS
from miyun.offerings.certificate.applications.messages import ApplicationId, Note, StateName
from miyun.offerings.certificate.messages import BatchError, Limit, Pem

BatchId = Annotated[str, msgspec.Meta(max_length=40)]
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class ApplyRow(Struct, frozen=True):
    """As `certificate.application.apply`; `reference` is the applicant's own name for it."""

    csr: Pem
    reference: Annotated[str, msgspec.Meta(max_length=128)] = ""
    subject: dict[str, str] = msgspec.field(default_factory=dict)
    names: Annotated[list[str], msgspec.Meta(max_length=100)] = msgspec.field(default_factory=list)
    on_behalf_of: Annotated[str, msgspec.Meta(max_length=200)] = ""
    encryption_public_key: Annotated[bytes, msgspec.Meta(max_length=4096)] = b""


class ApplyBatchRequest(Struct, frozen=True):
    """Either `rows` or `table`: CSV whose first line names its columns (reference, csr, names, on_behalf_of, and those
    of the subject: CN, O, OU, …). Signing keys are made where their holders are, so every row has a request; `pair`
    "escrow" has the encryption keys made by the key-management centre."""

    template: Annotated[str, msgspec.Meta(max_length=32)]
    rows: Annotated[list[ApplyRow], msgspec.Meta(max_length=MAX_ROWS)] = msgspec.field(default_factory=list)
    table: Annotated[str, msgspec.Meta(max_length=8 * 1024 * 1024)] = ""
    days: int | None = None
    pair: Literal["", "none", "escrow", "own"] = ""
    note: Note = ""
    outside: Annotated[str, msgspec.Meta(max_length=40)] = ""


class BatchRequest(Struct, frozen=True):
    batch: BatchId


class Rejection(Struct, frozen=True):
    application: ApplicationId
    reason: Reason


class ReviewRequest(Struct, frozen=True):
    """Every row that waits and is not named in `reject` is approved; `approve` is how many these are, so that nobody
    approves what they did not see."""

    batch: BatchId
    approve: Annotated[int, msgspec.Meta(ge=0, le=MAX_ROWS)]
    reject: Annotated[list[Rejection], msgspec.Meta(max_length=MAX_ROWS)] = msgspec.field(default_factory=list)
    note: Note = ""


class RowView(Struct, frozen=True):
    """`application` None: the row was not taken, for `error`."""

    reference: str
    application: str | None = None
    state: StateName | None = None
    error: BatchError | None = None


class BatchView(Struct, frozen=True):
    """`counts`: rows by state. `refused`: rows that were not taken when it was handed in."""

    batch: str
    state: Literal["pending", "issuing", "done"]
    template: str
    applicant: str
    applicant_role: str
    note: str
    applied_at: datetime
    expires_at: datetime
    rows: int
    refused: int
    counts: dict[str, int]
    reviewer: str | None
    reviewed_at: datetime | None
    review_note: str


class BatchAnswer(Struct, frozen=True):
    """`rows` in the order in which they came. `batch` None: no row was taken."""

    batch: BatchView | None
    rows: list[RowView]


class ListRequest(Struct, frozen=True):
    """`mine`: only what the caller handed in; `waiting`: only those with rows that wait for their review."""

    mine: bool = False
    waiting: bool = False
    sort: SortText = ""
    limit: Limit = 50
    cursor: Cursor | None = None


class ExportRequest(Struct, frozen=True):
    waiting: bool = False
    sort: SortText = ""
    format: Format = "csv"


class BatchPage(Struct, frozen=True):
    items: list[BatchView]
    next_cursor: str | None = None


class ResultsRequest(Struct, frozen=True):
    batch: BatchId
    format: Format = "csv"
