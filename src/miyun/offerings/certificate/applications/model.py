"""An application for a certificate and its life, as a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from miyun.core.i18n import Text
from miyun.wire.name import Name

LIFETIME: Final = timedelta(days=30)  # what nobody reviewed by then expires
LEASE: Final = timedelta(seconds=30)  # after which somebody else may finish what was approved
RENEWAL_WINDOW: Final = timedelta(days=30)  # or the last third of the certificate's life, if that is more


class Kind(StrEnum):
    NEW = "new"
    RENEWAL = "renewal"  # 更新: the same key, a new term
    REKEY = "rekey"  # 换密钥: a new key for the same subject


class Pair(StrEnum):
    NONE = "none"
    ESCROW = "escrow"  # the key-management centre makes the encryption key
    OWN = "own"  # the applicant brought its public key


class State(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"  # decided, not issued yet: whoever comes next finishes it
    FORWARDED = "forwarded"  # with a licensed CA outside
    ISSUED = "issued"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


TRANSITIONS: Final = {
    State.PENDING: frozenset({State.APPROVED, State.FORWARDED, State.REJECTED, State.WITHDRAWN, State.EXPIRED}),
    State.APPROVED: frozenset({State.ISSUED, State.REJECTED}),
    State.FORWARDED: frozenset({State.ISSUED, State.REJECTED, State.WITHDRAWN}),
    State.ISSUED: frozenset[State](),
    State.REJECTED: frozenset[State](),
    State.WITHDRAWN: frozenset[State](),
    State.EXPIRED: frozenset[State](),
}
OPEN: Final = frozenset(state for state, after in TRANSITIONS.items() if after)

STATE_TEXTS: Final = {
    State.PENDING: Text("待审核", "waiting for review"),
    State.APPROVED: Text("已通过，签发中", "approved, being issued"),
    State.FORWARDED: Text("已送外部机构", "with the outside CA"),
    State.ISSUED: Text("已签发", "issued"),
    State.REJECTED: Text("已驳回", "rejected"),
    State.WITHDRAWN: Text("已撤回", "withdrawn"),
    State.EXPIRED: Text("已过期", "expired"),
}


def renewable_from(not_before: datetime, not_after: datetime) -> datetime:
    """From when on a certificate of this term may be renewed."""
    return not_after - max(RENEWAL_WINDOW, (not_after - not_before) / 3)


@dataclass(frozen=True, slots=True)
class Application:
    """`applicant` is a person's or an application's id; `csr` the request as it came, None when a key was kept;
    `previous` the serial number of the certificate that is renewed or given a new key."""

    id: str
    tenant: str
    instance: str
    kind: Kind
    state: State
    template: str
    subject: Name
    names: tuple[str, ...]
    days: int | None
    spki: bytes = field(repr=False)
    key: str
    pair: Pair
    applicant: str
    applicant_role: str
    applied_at: datetime
    expires_at: datetime
    csr: bytes | None = field(default=None, repr=False)
    encryption_spki: bytes | None = field(default=None, repr=False)
    on_behalf_of: str = ""
    note: str = ""
    outside: str | None = None
    batch: str | None = None
    reference: str = ""  # the applicant's own name for a row of a batch
    previous: int | None = None
    revoke_previous: bool = False
    reviewer: str | None = None
    reviewed_at: datetime | None = None
    reason: str = ""
    serial: int | None = None
    encryption_serial: int | None = None
    finished_at: datetime | None = None
