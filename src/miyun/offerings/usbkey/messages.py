"""Requests and answers about USB keys."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from miyun.core.listing import Cursor, Format, SortText
from miyun.core.operation import Struct

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Optional = Annotated[str, msgspec.Meta(max_length=64)]
KeyId = Annotated[str, msgspec.Meta(max_length=40)]
Note = Annotated[str, msgspec.Meta(max_length=500)]
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
Limit = Annotated[int, msgspec.Meta(ge=1, le=500)]
StateName = Literal["stock", "initialised", "personalised", "issued", "lost", "returned", "scrapped"]
AnyState = Literal["", "stock", "initialised", "personalised", "issued", "lost", "returned", "scrapped"]
RequestStateName = Literal["pending", "approved", "done", "rejected", "expired"]
MAX_BATCH = 1000


class NewKey(Struct, frozen=True):
    """`serial` as the key itself tells it (SKF_GetDevInfo)."""

    serial: Name
    label: Optional = ""
    maker: Optional = ""
    model: Optional = ""


class RegisterRequest(Struct, frozen=True):
    items: Annotated[list[NewKey], msgspec.Meta(min_length=1, max_length=MAX_BATCH)]


class Outcome(Struct, frozen=True):
    """Of one item: the key and its state now, or the error's code and text."""

    serial: str
    usbkey: str | None = None
    state: StateName | None = None
    error: str | None = None
    zh: str = ""
    en: str = ""


class BatchAnswer(Struct, frozen=True):
    items: list[Outcome]


class KeyRequest(Struct, frozen=True):
    usbkey: KeyId


class NotedRequest(Struct, frozen=True):
    usbkey: KeyId
    note: Note = ""


class HandOutRequest(Struct, frozen=True):
    usbkey: KeyId
    holder: Name
    note: Note = ""


class BatchRequest(Struct, frozen=True):
    """The same for many keys; each fails for itself."""

    action: Literal["lose", "take_back"]
    usbkeys: Annotated[list[KeyId], msgspec.Meta(min_length=1, max_length=MAX_BATCH)]
    note: Note = ""


class InitialiseAnswer(Struct, frozen=True):
    """What the operator's program writes into the key, and keeps nowhere. Repeating it gives the same until the key has
    certificates."""

    usbkey: str
    application: str
    admin_pin: str
    authentication_key: bytes


class CertifyRequest(Struct, frozen=True):
    """`public_key` is 04‖x‖y of the signing key made in the USB key; `proof` its SM2 signature (DER, default user ID)
    over the octets "miyun usbkey" ‖ 0 ‖ usbkey ‖ 0 ‖ public_key."""

    usbkey: KeyId
    public_key: bytes
    proof: bytes
    subject: dict[str, str]
    template: Annotated[str, msgspec.Meta(max_length=32)] = "person"
    names: Annotated[list[str], msgspec.Meta(max_length=20)] = msgspec.field(default_factory=list)
    days: int | None = None


class FiledAnswer(Struct, frozen=True):
    """How the application for a key's certificates stands (`certificate.application.*`). `single_person`: its template
    asks for no review, and nobody but the applicant has looked at it."""

    usbkey: str
    application: str
    state: Literal["pending", "approved", "forwarded", "issued", "rejected", "withdrawn", "expired"]
    reviewer: str | None
    reason: str
    single_person: bool


class CertificatesAnswer(Struct, frozen=True):
    """DER, once they are issued, to be written into the key; then `usbkey.key.personalise` says that they are. The
    `enveloped_key` opens with the key's signing key only."""

    filed: FiledAnswer
    signing_certificate: bytes | None = None
    encryption_certificate: bytes | None = None
    enveloped_key: bytes | None = None
    chain: list[bytes] = msgspec.field(default_factory=list)


