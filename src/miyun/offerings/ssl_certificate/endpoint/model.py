"""Endpoints that are watched: where a certificate is served, and how that looked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

EVERY: Final = timedelta(hours=6)
SOONER: Final = timedelta(minutes=30)  # while something is wrong
ALARMS: Final = (30, 14, 7, 1)  # days before the end
KEEP_CHECKS: Final = timedelta(days=400)


class Outcome(StrEnum):
    UNCHECKED = "unchecked"
    OK = "ok"
    EXPIRING = "expiring"  # within the first alarm's days
    EXPIRED = "expired"
    UNTRUSTED = "untrusted"  # self-signed, a CA that is not trusted here, or a chain that is not whole
    WRONG_NAME = "wrong_name"
    UNREACHABLE = "unreachable"
    NO_TLS = "no_tls"  # something answers, but speaks no TLS that we do
    REFUSED = "refused"  # by the address policy
    UNSUPPORTED = "unsupported"  # TLCP cannot be spoken yet


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`alarmed`: the alarm, in days, that was last raised of this certificate; None: none yet."""

    id: str
    tenant: str
    instance: str
    host: str
    port: int
    protocol: str  # tls | tlcp
    note: str
    created_at: datetime
    next_check_at: datetime
    outcome: Outcome = Outcome.UNCHECKED
    reason: str = ""
    checked_at: datetime | None = None
    not_after: datetime | None = None
    subject: str = ""
    issuer: str = ""
    names: tuple[str, ...] = ()
    serial: str = ""
    fingerprint: str = ""
    version: str = ""  # TLSv1.3
    cipher: str = ""
    alarmed: int | None = None
    rehearsal: str | None = None  # the newest order that rehearsed its renewal


@dataclass(frozen=True, slots=True)
class Seen:
    """What a check found."""

    outcome: Outcome
    reason: str = ""
    not_after: datetime | None = None
    subject: str = ""
    issuer: str = ""
    names: tuple[str, ...] = ()
    serial: str = ""
    fingerprint: str = ""
    version: str = ""
    cipher: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """A line of an endpoint's history; written when something changed, not every time."""

    id: str
    tenant: str
    endpoint: str
    at: datetime
    outcome: str
    reason: str
    serial: str
    not_after: datetime | None


def alarm_of(not_after: datetime | None, now: datetime) -> int | None:
    """The nearest alarm whose time has come: with 5 days left that of 7."""
    if not_after is None:
        return None
    left = not_after - now
    return next((days for days in reversed(ALARMS) if left <= timedelta(days=days)), None)
