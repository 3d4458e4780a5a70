"""One journal record and its canonical JSON: members sorted by name, no white space, empty members left out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from miyun.core.digest import digest
from miyun.core.ledger.port import Entry, Record

HOUR = 3600
RESERVATION = "ledger.reservation"  # an idempotency key was reserved
RELEASE = "ledger.release"  # a reservation was given back: the operation had no effect
ANCHOR = "ledger.anchor"


class Line(msgspec.Struct, omit_defaults=True):
    """The members of a record. Names are short and never change their meaning."""

    seq: int
    at: str  # RFC 3339, UTC, microseconds
    op: str  # operation id or system event
    outcome: str  # ok | refused | failed
    request: str = ""
    code: str = ""
    tenant: str = ""
    instance: str = ""
    binding: str = ""
    principal: str = ""
    role: str = ""
    resource: dict[str, str] = {}
    meter: str = ""
    units: int = 0
    detail: dict[str, Any] = {}
    window: int = 0  # start of the clock hour the units count in, unix seconds
    account: str = ""  # quota account
    over: int = 0  # units of these beyond the quota (policy allow and report)
    nonce: str = ""  # identity() of the nonce, hex
    expires: int = 0  # unix seconds until which the nonce is remembered
    key: str = ""  # identity() of the idempotency key, hex
    print: str = ""  # fingerprint of the idempotent request, hex
    reserved: int = 0  # unix seconds of the reservation
    answer: list[int] = []  # where the stored answer lies: file (hour), offset, length


_encoder = msgspec.json.Encoder(order="sorted")
_decoder = msgspec.json.Decoder(Line)


def encode(line: Line) -> bytes:
    return _encoder.encode(line)


def decode(raw: bytes) -> Line:
    """Raises msgspec.DecodeError or msgspec.ValidationError."""
    return _decoder.decode(raw)


def identity(text: str) -> bytes:
    """16 bytes that stand for a nonce or an idempotency key; the journal never holds the key itself."""
    return digest(text.encode())[:16]


def timestamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def hour_of(seconds: float) -> int:
    """Start of the clock hour, unix seconds. Asia/Shanghai is a whole number of hours from UTC: same boundaries."""
    return int(seconds // HOUR) * HOUR


def line_of(entry: Entry, seq: int) -> Line:
    return Line(
        seq=seq,
        at=timestamp(entry.at),
        op=entry.operation,
        outcome=entry.outcome,
        request=entry.request_id,
        code=entry.code,
        tenant=entry.tenant,
        instance=entry.instance,
        binding=entry.binding,
        principal=entry.principal,
        role=entry.role,
        resource=dict(entry.resource),
        meter=entry.meter,
        units=entry.units,
        detail=dict(entry.detail),
        window=hour_of(entry.at.timestamp()) if entry.meter else 0,
    )


def record_of(raw: bytes) -> Record:
    """The record as callers see it."""
    line = _decoder.decode(raw)
    entry = Entry(
        operation=line.op,
        outcome=line.outcome,
        at=datetime.fromisoformat(line.at),
        request_id=line.request,
        code=line.code,
        tenant=line.tenant,
        instance=line.instance,
        binding=line.binding,
        principal=line.principal,
        role=line.role,
        resource=line.resource,
        meter=line.meter,
        units=line.units,
        detail=line.detail,
    )
    return Record(line.seq, entry, raw)
