"""A recovery of an escrowed key and its life, as a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from miyun.core.i18n import Text

DECISION: Final = timedelta(days=7)  # within which both have to agree
DELIVERY: Final = timedelta(days=3)  # after that, within which it has to be collected


class Kind(StrEnum):
    USER = "user"  # to its holder, under another certificate of the same subject
    JUDICIAL = "judicial"  # to an authority with the power to demand it


class State(StrEnum):
    REQUESTED = "requested"
    APPROVED = "approved"
    DELIVERED = "delivered"
    REJECTED = "rejected"
    EXPIRED = "expired"


TRANSITIONS: Final = {
    State.REQUESTED: frozenset({State.APPROVED, State.REJECTED, State.EXPIRED}),
    State.APPROVED: frozenset({State.DELIVERED, State.REJECTED, State.EXPIRED}),
    State.DELIVERED: frozenset[State](),
    State.REJECTED: frozenset[State](),
    State.EXPIRED: frozenset[State](),
}

STATE_TEXTS: Final = {
    State.REQUESTED: Text("待批准", "waiting for approval"),
    State.APPROVED: Text("已批准，待领取", "approved and not collected yet"),
    State.DELIVERED: Text("已领取", "delivered"),
    State.REJECTED: Text("已驳回", "rejected"),
    State.EXPIRED: Text("已过期", "expired"),
}


class Consent(StrEnum):
    """Whose agreement it takes: 系统管理员 for the organisation, a second 安全管理员 for the keys."""

    SYSTEM = "system"
    SECURITY = "security"


@dataclass(frozen=True, slots=True)
class Recovery:
    """`receiver` is the certificate under whose key the escrowed one is delivered; `reference` the paper of a judicial
    recovery."""

    id: str
    tenant: str
    escrow: str
    subject: str
    kind: Kind
    reason: str
    reference: str
    receiver: bytes = field(repr=False)
    requester: str
    requested_at: datetime
    expires_at: datetime
    state: State
    system_consent: str | None = None
    system_consent_at: datetime | None = None
    security_consent: str | None = None
    security_consent_at: datetime | None = None
    closed_by: str | None = None
    closed_at: datetime | None = None
    note: str = ""
