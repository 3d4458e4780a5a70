"""What tenancy keeps, and the table of compatible roles (三员分立)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal

from miyun.core.i18n import Text
from miyun.core.operation import Role

IDLE: Final = timedelta(minutes=30)
ABSOLUTE: Final = timedelta(hours=12)
LOCK_AFTER: Final = 5  # failures
LOCK_FOR: Final = timedelta(minutes=15)
ADDRESS_LOCK_AFTER: Final = 50  # failures from one address, whoever they were for
GRANT_MAX: Final = timedelta(hours=72)
CLOCK_SKEW: Final = timedelta(minutes=5)
CACHE_SESSIONS: Final = 60.0  # seconds
CACHE_KEYS: Final = 300.0  # seconds
USE_NOTED: Final = timedelta(minutes=15)  # how exactly the last use of a credential is told

PLATFORM_ROLES: Final = frozenset(
    (Role.PLATFORM_SYSTEM, Role.PLATFORM_SECURITY, Role.PLATFORM_AUDIT, Role.SUPPLIER_STAFF)
)
TENANT_ROLES: Final = frozenset((Role.TENANT_SYSTEM, Role.TENANT_SECURITY, Role.TENANT_AUDIT, Role.TENANT_DEVELOPER))
PLATFORM_ADMINISTRATORS: Final = (Role.PLATFORM_SYSTEM, Role.PLATFORM_SECURITY, Role.PLATFORM_AUDIT)
TENANT_ADMINISTRATORS: Final = (Role.TENANT_SYSTEM, Role.TENANT_SECURITY, Role.TENANT_AUDIT)
ADMINISTRATORS: Final = frozenset(PLATFORM_ADMINISTRATORS + TENANT_ADMINISTRATORS)

# The only pairs one person may hold together. All else excludes each other: no two of the three administrators of a
# side, no administrator's role for supplier staff, and no policy or audit duty for who works with a tenant's keys.
COMPATIBLE: Final = frozenset((frozenset((Role.TENANT_SYSTEM, Role.TENANT_DEVELOPER)),))

ROLE_NAMES: Final = {
    Role.PLATFORM_SYSTEM: Text("平台系统管理员", "platform system administrator"),
    Role.PLATFORM_SECURITY: Text("平台安全管理员", "platform security administrator"),
    Role.PLATFORM_AUDIT: Text("平台审计管理员", "platform audit administrator"),
    Role.SUPPLIER_STAFF: Text("乙方运维人员", "supplier staff"),
    Role.TENANT_SYSTEM: Text("租户系统管理员", "tenant system administrator"),
    Role.TENANT_SECURITY: Text("租户安全管理员", "tenant security administrator"),
    Role.TENANT_AUDIT: Text("租户审计管理员", "tenant audit administrator"),
    Role.TENANT_DEVELOPER: Text("租户应用开发", "tenant developer"),
    Role.APPLICATION: Text("应用", "application"),
}


def conflict(roles: Iterable[Role]) -> tuple[Role, Role] | None:
    """The first pair of roles that one person may not hold together, or None."""
    ordered = sorted(frozenset(roles))
    for index, one in enumerate(ordered):
        for other in ordered[index + 1 :]:
            if frozenset((one, other)) not in COMPATIBLE:
                return one, other
    return None


def combinations(side: frozenset[Role]) -> list[tuple[Role, ...]]:
    """What one person of a side may be: each of its roles, and those that go together."""
    pairs = sorted(tuple(sorted(pair)) for pair in COMPATIBLE if pair <= side)
    return [*((role,) for role in sorted(side)), *pairs]


class PersonState(StrEnum):
    """created → active (roles assigned); active → resetting (new password asked) → active; each ⇄ disabled."""

    CREATED = "created"
    ACTIVE = "active"
    RESETTING = "resetting"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Tenant:
    id: str
    code: str  # short and unique: the part after @ of its people's login names
    name: str
    state: str  # "active" | "closed"
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Person:
    """`login` is what is typed: "name" for the platform's people, "name@code" for a tenant's. No secret in here."""

    id: str
    tenant: str | None
    login: str
    name: str
    state: PersonState
    must_change: bool
    created_at: datetime
    roles: frozenset[Role] = frozenset()

    @property
    def primary(self) -> Role:
        """The role that names the person in records; an administrator's role comes first."""
        return min(self.roles, key=lambda role: (role not in ADMINISTRATORS, role), default=Role.PUBLIC)


@dataclass(frozen=True, slots=True)
class Session:
    """`id` is the digest of the token; the token itself is only with its holder."""

    id: str
    person: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    key: str = ""  # fingerprint of the certificate that opened it; empty: a password did


@dataclass(frozen=True, slots=True)
class Grant:
    """A tenant's authorisation for one person of the supplier's staff: purpose and time window."""

    id: str
    tenant: str
    person: str
    purpose: str
    starts_at: datetime
    ends_at: datetime
    created_by: str
    created_at: datetime
    revoked_at: datetime | None = None

    def holds(self, now: datetime) -> bool:
        return self.revoked_at is None and self.starts_at <= now < self.ends_at


@dataclass(frozen=True, slots=True)
class Application:
    id: str
    tenant: str
    name: str
    state: str  # "active" | "disabled"
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Binding:
    """One application using one instance (应用接入): what the contract counts."""

    id: str
    tenant: str
    application: str
    instance: str
    offering: str
    created_at: datetime
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AccessKey:
    """`id` is the access key as sent; the secret key exists only in the cryptographic machine and with its holder."""

    id: str
    tenant: str
    application: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    used_at: datetime | None = None  # to a quarter of an hour


@dataclass(frozen=True, slots=True)
class BasicAccess:
    """A single-purpose credential of one binding: it may call `operations` and nothing else."""

    id: str  # the user name
    tenant: str
    application: str
    binding: str
    instance: str
    operations: frozenset[str]
    verifier: bytes = field(repr=False)
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    used_at: datetime | None = None  # to a quarter of an hour


CredentialState = Literal["active", "expired", "revoked"]


def credential_state(one: AccessKey | BasicAccess, now: datetime) -> CredentialState:
    if one.revoked_at is not None:
        return "revoked"
    return "expired" if one.expires_at is not None and one.expires_at <= now else "active"
