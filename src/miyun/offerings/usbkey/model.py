"""A USB key's life and what two people decide about it, as tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from miyun.core.i18n import Text
from miyun.core.ports import Custody

APPLICATION: Final = "MIYUN"  # on the key, as GM/T 0016 means applications
SOFTWARE_MAKER: Final = "Miyun"  # what our software tokens say of themselves
NO_END: Final = datetime(9999, 12, 31, tzinfo=UTC)  # of a key without certificates: a sorted column is never empty
REMINDER: Final = timedelta(days=30)
CHECKED_FOR: Final = timedelta(days=30)  # after a key was lost or taken back: that its certificates were revoked
REQUEST_LIFETIME: Final = timedelta(days=7)
COLLECT_WITHIN: Final = timedelta(hours=1)


class State(StrEnum):
    STOCK = "stock"
    INITIALISED = "initialised"
    PERSONALISED = "personalised"  # its certificates are written
    ISSUED = "issued"  # handed out
    LOST = "lost"
    RETURNED = "returned"
    SCRAPPED = "scrapped"


class Action(StrEnum):
    INITIALISE = "initialise"
    PERSONALISE = "personalise"
    HAND_OUT = "hand_out"
    LOSE = "lose"
    TAKE_BACK = "take_back"
    SCRAP = "scrap"


TRANSITIONS: Final[dict[Action, tuple[frozenset[State], State]]] = {
    Action.INITIALISE: (frozenset({State.STOCK, State.RETURNED, State.INITIALISED}), State.INITIALISED),
    Action.PERSONALISE: (frozenset({State.INITIALISED, State.PERSONALISED}), State.PERSONALISED),
    Action.HAND_OUT: (frozenset({State.PERSONALISED}), State.ISSUED),
    Action.LOSE: (frozenset({State.PERSONALISED, State.ISSUED, State.LOST}), State.LOST),
    Action.TAKE_BACK: (frozenset({State.PERSONALISED, State.ISSUED, State.LOST, State.RETURNED}), State.RETURNED),
    Action.SCRAP: (frozenset({State.STOCK, State.INITIALISED, State.RETURNED, State.LOST}), State.SCRAPPED),
}
WITHDRAWN: Final = {State.LOST: "key_compromise", State.RETURNED: "cessation_of_operation"}  # why it was revoked
RENEWABLE: Final = frozenset({State.PERSONALISED, State.ISSUED})
CERTIFIED: Final = TRANSITIONS[Action.PERSONALISE][0] | RENEWABLE  # certificates may be written in these
UNLOCKABLE: Final = frozenset({State.INITIALISED, State.PERSONALISED, State.ISSUED})

STATE_TEXTS: Final = {
    State.STOCK: Text("在库", "in stock"),
    State.INITIALISED: Text("已初始化", "initialised"),
    State.PERSONALISED: Text("已写证书", "personalised"),
    State.ISSUED: Text("已发放", "handed out"),
    State.LOST: Text("已挂失", "reported lost"),
    State.RETURNED: Text("已收回", "returned"),
    State.SCRAPPED: Text("已报废", "scrapped"),
}
ACTION_TEXTS: Final = {
    Action.INITIALISE: Text("初始化", "initialised"),
    Action.PERSONALISE: Text("写入证书", "certificates written"),
    Action.HAND_OUT: Text("发放", "handed out"),
    Action.LOSE: Text("挂失", "reported lost"),
    Action.TAKE_BACK: Text("收回", "taken back"),
    Action.SCRAP: Text("报废", "scrapped"),
}


class RequestKind(StrEnum):
    UNLOCK = "unlock"
    SCRAP = "scrap"


class RequestState(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"  # of an unlocking: its answer waits for whoever asked
    DONE = "done"
    REJECTED = "rejected"
    EXPIRED = "expired"


REQUEST_TRANSITIONS: Final = {
    RequestState.PENDING: frozenset(
        {RequestState.APPROVED, RequestState.DONE, RequestState.REJECTED, RequestState.EXPIRED}
    ),
    RequestState.APPROVED: frozenset({RequestState.DONE, RequestState.EXPIRED}),
    RequestState.DONE: frozenset[RequestState](),
    RequestState.REJECTED: frozenset[RequestState](),
    RequestState.EXPIRED: frozenset[RequestState](),
}


@dataclass(frozen=True, slots=True)
class Key:
    """`sealed` are its administrator's PIN and device authentication key, under the tenant's key in the KMS."""

    id: str
    tenant: str
    instance: str
    serial: str
    label: str
    maker: str
    model: str
    state: State
    registered_at: datetime
    changed_at: datetime
    expires_at: datetime = NO_END
    holder: str = ""
    subject: str = ""
    sealed: bytes = field(default=b"", repr=False)
    signing_serial: int | None = None
    encryption_serial: int | None = None
    signing_fingerprint: str = ""
    application: str | None = None  # for certificates that are not written yet; of the certificate room
    reminded_at: datetime | None = None

    @property
    def custody(self) -> Custody | None:
        """By what the register says of its maker; nothing where it says nothing."""
        if not self.maker:
            return None
        return Custody.SOFTWARE if self.maker.casefold() == SOFTWARE_MAKER.casefold() else Custody.HARDWARE

    @property
    def serials(self) -> tuple[int, ...]:
        return tuple(serial for serial in (self.signing_serial, self.encryption_serial) if serial is not None)


@dataclass(frozen=True, slots=True)
class Event:
    id: str
    tenant: str
    key: str
    at: datetime
    what: str  # of Action, or "register", "apply", "apply_alone", "renew", "written", "unlock"
    person: str
    note: str


@dataclass(frozen=True, slots=True)
class Request:
    """What one person asks for and another decides. `challenge` is the token's, of an unlocking from afar."""

    id: str
    tenant: str
    key: str
    kind: RequestKind
    state: RequestState
    asked_by: str
    asked_at: datetime
    expires_at: datetime
    reason: str
    challenge: bytes = b""
    decided_by: str | None = None
    decided_at: datetime | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """That a maker's key worked, or did not, on a system: a line of the compatibility matrix."""

    id: str
    tenant: str
    maker: str
    model: str
    system: str
    library: str
    works: bool
    note: str
    at: datetime
