"""Accounts bound to certificates, one-time challenges, and sessions bound to the certificate that opened them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

SESSION_IDLE: Final = timedelta(minutes=30)
SESSION_LIFETIME: Final = timedelta(hours=8)
MUTUAL_TLS: Final = "mutual_tls"  # a session's method, whatever the protocol
MAX_ACCOUNT: Final = 128  # characters of an account's name
OPEN_CHALLENGES: Final = 10_000  # per application: a flood of challenges must not fill the database


class AccountState(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"


# from state → verbs allowed there and where they lead
TRANSITIONS: Final = {
    AccountState.ACTIVE: {"suspend": AccountState.SUSPENDED},
    AccountState.SUSPENDED: {"resume": AccountState.ACTIVE},
}


@dataclass(frozen=True, slots=True)
class Account:
    """One certificate of one account of one application."""

    id: str
    tenant: str
    application: str
    account: str
    subject: str
    issuer: str
    serial: str  # upper-case hex
    fingerprint: str  # hex SM3 of the certificate
    certificate: bytes
    not_after: datetime
    state: AccountState
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Policy:
    """What an application asks of login certificates; what it has not said is as here. `lists` are trust lists by
    name, none: the platform's own authorities. `stale_seconds`: for how long after its end revocation information is
    still good enough to let somebody in. `account_field`: an attribute of the subject that is the account; empty:
    accounts are bound certificate by certificate."""

    tenant: str
    application: str
    lists: tuple[str, ...] = ()
    level: str = "revocation"
    stale_seconds: int = 0
    account_field: str = ""


@dataclass(frozen=True, slots=True)
class Challenge:
    """`message` is what the certificate's key signs: it names tenant, application and expiry, so that a signature
    made for one application cannot be used at another (GM/T 0067: the challenge is bound to the service)."""

    id: str
    tenant: str
    application: str
    message: bytes
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Session:
    id: str
    tenant: str
    application: str
    account: str
    serial: str
    fingerprint: str
    opened_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    method: str  # "api", or the protocol that it was opened by: "oidc", "cas"; MUTUAL_TLS
    revocation: str  # what was known of the certificate: "good" | "stale" | "unchecked"
    client: str = ""  # the registered client of that protocol
    sso: str = ""  # the browser's session that opened it
    told_at: datetime | None = None  # when its client had taken notice of its end


def challenge_message(tenant: str, application: str, challenge: str, random: bytes, expires_at: datetime) -> bytes:
    """The text that is signed, line by line; readable, so that a signer's own display can show it."""
    lines = ("MIYUN-LOGIN-1", tenant, application, challenge, random.hex(), expires_at.strftime("%Y%m%dT%H%M%SZ"))
    return "\n".join(lines).encode()
