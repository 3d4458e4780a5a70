"""Requests and answers of `delivery.*` and `performance.*`."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from msgspec import Meta

from miyun.core.operation import Struct

MAX_SCAN = 8 * 1024 * 1024
Identifier = Annotated[str, Meta(min_length=1, max_length=128)]


class Nothing(Struct):
    pass


class ContractName(Struct):
    contract: Identifier


class FileName(Struct):
    contract: Identifier
    path: Annotated[str, Meta(min_length=1, max_length=512)]


class DossierFile(Struct):
    path: str
    title: str
    clause: str
    size: int
    sm3: str


class DossierMissing(Struct):
    path: str
    title: str
    clause: str
    reason: str


class DossierView(Struct):
    """`ready`: nothing the contract asks for is missing, so acceptance may be applied for."""

    contract: str
    title: str
    rehearsal: bool
    built: bool
    ready: bool
    generated_at: datetime | None
    path: str
    files: list[DossierFile]
    missing: list[DossierMissing]


class DossierList(Struct):
    items: list[DossierView]


class Levels(Struct):
    """Availability of the current calendar month by the platform's own probes; not contractual unless said so."""

    start: datetime
    end: datetime
    target: str
    contractual: bool
    observed_minutes: int
    unobserved_minutes: int
    down_minutes: int
    percent: str | None
    outages: list[dict[str, Any]]


# performance


class PaperRequest(Struct):
    """One step done, and the paper that shows it. `paper` names it: title, number, date. `arrived_at`: when it reached
    the other party. `amount`: decimal string in 元, of an invoice or a payment. `scan`: PDF, OFD, JPEG, PNG or TIFF."""

    contract: Identifier
    item: Identifier
    done_on: date
    paper: Annotated[str, Meta(min_length=4, max_length=300)]
    delivered_by: Literal["hand", "post", "email", "fax", "signing_platform"]
    arrived_at: datetime
    scan: Annotated[bytes, Meta(min_length=1, max_length=MAX_SCAN)]
    step: Literal["done", "invoice", "confirmation"] = "done"
    amount: Annotated[str, Meta(pattern=r"^[0-9]{1,12}(\.[0-9]{1,2})?$")] | None = None
    note: Annotated[str, Meta(max_length=1000)] = ""


class RecordName(Struct):
    contract: Identifier
    record: Identifier


class WithdrawRequest(Struct):
    contract: Identifier
    record: Identifier
    reason: Annotated[str, Meta(min_length=2, max_length=500)]


class ActView(Struct):
    side: str
    by: str
    at: datetime
    reason: str


class RecordView(Struct):
    """`state`: pending (the other party has to confirm) | stands | withdrawn. `differs`: the sum is not the one of the
    clause. `digest`: SM3 of the scan."""

    record: str
    item: str
    kind: str
    what: str
    what_en: str
    clause: str
    step: str
    side: str
    state: str
    state_zh: str
    state_en: str
    done_on: date
    paper: str
    delivered_by: str
    arrived_at: datetime
    amount: str | None
    contractual_amount: str | None
    differs: bool
    note: str
    media_type: str
    size: int
    digest: str
    by: str
    at: datetime
    confirmed: ActView | None
    withdrawn: ActView | None


class RecordList(Struct):
    items: list[RecordView]
