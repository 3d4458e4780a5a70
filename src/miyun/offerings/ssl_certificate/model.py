"""What the SSL certificate room keeps: ACME accounts and orders of ours, orders at outside CAs, endpoints."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

NONCE_LIFETIME: Final = timedelta(hours=1)
ORDER_LIFETIME: Final = timedelta(days=7)  # to prove the names and to finalise
KEEP_ORDERS: Final = timedelta(days=30)  # finished ones, for their owner to look at
CAA_LIFETIME: Final = timedelta(hours=8)  # from the look at CAA records to the issue (CA/B 3.2.2.8)
ATTEMPTS: Final = 3  # of a validation whose other side did not answer
AHEAD: Final = timedelta(hours=48)  # that a certificate may begin after its order
RETRY: Final = timedelta(seconds=5)


class AccountStatus(StrEnum):
    VALID = "valid"
    DEACTIVATED = "deactivated"  # by its holder
    REVOKED = "revoked"  # by us: its binding or its key ended


class OrderStatus(StrEnum):
    """RFC 8555 7.1.6."""

    PENDING = "pending"
    READY = "ready"
    PROCESSING = "processing"
    VALID = "valid"
    INVALID = "invalid"


class AuthorizationStatus(StrEnum):
    PENDING = "pending"
    VALID = "valid"
    INVALID = "invalid"
    DEACTIVATED = "deactivated"
    EXPIRED = "expired"  # shown, not stored


class ChallengeStatus(StrEnum):
    PENDING = "pending"
    PROCESSING = "processing"
    VALID = "valid"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Profile:
    """What can be ordered (ACME profiles draft): a template of the CA and the keys it takes."""

    slug: str
    description: str
    template: str
    keys: frozenset[str]  # of wire.spki.KeyAlgorithm
    days: int = 200  # at most
    pair: bool = False  # two certificates, and the encryption key in an envelope


PROFILES: Final = {
    profile.slug: profile
    for profile in (
        Profile("tls-server", "TLS server, ECDSA or RSA", "tls_server", frozenset({"ec-p256", "ec-p384", "rsa"})),
        Profile(
            "sm2-dual",
            "TLCP server: SM2 signing and encryption certificates, encryption key as GB/T 35276 SM2EnvelopedKey",
            "tls_server",
            frozenset({"sm2"}),
            pair=True,
        ),
    )
}
DEFAULT_PROFILE: Final = "tls-server"


@dataclass(frozen=True, slots=True)
class Limits:
    """RFC 8555 6.6. Counted in sliding windows; what renews a certificate does not count against its domain."""

    names: int = 100  # of an order
    accounts: int = 20  # new ones of an external account key in three hours
    orders: int = 300  # new ones of an account in three hours
    pending: int = 100  # open ones of an account
    failures: int = 5  # failed validations of an account and a name in an hour
    domain: int = 50  # certificates of a registered domain and a tenant in a week
    duplicates: int = 5  # certificates of the same names in a week


class Counted(StrEnum):
    """Kinds of events that limits count."""

    ACCOUNT = "account"
    ORDER = "order"
    FAILURE = "failure"
    DOMAIN = "domain"
    DUPLICATE = "duplicate"


WINDOWS: Final = {
    Counted.ACCOUNT: timedelta(hours=3),
    Counted.ORDER: timedelta(hours=3),
    Counted.FAILURE: timedelta(hours=1),
    Counted.DOMAIN: timedelta(days=7),
    Counted.DUPLICATE: timedelta(days=7),
}


@dataclass(frozen=True, slots=True)
class ExternalKey:
    """An external account key (RFC 8555 7.3.4) of one binding; its MAC key is derived, not stored."""

    id: str
    tenant: str
    application: str
    binding: str
    instance: str
    name: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def holds(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class Account:
    id: str
    tenant: str
    application: str
    binding: str
    instance: str
    external_key: str
    thumbprint: str
    jwk: bytes  # JSON
    contact: tuple[str, ...]
    status: AccountStatus
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AcmeOrder:
    """`names`: (type, value) in the form they are certified in, a wildcard with its star."""

    id: str
    tenant: str
    account: str
    status: OrderStatus
    names: tuple[tuple[str, str], ...]
    profile: str
    expires_at: datetime
    created_at: datetime
    replaces: str | None = None
    not_before: datetime | None = None  # of the certificate, as they were asked for
    not_after: datetime | None = None
    began_at: datetime | None = None  # to be issued
    error: dict[str, Any] | None = None
    certificate: str | None = None  # decimal serial number
    encryption_certificate: str | None = None
    enveloped_key: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Authorization:
    """Of one name, without its star, for one order."""

    id: str
    tenant: str
    account: str
    order_id: str
    name_type: str
    name: str
    wildcard: bool
    status: AuthorizationStatus
    token: str
    expires_at: datetime

    def shown(self, now: datetime) -> AuthorizationStatus:
        lives = self.status in (AuthorizationStatus.PENDING, AuthorizationStatus.VALID)
        return AuthorizationStatus.EXPIRED if lives and now >= self.expires_at else self.status


@dataclass(frozen=True, slots=True)
class Challenge:
    """`due_at`: when it is tried next; None unless it is processing."""

    id: str
    tenant: str
    account: str
    authorization: str
    kind: str
    status: ChallengeStatus
    attempts: int = 0
    due_at: datetime | None = None
    validated_at: datetime | None = None
    error: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class AcmeCertificate:
    """A certificate that an account got. `identifier`: that of RFC 9773."""

    serial: str  # decimal
    tenant: str
    account: str
    order_id: str
    identifier: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    fingerprint: str
    encryption: bool = False
    replaced_by: str | None = None  # order
    revoked_at: datetime | None = None
