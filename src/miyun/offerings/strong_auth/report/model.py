"""One attempt to log in, whatever came of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

KEEP: Final = timedelta(days=400)  # attempts; the ledger keeps them for good
FAILURES: Final = 30  # from one address until it has to wait
WINDOW: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Attempt:
    id: str
    at: datetime
    tenant: str
    application: str
    client: str  # empty: the application itself
    method: str  # "api" | "oidc" | "cas"
    account: str
    subject: str
    serial: str  # of the certificate, upper-case hex
    outcome: str  # "ok", or the error's code
    revocation: str  # what was known of the certificate
    signed: bool  # False: the browser was known from a signature before
    peer: str
