"""Orders of certificates from outside CAs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

PATIENCE: Final = timedelta(days=7)  # an ACME order that is not issued by then has failed
MOMENT: Final = timedelta(seconds=3)  # until an ACME order is looked at again
LATER: Final = timedelta(minutes=5)  # after the CA was out of reach


class Way(StrEnum):
    ACME = "acme"  # by the CA's ACME directory, which the platform's operator configured
    PAPER = "paper"  # the request goes out and the certificate comes in by hand: DV, OV, EV, SM2


class State(StrEnum):
    ORDERED = "ordered"
    SUBMITTED = "submitted"
    ISSUED = "issued"
    DEPLOYED = "deployed"
    EXPIRED = "expired"
    RENEWED = "renewed"
    FAILED = "failed"
    CANCELLED = "cancelled"


# from state → verbs allowed there and where they lead
TRANSITIONS: Final[dict[State, dict[str, State]]] = {
    State.ORDERED: {"submit": State.SUBMITTED, "issue": State.ISSUED, "cancel": State.CANCELLED, "fail": State.FAILED},
    State.SUBMITTED: {"issue": State.ISSUED, "cancel": State.CANCELLED, "fail": State.FAILED},
    State.ISSUED: {"deploy": State.DEPLOYED, "expire": State.EXPIRED, "renew": State.RENEWED},
    State.DEPLOYED: {"deploy": State.DEPLOYED, "expire": State.EXPIRED, "renew": State.RENEWED},
    State.EXPIRED: {"renew": State.RENEWED},
    State.RENEWED: {},
    State.FAILED: {},
    State.CANCELLED: {},
}
HOLDS: Final = (State.ISSUED, State.DEPLOYED)


@dataclass(frozen=True, slots=True)
class OutsideCa:
    """An ACME directory that the platform's operator configured. `ca_file`: whom to believe of its TLS certificate."""

    name: str
    url: str
    ca_file: str = ""


@dataclass(frozen=True, slots=True)
class OutsideAccount:
    """An account at an outside CA; its key stays in the key management room."""

    id: str
    tenant: str
    ca: str
    key: str
    address: str  # what the CA calls it
    contact: tuple[str, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class OutsideOrder:
    id: str
    tenant: str
    instance: str
    way: Way
    ca: str  # configured name, or what people call the CA
    account: str | None
    level: str  # dv | ov | ev
    names: tuple[str, ...]
    csr: bytes = field(repr=False)  # DER
    algorithm: str  # of the key
    solver: str  # http-01 | dns-01, of an ACME order
    state: State
    created_at: datetime
    reference: str = ""  # the CA's own number, or address, of the order
    progress: dict[str, Any] = field(default_factory=dict)  # authorization → challenge that was answered
    due_at: datetime | None = None
    error: str = ""
    chain: str = field(default="", repr=False)  # PEM, the certificate first
    encryption_chain: str = field(default="", repr=False)
    enveloped_key: bytes | None = field(default=None, repr=False)
    serial: str = ""
    not_after: datetime | None = None
    deployed_to: str = ""
    replaces: str | None = None
    rehearsal: bool = False  # with a throw-away key: to see that it would work
