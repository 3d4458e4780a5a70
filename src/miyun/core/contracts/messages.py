"""Requests and responses of `contract.*`, `usage.*` and `audit.*`."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from msgspec import Meta

from miyun.core.operation import Empty, Struct

__all__ = ("Empty",)

Identifier = Annotated[str, Meta(min_length=1, max_length=128)]
Limit = Annotated[int, Meta(ge=1, le=500)]


class Page(Struct):
    limit: Limit = 50
    cursor: str | None = None


class ContractName(Struct):
    contract: Identifier


class ContractView(Struct):
    """`first_day` and `last_day` are those in force; in a rehearsal they differ from the contractual ones."""

    contract: str
    tenant: str
    number: str
    title: str
    state: str
    rehearsal: bool
    first_day: date
    last_day: date
    contractual_first_day: date
    contractual_last_day: date
    parties: list[dict[str, Any]]
    digest: str
    created_at: datetime


class ContractList(Struct):
    items: list[ContractView]
    next_cursor: str | None


class ContractDocument(Struct):
    """The imported contract as it was confirmed."""

    contract: str
    digest: str
    document: Any


class InstanceView(Struct):
    instance: str
    offering: str
    plan: str
    contract: str
    state: str
    rehearsal: bool
    first_day: date
    last_day: date
    created_at: datetime


class InstanceList(Struct):
    items: list[InstanceView]


class Covered(Struct):
    """`open`: in term. `leaving`: only what a client needs in order to leave: reading, decrypting, exporting."""

    offering: str
    open: bool
    leaving: bool


class Coverage(Struct):
    items: list[Covered]


class MeterUse(Struct):
    """`limit`, `left`: None when the contract names no hourly capacity. `warning`: 0, 70 or 90 percent of the clock
    hour's capacity reached. Totals are of the whole term so far."""

    meter: str
    limit: int | None
    used_this_hour: int
    left_this_hour: int | None
    warning: int
    total: int
    refused: int
    over: int


class EntitlementView(Struct):
    entitlement: str
    contract: str
    instance: str
    offering: str
    plan: str
    quantity: int
    overuse: str
    clause: str
    first_day: date
    last_day: date
    meters: list[MeterUse]


class OnboardingCount(Struct):
    """Onboardings (应用接入) bought and done: each application × service counts one. `over` is a finding, never a
    bill: the price is fixed."""

    bought: int
    done: int
    over: int


class DueItem(Struct):
    item: str
    kind: str
    due: date | None
    overdue: bool
    data: dict[str, Any]


class Overview(Struct):
    """Bought, used, left and due next, of one contract."""

    contract: ContractView
    entitlements: list[EntitlementView]
    onboarding: OnboardingCount | None
    due_next: list[DueItem]
    as_of: datetime


class ItemQuery(Struct):
    contract: Identifier
    kind: str | None = None


class ItemView(Struct):
    item: str
    kind: str
    due: date | None
    state: str
    data: dict[str, Any]
    updated_at: datetime


class ItemList(Struct):
    items: list[ItemView]


class CloseExit(Struct):
    """`paper` names the client's written permission: number and date of the sealed paper."""

    contract: Identifier
    paper: Annotated[str, Meta(min_length=4, max_length=500)]


# usage


class StatementQuery(Struct):
    """A period of days in Asia/Shanghai, both inside; default: the contract's term up to today. `rolling` also
    computes the busiest rolling hour from the single records."""

    contract: Identifier
    first_day: date | None = None
    last_day: date | None = None
    rolling: bool = False


class StatementLine(Struct):
    instance: str
    offering: str
    plan: str
    quantity: int
    meter: str
    hourly_limit: int | None
    units: int
    refused: int
    over: int
    hours_used: int
    peak_hour: datetime | None
    peak_hour_units: int
    rolling_peak_units: int | None
    rolling_peak_at: datetime | None


class Statement(Struct):
    """用量结算单: what was used, as the ledger counted it. Evidence, never a bill. `head_size`, `head_link` and
    `head_root` name the journal it was taken from; `note` says why rolling hours are missing, if they are."""

    contract: ContractView
    first_day: date
    last_day: date
    made_at: datetime
    lines: list[StatementLine]
    onboarding: OnboardingCount | None
    head_size: int
    head_link: str
    head_root: str
    note: str


class HoursQuery(Struct):
    instance: Identifier
    first_day: date
    last_day: date


class HourView(Struct):
    meter: str
    hour: datetime
    units: int
    refused: int
    over: int


class HourList(Struct):
    items: list[HourView]


# audit


class RecordQuery(Struct):
    """Newest first; `cursor` is the number to go on from."""

    operation: str | None = None
    instance: str | None = None
    limit: Limit = 50
    cursor: str | None = None


class RecordView(Struct):
    seq: int
    at: datetime
    operation: str
    outcome: str
    code: str
    tenant: str
    instance: str
    binding: str
    principal: str
    role: str
    request_id: str
    resource: dict[str, str]
    meter: str
    units: int
    detail: dict[str, Any]


class RecordList(Struct):
    items: list[RecordView]
    next_cursor: str | None


class RecordName(Struct):
    seq: Annotated[int, Meta(ge=0)]


class ProofView(Struct):
    """`record` are the exact bytes in the journal; `path` the Merkle inclusion proof in the tree of `size` records
    with the root `root` (RFC 6962, the platform's digest)."""

    seq: int
    record: bytes
    size: int
    root: str
    link: str
    path: list[str]
