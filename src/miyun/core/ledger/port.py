"""What the rest of the platform asks of the ledger process (one per node): admission before, durability after.

`admit` is one round trip without fsync: it refuses replayed nonces, answers for known idempotency keys (durably
reserving new ones), and takes quota. `append` returns only when the record is on disk (group commit). `settle` is both
in one round trip, for an operation that has no effect but its answer: what is refused here is not answered.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import msgspec


class QuotaAsk(msgspec.Struct, frozen=True, array_like=True):
    """`limit` units a clock hour (Asia/Shanghai) of `account` (instance:meter). `refuse` False: allow and report."""

    account: str  # "ins_...:timestamp.tokens"
    units: int
    limit: int
    refuse: bool = True


class Admission(msgspec.Struct, frozen=True, array_like=True):
    nonce: str | None = None  # "<access key>:<nonce>"; refused when seen within the validity window
    nonce_expires: float = 0.0  # unix seconds
    idempotency: str | None = None  # "<principal>:<operation>:<key>"
    fingerprint: bytes = b""  # SM3 over the request, to detect a key used for another request
    quota: QuotaAsk | None = None


class Ticket(msgspec.Struct, frozen=True, array_like=True):
    """`replay`: the stored answer of a completed idempotent request, otherwise None. `window`: start of the counted
    hour, unix seconds. `over` is True when quota was exceeded but the contract says allow and report."""

    number: int
    replay: bytes | None = None
    window: int = 0
    used: int = 0
    over: bool = False


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """What happened. Never holds a secret. `operation` is an operation id or a system event ("ledger.anchor")."""

    operation: str
    outcome: str  # "ok" | "refused" | "failed"
    at: datetime
    request_id: str = ""
    code: str = ""  # error code when not ok
    tenant: str = ""
    instance: str = ""
    binding: str = ""
    principal: str = ""
    role: str = ""
    resource: Mapping[str, str] = {}
    meter: str = ""
    units: int = 0
    detail: Mapping[str, Any] = {}


class Receipt(msgspec.Struct, frozen=True, array_like=True):
    seq: int  # position in the journal, from 0
    leaf: bytes  # Merkle leaf hash: SM3(0x00 ‖ record)
    link: bytes  # hash chain value after this record


class Settled(msgspec.Struct, frozen=True, array_like=True):
    """`used`: units of the hour with this call's, when quota was asked for."""

    receipt: Receipt
    used: int = 0


@dataclass(frozen=True, slots=True)
class Head:
    size: int
    link: bytes
    root: bytes  # Merkle root over all records (RFC 6962 tree with SM3)
    at: datetime


@dataclass(frozen=True, slots=True)
class Record:
    seq: int
    entry: Entry
    raw: bytes  # the bytes that are hashed


@dataclass(frozen=True, slots=True)
class Usage:
    """Rolled up from the journal."""

    instance: str
    meter: str
    window: datetime  # start of the clock hour, UTC
    units: int
    refused: int
    over: int


class Ledger(Protocol):
    """Raises of core.errors: ReplayedRequest, InDoubt, IdempotencyMismatch, QuotaExceeded, StorageFull, Unavailable."""

    async def admit(self, admission: Admission) -> Ticket: ...
    async def append(self, entry: Entry, ticket: Ticket | None = None, *, answer: bytes | None = None) -> Receipt:
        """Durable when it returns. Settles the ticket: quota and idempotency become final; `answer` is kept for replay
        (None with a settled idempotency key: repeats answer Conflict)."""
        ...

    async def settle(self, admission: Admission, entry: Entry) -> Settled:
        """Admission and its record in one, durable when it returns; refused, nothing was recorded. Not for idempotency
        keys, whose reservation has to be durable before the execution."""
        ...

    async def release(self, ticket: Ticket, *, in_doubt: bool = False) -> None:
        """The operation had no acknowledged effect: gives back quota and, unless `in_doubt`, the idempotency
        reservation (in doubt it stays, and repeats answer InDoubt)."""
        ...

    async def head(self) -> Head: ...
    async def records(
        self,
        *,
        tenant: str | None = None,
        operation: str | None = None,
        instance: str | None = None,
        start: int | None = None,
        limit: int = 100,
        newest_first: bool = True,
    ) -> list[Record]: ...
    def scan(self, *, start: int = 0) -> AsyncIterator[Record]: ...
    async def usage(self, *, instances: Sequence[str], start: datetime, end: datetime) -> list[Usage]: ...
    async def proof(self, seq: int, size: int | None = None) -> list[bytes]:
        """Merkle inclusion proof of record `seq` in the tree of `size` records."""
        ...

    async def consistency(self, old: int, new: int) -> list[bytes]: ...
    async def anchor(self, head: Head, signature: bytes, token: bytes | None) -> None:
        """Store a signed (detached CMS) and time-stamped head beside the journal."""
        ...

    async def invalidate(self, topic: str, key: str) -> None:
        """Tell every connected process; returns when each has acknowledged (or its connection is gone)."""
        ...

    def on_invalidate(self, callback: Callable[[str, str], None]) -> None: ...
    @property
    def listening(self) -> bool:
        """Whether invalidations reach this process now. What answers without asking the ledger, and so without failing
        when it is out of reach, must not answer from a cache then."""
        ...

    async def close(self) -> None: ...
