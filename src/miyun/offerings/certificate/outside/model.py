"""A CA outside, and what it issued for an application."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class OutsideCa:
    """`certificates` are its root and issuing certificates as the tenant was given them; applications for `templates`
    go to it unless they name another."""

    id: str
    tenant: str
    name: str
    templates: tuple[str, ...]
    certificates: tuple[bytes, ...] = field(repr=False)
    created_by: str
    created_at: datetime
    removed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """`chain` are the certificates above, the issuing CA's first."""

    application: str
    tenant: str
    certificate: bytes = field(repr=False)
    chain: tuple[bytes, ...] = field(repr=False)
    encryption: bytes | None = field(repr=False)
    enveloped_key: bytes | None = field(repr=False)
    serial: str
    not_after: datetime
    delivered_by: str
    delivered_at: datetime
