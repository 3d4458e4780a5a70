"""Requests and answers about applications for certificates."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from miyun.core.listing import Cursor, Format, SortText
from miyun.core.operation import Struct
from miyun.offerings.certificate.messages import Limit, Pem, Serial

ApplicationId = Annotated[str, msgspec.Meta(max_length=40)]
Note = Annotated[str, msgspec.Meta(max_length=500)]
StateName = Literal["pending", "approved", "forwarded", "issued", "rejected", "withdrawn", "expired"]


class ApplyRequest(Struct, frozen=True):
    """`csr` is PEM, or base64 of DER, plain (GM/T 0092) or of CFCA's form. An empty `subject` takes the request's own.

    `pair`: "escrow" has the key-management centre make the encryption key; "own" takes `encryption_public_key`; left
    empty it follows from what was given."""

    template: Annotated[str, msgspec.Meta(max_length=32)]
    csr: Pem
    subject: dict[str, str] = msgspec.field(default_factory=dict)
    names: Annotated[list[str], msgspec.Meta(max_length=100)] = msgspec.field(default_factory=list)
    days: int | None = None
    pair: Literal["", "none", "escrow", "own"] = ""
    encryption_public_key: bytes = b""
    on_behalf_of: Annotated[str, msgspec.Meta(max_length=200)] = ""
    note: Note = ""
    outside: Annotated[str, msgspec.Meta(max_length=40)] = ""


class RenewRequest(Struct, frozen=True):
    """`csr` may prove once more that the key is held; it is of the same key then."""

    serial: Serial
    csr: Pem = ""
    days: int | None = None
    note: Note = ""


class RekeyRequest(Struct, frozen=True):
    """A new key for the subject of a certificate. With `revoke_previous` the old one is revoked as superseded when the
    new one is issued."""

    serial: Serial
    csr: Pem
    days: int | None = None
    encryption_public_key: bytes = b""
    revoke_previous: bool = True
    note: Note = ""


class ApplicationRequest(Struct, frozen=True):
    application: ApplicationId


class ApproveRequest(Struct, frozen=True):
    application: ApplicationId
    note: Note = ""


class RejectRequest(Struct, frozen=True):
    application: ApplicationId
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class FileRequest(Struct, frozen=True):
    application: ApplicationId
    format: Literal["pem", "der", "chain", "p7b", "encryption_pem", "encryption_der", "enveloped_key", "csr"] = "pem"


class ListRequest(Struct, frozen=True):
    """`mine`: only what the caller applied for."""

    text: Annotated[str, msgspec.Meta(max_length=200)] = ""
    state: Literal["", "pending", "approved", "forwarded", "issued", "rejected", "withdrawn", "expired"] = ""
    template: Annotated[str, msgspec.Meta(max_length=32)] = ""
    batch: Annotated[str, msgspec.Meta(max_length=40)] = ""
    mine: bool = False
    sort: SortText = ""
    limit: Limit = 50
    cursor: Cursor | None = None


class ExportRequest(Struct, frozen=True):
    format: Format = "csv"
    text: Annotated[str, msgspec.Meta(max_length=200)] = ""
    template: Annotated[str, msgspec.Meta(max_length=32)] = ""
    batch: Annotated[str, msgspec.Meta(max_length=40)] = ""
    sort: SortText = ""
    state: Literal["", "pending", "approved", "forwarded", "issued", "rejected", "withdrawn", "expired"] = ""


class ApplicationView(Struct, frozen=True):
    application: str
    kind: Literal["new", "renewal", "rekey"]
    state: StateName
    template: str
    subject: str
    names: list[str]
    days: int | None
    pair: Literal["none", "escrow", "own"]
    key_algorithm: str
    key_sm3: str
    cfca: bool
    applicant: str
    applicant_role: str
    on_behalf_of: str
    note: str
    applied_at: datetime
    expires_at: datetime
    reviewer: str | None
    reviewed_at: datetime | None
    reason: str
    outside: str | None
    previous: str | None
    certificate: str | None
    encryption_certificate: str | None
    finished_at: datetime | None
    batch: str | None
    reference: str


class ApplicationPage(Struct, frozen=True):
    items: list[ApplicationView]
    next_cursor: str | None = None
