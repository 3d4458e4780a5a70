"""Trust lists, the authorities on them, and what is held of their revocation lists and OCSP answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

MAX_LISTS: Final = 100
MAX_AUTHORITIES: Final = 500
"""On one list."""
PAGE: Final = 512
"""Entries of a revocation list in one row."""
WHOLE: Final = 1024 * 1024
"""Octets up to which a revocation list is held as it was signed, besides its entries."""
REFRESH: Final = timedelta(hours=1)
"""A pinned list is fetched anew after so long at the latest, and when it ends."""
RETRY: Final = timedelta(minutes=5)
"""After a failure."""
OCSP_LIFETIME: Final = timedelta(hours=1)
"""Of an answer that does not say until when it holds."""
OCSP_PATIENCE: Final = 8.0
"""Seconds that a question waits for the jobs process to bring the answer."""
OCSP_KEEP: Final = timedelta(days=7)
"""An answer that nobody asked for in so long is forgotten."""

ListKind = Literal["base", "delta"]
LIST_KINDS: Final[tuple[ListKind, ...]] = ("base", "delta")


@dataclass(frozen=True, slots=True)
class TrustList:
    id: str
    tenant: str
    name: str
    note: str
    created_at: datetime
    authorities: int = 0


@dataclass(frozen=True, slots=True)
class TrustedAuthority:
    """A CA of a trust list. Paths end at anchors; the others lie in between. The addresses are the administrator's,
    never a certificate's."""

    id: str
    tenant: str
    trust_list: str
    anchor: bool
    subject: str
    fingerprint: str
    not_after: datetime
    der: bytes = field(repr=False)
    crl_url: str
    delta_url: str
    ocsp_url: str
    ocsp_nonce: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class HeldList:
    """A revocation list as held: its head here, its entries in pages. `source`: upload or the pinned address."""

    id: str
    authority: str
    kind: ListKind
    number: int | None
    base_number: int | None
    this_update: datetime
    next_update: datetime | None
    entries: int
    extension: bytes = field(repr=False)
    """The value of its issuingDistributionPoint, empty without one."""
    source: str
    held_at: datetime
    der: bytes = field(default=b"", repr=False)
    """As it was signed, for evidence; empty when it is larger than `WHOLE`."""


@dataclass(frozen=True, slots=True)
class Fetching:
    """When an address was last tried, and what went wrong; empty when nothing did."""

    authority: str
    kind: str
    tried_at: datetime
    error: str


@dataclass(frozen=True, slots=True)
class HeldAnswer:
    """An OCSP answer, or the question that waits for one. `error`: why the last try failed."""

    authority: str
    serial: int
    asked_at: datetime
    answered_at: datetime | None
    waiting: bool = False
    this_update: datetime | None = None
    next_update: datetime | None = None
    known: bool = False
    revoked_at: datetime | None = None
    reason: int = 0
    error: str = ""
    der: bytes = field(default=b"", repr=False)
