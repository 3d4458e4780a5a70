"""A guide's steps and the connection checks of bindings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class CheckResult(StrEnum):
    """`waiting`: nothing has been called through this binding yet."""

    PASSED = "passed"
    FAILED = "failed"
    WAITING = "waiting"


# a binding's connection: it passes at the first good call, and is judged anew at every check
TRANSITIONS = {
    CheckResult.WAITING: (CheckResult.PASSED, CheckResult.FAILED),
    CheckResult.FAILED: (CheckResult.PASSED,),
    CheckResult.PASSED: (CheckResult.FAILED,),
}


@dataclass(frozen=True, slots=True)
class Check:
    """What the last call through a binding was, as the ledger has it."""

    id: str
    tenant: str
    application: str
    binding: str
    offering: str
    result: CheckResult
    operation: str
    code: str
    seq: int | None  # the ledger record that proves it
    at: datetime


@dataclass(frozen=True, slots=True)
class Step:
    """One bound service: a command that works as it stands once `credential_file` is saved beside it (mode 0600)."""

    binding: str
    offering: str
    operation: str
    method: str
    path: str
    request: Mapping[str, Any]
    command: str
    credential_file: str
    credential: str | None  # shown once, None afterwards
