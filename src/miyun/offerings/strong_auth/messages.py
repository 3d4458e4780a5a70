"""Requests and answers of certificate login."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from miyun.core.operation import Struct
from miyun.offerings.strong_auth.model import MAX_ACCOUNT, Account, Policy, Session

Certificate = Annotated[str, Meta(min_length=64, max_length=16384, description="PEM, or base64 of DER")]
AccountName = Annotated[str, Meta(min_length=1, max_length=MAX_ACCOUNT, pattern=r"^[^\x00-\x1f\x7f]*$")]
Limit = Annotated[int, Meta(ge=1, le=500)]


class Nothing(Struct):
    pass


class Done(Struct):
    done: bool


class BindAccount(Struct):
    account: AccountName
    certificate: Certificate
    application: str | None = None


class AccountRef(Struct):
    account_id: str


class AccountView(Struct):
    id: str
    application: str
    account: str
    subject: str
    issuer: str
    serial: str
    not_after: datetime
    state: str
    created_at: datetime

    @staticmethod
    def of(account: Account) -> AccountView:
        return AccountView(
            id=account.id,
            application=account.application,
            account=account.account,
            subject=account.subject,
            issuer=account.issuer,
            serial=account.serial,
            not_after=account.not_after,
            state=account.state,
            created_at=account.created_at,
        )


class PolicyRef(Struct):
    application: str


class SetPolicy(Struct):
    """`lists`: trust lists by name, none: the platform's own authorities. `level`: how far certificates are looked
    into. `stale_seconds`: for how long after its end revocation information is still good enough. `account_field`:
    the attribute of the subject that is the account (CN, UID …); empty: certificates are bound one by one."""

    application: str
    lists: Annotated[tuple[Annotated[str, Meta(max_length=64)], ...], Meta(max_length=16)] = ()
    level: Literal["chain", "revocation", "ocsp"] = "revocation"
    stale_seconds: Annotated[int, Meta(ge=0, le=30 * 86400)] = 0
    account_field: Literal["", "CN", "UID", "serialNumber", "emailAddress", "OU", "title"] = ""


class PolicyView(Struct):
    application: str
    lists: list[str]
    level: str
    stale_seconds: int
    account_field: str

    @staticmethod
    def of(policy: Policy) -> PolicyView:
        return PolicyView(
            application=policy.application,
            lists=list(policy.lists),
            level=policy.level,
            stale_seconds=policy.stale_seconds,
            account_field=policy.account_field,
        )


class AskChallenge(Struct):
    application: str | None = None


class ChallengeView(Struct):
    """Sign `message` as it is (SM2 with the default user id, or ECDSA/RSA with SHA-256)."""

    challenge: str
    message: bytes
    expires_at: datetime


class Login(Struct):
    challenge: str
    certificate: Certificate
    signature: Annotated[bytes, Meta(min_length=8, max_length=1024)]
    application: str | None = None


class LoginResult(Struct):
    """`revocation`: what is known of the certificate; good, stale (but within what the application bears with), or
    unchecked where the application asks for the chain only."""

    session: str
    account: str
    serial: str
    subject: str
    expires_at: datetime
    revocation: str


class SessionToken(Struct):
    session: Annotated[str, Meta(min_length=20, max_length=128)]
    application: str | None = None


class SessionView(Struct):
    active: bool
    account: str | None = None
    serial: str | None = None
    expires_at: datetime | None = None


class LoginRecord(Struct):
    application: str
    account: str
    serial: str
    opened_at: datetime
    last_seen_at: datetime
    ended_at: datetime | None
    method: str

    @staticmethod
    def of(session: Session) -> LoginRecord:
        return LoginRecord(
            application=session.application,
            account=session.account,
            serial=session.serial,
            opened_at=session.opened_at,
            last_seen_at=session.last_seen_at,
            ended_at=session.ended_at,
            method=session.method,
        )
