"""Contracts, entitlements and instances, in the nouns of the Open Service Broker API where it has one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any

from miyun.core.clock import SHANGHAI


class ContractState(StrEnum):
    """draft → active → ended → exit_closed, never back."""

    DRAFT = "draft"
    ACTIVE = "active"
    ENDED = "ended"
    EXIT_CLOSED = "exit_closed"


class Overuse(StrEnum):
    """What happens past the bought quantity; never silent."""

    REFUSE = "refuse"
    ALLOW = "allow"  # and report


class ItemState(StrEnum):
    OPEN = "open"
    DONE = "done"
    WAIVED = "waived"


@dataclass(frozen=True, slots=True)
class Term:
    """First and last day, both inside, as the contract writes them (Asia/Shanghai)."""

    first: date
    last: date

    @property
    def start(self) -> datetime:
        return datetime.combine(self.first, time(), SHANGHAI)

    @property
    def end(self) -> datetime:
        """The first moment after the term."""
        return datetime.combine(self.last + timedelta(days=1), time(), SHANGHAI)

    def holds(self, now: datetime) -> bool:
        return self.start <= now < self.end


@dataclass(frozen=True, slots=True)
class Party:
    side: str  # "client" 甲方 | "supplier" 乙方
    name: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EntitlementSpec:
    """`hourly_capacity`: units a clock hour per unit bought, by meter. `counts_bindings`: this line buys onboardings
    (应用接入): its quantity is set beside the count of application × service."""

    offering: str
    plan: str
    quantity: int
    hourly_capacity: Mapping[str, int] = field(default_factory=dict)
    overuse: Overuse = Overuse.REFUSE
    counts_bindings: bool = False
    clause: str = ""


@dataclass(frozen=True, slots=True)
class ItemSpec:
    """A payment, obligation or deadline of the contract; what it means is its kind's business, not core's."""

    kind: str
    data: Mapping[str, Any]
    due: date | None = None


@dataclass(frozen=True, slots=True)
class ContractSpec:
    """What `activate` needs. `document` is the imported contract as JSON; its digest identifies the contract.

    `effective` differs from `term` only in a rehearsal, which every page and paper labels."""

    number: str
    title: str
    document: bytes
    parties: Sequence[Party]
    tenant_name: str
    term: Term
    effective: Term
    entitlements: Sequence[EntitlementSpec]
    items: Sequence[ItemSpec] = ()
    rehearsal: bool = False
    tenant_code: str | None = None
    tenant: str | None = None  # an existing tenant, for a further contract of the same customer


@dataclass(frozen=True, slots=True)
class Contract:
    id: str
    tenant: str
    number: str
    title: str
    digest: str  # hex, of the document
    document: bytes = field(repr=False)
    parties: tuple[Party, ...]
    term: Term
    effective: Term
    rehearsal: bool
    state: ContractState
    created_at: datetime
    exit_paper: str | None = None  # the written permission that closed the exit

    def state_at(self, now: datetime) -> ContractState:
        """An active contract whose term is over has ended, whether or not a job has noted it."""
        if self.state == ContractState.ACTIVE and now >= self.effective.end:
            return ContractState.ENDED
        return self.state


@dataclass(frozen=True, slots=True)
class Entitlement:
    id: str
    contract: str
    instance: str
    offering: str
    plan: str
    quantity: int
    hourly_capacity: Mapping[str, int]
    overuse: Overuse
    counts_bindings: bool
    clause: str

    def hourly_limit(self, meter: str) -> int | None:
        """Units a clock hour for all bought units together; None when the plan names no capacity for the meter."""
        capacity = self.hourly_capacity.get(meter)
        return None if capacity is None else capacity * self.quantity


@dataclass(frozen=True, slots=True)
class Instance:
    """An offering opened for a tenant under a contract."""

    id: str
    tenant: str
    contract: str
    offering: str
    plan: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Item:
    id: str
    contract: str
    kind: str
    data: Mapping[str, Any]
    due: date | None
    state: ItemState
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Usable:
    """An instance with all that decides whether a call may use it now."""

    instance: str
    tenant: str
    offering: str
    contract: str
    state: ContractState
    start: datetime
    end: datetime
    entitlement: Entitlement
    binding: str | None = None

    def open_for(self, now: datetime, *, quota_free: bool) -> bool:
        if self.state in (ContractState.DRAFT, ContractState.EXIT_CLOSED) or now < self.start:
            return False
        return quota_free or (self.state == ContractState.ACTIVE and now < self.end)


@dataclass(frozen=True, slots=True)
class Activated:
    """`created` is False when the same document was activated before. `first_logins`: login name → one-time password
    of a new tenant's administrators, for 0600 files; empty otherwise."""

    tenant: str
    contract: str
    instances: Mapping[str, str]  # offering → instance
    created: bool
    first_logins: Mapping[str, str] = field(default_factory=dict, repr=False)
