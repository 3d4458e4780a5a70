"""A batch of applications. Its rows are applications like any other; what became of it is what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from miyun.core.i18n import Text
from miyun.offerings.certificate.applications.model import State

MAX_ROWS: Final = 1000


class BatchState(StrEnum):
    PENDING = "pending"  # rows wait for their review
    ISSUING = "issuing"  # every row is decided, some are being issued or are with a CA outside
    DONE = "done"


BATCH_STATE_TEXTS: Final = {
    BatchState.PENDING: Text("待审核", "waiting for review"),
    BatchState.ISSUING: Text("签发中", "being issued"),
    BatchState.DONE: Text("已办结", "done"),
}


@dataclass(frozen=True, slots=True)
class Batch:
    """`rows` were taken; `refused` were not, when it was handed in. `reviewer` decided last."""

    id: str
    tenant: str
    template: str
    applicant: str
    applicant_role: str
    note: str
    applied_at: datetime
    expires_at: datetime
    rows: int
    refused: int
    reviewer: str | None = None
    reviewed_at: datetime | None = None
    review_note: str = ""


def state_of(counts: Mapping[State, int]) -> BatchState:
    if counts.get(State.PENDING):
        return BatchState.PENDING
    if counts.get(State.APPROVED) or counts.get(State.FORWARDED):
        return BatchState.ISSUING
    return BatchState.DONE