class ListRequest(Struct, frozen=True):
    """`text` is sought in serial, label, holder and subject; `expiring_days`: certificates end within so many days."""

    text: Annotated[str, msgspec.Meta(max_length=200)] = ""
    state: AnyState = ""
    expiring_days: Annotated[int, msgspec.Meta(ge=0, le=3650)] = 0
    sort: SortText = ""
    limit: Limit = 50
    cursor: Cursor | None = None


class ExportRequest(Struct, frozen=True):
    text: Annotated[str, msgspec.Meta(max_length=200)] = ""
    state: AnyState = ""
    expiring_days: Annotated[int, msgspec.Meta(ge=0, le=3650)] = 0
    sort: SortText = ""
    format: Format = "csv"


class KeyView(Struct, frozen=True):
    usbkey: str
    serial: str
    label: str
    maker: str
    model: str
    state: StateName
    holder: str
    subject: str
    certificate: str | None
    encryption_certificate: str | None
    application: str | None
    expires_at: datetime | None
    registered_at: datetime
    changed_at: datetime


class KeyPage(Struct, frozen=True):
    items: list[KeyView]
    next_cursor: str | None = None


class EventView(Struct, frozen=True):
    at: datetime
    what: str
    person: str
    note: str


class KeyDetail(Struct, frozen=True):
    key: KeyView
    events: list[EventView]


class Use(Struct, frozen=True):
    kind: Literal["account", "session"]
    application: str
    name: str
    state: str
    at: datetime | None


class AffectedAnswer(Struct, frozen=True):
    """Who is affected when the key is lost: its certificates, the accounts bound to them, and their open sessions."""

    usbkey: str
    serial: str
    holder: str
    certificates: list[str]
    revoked: bool
    uses: list[Use]


class AskRequest(Struct, frozen=True):
    """`token_challenge` is what the token gave (`miyun usbkey challenge`); without it, unlocking hands the
    administrator's PIN to whoever asked, once."""

    usbkey: KeyId
    kind: Literal["unlock", "scrap"]
    reason: Reason
    token_challenge: Annotated[bytes, msgspec.Meta(max_length=2048)] = b""


class ApprovalRequest(Struct, frozen=True):
    approval: KeyId
    note: Note = ""


class RejectRequest(Struct, frozen=True):
    approval: KeyId
    note: Reason


class ApprovalView(Struct, frozen=True):
    approval: str
    usbkey: str
    kind: Literal["unlock", "scrap"]
    state: RequestStateName
    remote: bool
    reason: str
    asked_by: str
    asked_at: datetime
    expires_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    note: str


class ApprovalListRequest(Struct, frozen=True):
    state: Literal["", "pending", "approved", "done", "rejected", "expired"] = ""
    sort: SortText = ""
    limit: Limit = 50
    cursor: Cursor | None = None


class ApprovalExportRequest(Struct, frozen=True):
    state: Literal["", "pending", "approved", "done", "rejected", "expired"] = ""
    sort: SortText = ""
    format: Format = "csv"


class ApprovalPage(Struct, frozen=True):
    items: list[ApprovalView]
    next_cursor: str | None = None


class CollectAnswer(Struct, frozen=True):
    """`response` answers a challenge; otherwise `admin_pin` is the key's administrator's PIN."""

    approval: str
    response: bytes = b""
    admin_pin: str = ""


class FindingRequest(Struct, frozen=True):
    maker: Name
    system: Name
    works: bool
    model: Optional = ""
    library: Optional = ""
    note: Note = ""


class FindingView(Struct, frozen=True):
    maker: str
    model: str
    system: str
    library: str
    works: bool
    note: str
    at: datetime


class FindingListRequest(Struct, frozen=True):
    sort: SortText = ""
    limit: Limit = 50
    cursor: Cursor | None = None


class FindingExportRequest(Struct, frozen=True):
    sort: SortText = ""
    format: Format = "csv"


class FindingPage(Struct, frozen=True):
    items: list[FindingView]
    next_cursor: str | None = None
