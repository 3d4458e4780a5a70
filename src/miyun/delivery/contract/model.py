"""What a service contract says. Every value carries the clause and the words it was read from.

`confidence` is 0..1: 1.0 = stated in so many words, below 0.8 = inferred from layout or from another clause.
What the contract does not say is `None` and is listed in `Contract.not_contractual`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cited(Generic[T]):
    """One value with its place in the text."""

    value: T
    clause: str
    quote: str
    confidence: float = 1.0


class Side(StrEnum):
    CLIENT = "client"
    SUPPLIER = "supplier"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class PartyMention:
    """One block of the text that presents a party: the cover, the signature page, an annex."""

    name: Cited[str]
    fields: dict[str, Cited[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Party:
    """`word` is the contract's own: 甲方, 采购人, 供应商 ...; `fields` hold the first statement of each of
    address, phone, fax, postcode, contact, legal_representative, bank, account, account_name, credit_code, email."""

    side: Side
    word: str
    name: Cited[str]
    fields: dict[str, Cited[str]]
    mentions: tuple[PartyMention, ...] = ()


@dataclass(frozen=True, slots=True)
class StatedAmount:
    """A sum as written: in figures, in capitals (大写), or both. Amounts are in 元; None = not written."""

    clause: str
    quote: str
    figure_as_written: str | None = None
    figure: Decimal | None = None
    figure_step: Decimal = Decimal("0.01")
    """Half of this is the greatest rounding the written figure can hide, in 元 (1 for `3.7591万元`)."""
    capitals_as_written: str | None = None
    capitals: Decimal | None = None
    confidence: float = 1.0
    capitals_prevail: bool = False
    """Figure and capitals differ and the rest of the contract agrees with the capitals, or the figure is rounded."""

    @property
    def amount(self) -> Decimal | None:
        if self.figure is None or (self.capitals_prevail and self.capitals is not None):
            return self.capitals
        return self.figure


@dataclass(frozen=True, slots=True)
class Term:
    """The service term; both dates are inclusive. `start_rule` is set when the start is not a written date."""

    start: Cited[date] | None
    end: Cited[date] | None
    months: Cited[int] | None
    start_rule: Cited[str] | None = None


@dataclass(frozen=True, slots=True)
class CapacityRule:
    """`operations` per `period` need `licences`; so each licence carries `per_licence`."""

    operations: int
    period: str
    licences: int
    noun: str
    clause: str
    quote: str

    @property
    def per_licence(self) -> int:
        return self.operations // self.licences


@dataclass(frozen=True, slots=True)
class ServiceLine:
    """One line of the price list; money in 元, None = blank in the text."""

    number: str
    name: str
    description: str
    unit_price: Decimal | None
    unit: str
    quantity: Decimal | None
    amount: Decimal | None
    remark: str
    clause: str
    quote: str
    confidence: float
    periods: Decimal | None = None
    """A further factor of the amount where the list has a column for it (期限, 年限)."""
    capacity: CapacityRule | None = None
    per_application_and_service: bool = False
    """The remark counts one per application and per service that it uses."""
    offering: str | None = None
    offering_confidence: float = 0.0


class DayKind(StrEnum):
    WORKING_DAY = "working_day"
    DAY = "day"
    HOUR = "hour"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Deadline:
    """`count` of `unit` before or after `anchor` (signature, term_end, acceptance, payment_due, request ...)."""

    count: int
    unit: DayKind
    anchor: str
    before: bool = False


@dataclass(frozen=True, slots=True)
class Payment:
    """One instalment. `amount` is percentage x total, rounded to the fen, or the written sum without a percentage."""

    number: int
    label: str
    percent: Decimal | None
    amount: Decimal | None
    stated: StatedAmount
    due: date | None
    due_rule: Deadline | None
    condition: str
    clause: str
    quote: str
    confidence: float


class Duty(StrEnum):
    """Kinds of obligations the reader knows."""

    ONSITE_ARRIVAL = "onsite_arrival"
    SOLUTION_PROPOSAL = "solution_proposal"
    SERVICE_RESTORATION = "service_restoration"
    RESPONSE = "response"
    AVAILABILITY = "availability"
    SUPPORT_HOURS = "support_hours"
    HOTLINE = "hotline"
    EVENT_ASSURANCE = "event_assurance"
    EMERGENCY_STRATEGY = "emergency_strategy"
    CHANGE_REPLY = "change_reply"
    CHANGE_WRITTEN = "change_written"
    TRAINING = "training"
    TRAINING_PLAN = "training_plan"
    TRAINING_ADJUSTMENT = "training_adjustment"
    ACCEPTANCE_START = "acceptance_start"
    ACCEPTANCE_REPORT = "acceptance_report"
    ACCEPTANCE_REQUEST = "acceptance_request"
    RECTIFICATION = "rectification"
    DOCUMENTS = "documents"
    TECHNICAL_DOCUMENTS = "technical_documents"
    DOCUMENT_FORM = "document_form"
    DOCUMENT_COPIES = "document_copies"
    NO_SUBCONTRACTING = "no_subcontracting"
    NO_ASSIGNMENT = "no_assignment"
    INVOICE_FIRST = "invoice_first"
    BANK_CHANGE_NOTICE = "bank_change_notice"
    PAYMENT_RESTRICTED = "payment_restricted"
    PRICE_ADJUSTMENT = "price_adjustment"
    FIXED_PRICE = "fixed_price"
    NO_SUSPENSION = "no_suspension"
    STAFF_CHANGE_LIMIT = "staff_change_limit"
    STAFF_CHANGE_NOTICE = "staff_change_notice"
    STAFF_CONSENT = "staff_consent"
    STAFF_REPLACEMENT = "staff_replacement"
    CONFIDENTIALITY = "confidentiality"
    CONFIDENTIALITY_TERM = "confidentiality_term"
    ACCESS_SCOPE = "access_scope"
    EXIT_MIGRATION = "exit_migration"
    RETURN_OR_DESTROY = "return_or_destroy"
    NO_IP_FILING = "no_ip_filing"
    IP_OWNERSHIP = "ip_ownership"
    SECURITY_BOUNDARY = "security_boundary"
    SECURITY_REVIEW = "security_review"
    EMERGENCY_DRILL = "emergency_drill"
    THIRD_PARTY_TEST = "third_party_test"
    COOPERATION = "cooperation"
    FORCE_MAJEURE = "force_majeure"
    BREACH_NOTICE = "breach_notice"
    RESCISSION_NOTICE = "rescission_notice"
    LANGUAGE = "language"


@dataclass(frozen=True, slots=True)
class Obligation:
    """One duty. `number` and `unit` are what the clause fixes (4, "小时"; 15, "%"), if anything."""

    kind: Duty
    who: Side
    number: Decimal | None
    unit: str
    deadline: Deadline | None
    items: tuple[str, ...]
    clause: str
    quote: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Penalty:
    """Evidence for the parties, never a bill: no sum is charged by reading it."""

    kind: str
    who: Side
    rate: Decimal | None
    """Percent of `base`."""
    per: str
    """"once" or "day"."""
    base: str
    """"total" or "overdue"; `base_words` are the contract's own."""
    cap: bool
    amount: Decimal | None
    """`rate` of the total where `base` is the total; None otherwise."""
    triggers: tuple[str, ...]
    clause: str
    quote: str
    confidence: float
    base_words: str = ""


@dataclass(frozen=True, slots=True)
class Copies:
    total: int | None
    client: int | None
    supplier: int | None


@dataclass(frozen=True, slots=True)
class Annex:
    """`present` is false when the contract lists an annex whose text is not in the file.

    `titles` are all names it goes by, each with the clause that uses it; `title` is the first.
    """

    number: str
    title: str
    present: bool
    clause: str
    titles: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Contract:
    title: Cited[str] | None
    project: Cited[str] | None
    parties: tuple[Party, ...]
    total: StatedAmount | None
    term: Term
    signed_on: Cited[date] | None
    services: tuple[ServiceLine, ...]
    list_total: StatedAmount | None
    """The price list's own 合计 row."""
    payments: tuple[Payment, ...]
    obligations: tuple[Obligation, ...]
    penalties: tuple[Penalty, ...]
    precedence: Cited[tuple[str, ...]] | None
    dispute: Cited[str] | None
    copies: Cited[Copies] | None
    annexes: tuple[Annex, ...]
    not_contractual: tuple[str, ...] = ()

    def party(self, side: Side) -> Party | None:
        return next((p for p in self.parties if p.side is side), None)
