"""What is kept of a person's key: its certificate. `requested → active`; removing it ends the sessions it opened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

STEP_UP_LIFETIME: Final = timedelta(minutes=5)


class KeyState(StrEnum):
    REQUESTED = "requested"  # by its holder, who has signed with it; waits for somebody else
    ACTIVE = "active"


@dataclass(frozen=True, slots=True)
class PersonKey:
    id: str
    person: str
    tenant: str | None
    certificate: bytes
    fingerprint: str  # hex SM3
    subject: str
    serial: str  # upper-case hex
    not_after: datetime
    state: KeyState
    requested_at: datetime
    approved_by: str | None = None
    approved_at: datetime | None = None
