"""Requests and answers about people's keys."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from miyun.core.operation import Role, Struct
from miyun.core.tenancy.keys.model import PersonKey
from miyun.core.tenancy.messages import Identifier, Limit

CertificateText = Annotated[str, Meta(min_length=64, max_length=16384, description="PEM, or base64 of DER")]
Signature = Annotated[bytes, Meta(min_length=8, max_length=1024)]
Browser = Annotated[str, Meta(max_length=128)]


class AskChallenge(Struct):
    """`browser`: what only this browser knows, and says again when it comes back."""

    browser: Browser


class KeyChallenge(Struct):
    """`message` is what the key signs."""

    challenge: str
    message: str


class SignedChallenge(Struct):
    challenge: Annotated[str, Meta(max_length=1024)]
    certificate: CertificateText
    signature: Signature
    browser: Browser


class KeyName(Struct):
    key_id: Identifier


class ListKeys(Struct):
    """`person`: only that one's keys."""

    person: Identifier | None = None
    limit: Limit = 50
    cursor: str | None = None


class KeyView(Struct):
    key_id: str
    person: str
    subject: str
    serial: str
    not_after: datetime
    state: str
    requested_at: datetime
    approved_by: str | None
    approved_at: datetime | None

    @staticmethod
    def of(key: PersonKey) -> KeyView:
        return KeyView(
            key_id=key.id,
            person=key.person,
            subject=key.subject,
            serial=key.serial,
            not_after=key.not_after,
            state=key.state,
            requested_at=key.requested_at,
            approved_by=key.approved_by,
            approved_at=key.approved_at,
        )


class KeyList(Struct):
    items: list[KeyView]
    next_cursor: str | None = None


class KeyPolicy(Struct):
    """The roles whose holders sign in with a key only."""

    roles: Annotated[list[Role], Meta(max_length=8)]
