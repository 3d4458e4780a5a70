"""Requests and answers of delivery."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta

from miyun.core.operation import Struct

Identifier = Annotated[str, Meta(min_length=1, max_length=128)]


class Nothing(Struct):
    pass


class ContractName(Struct):
    contract: Identifier


class FileName(Struct):
    contract: Identifier
    path: Annotated[str, Meta(min_length=1, max_length=512)]


class DossierFile(Struct):
    path: str
    title: str
    clause: str
    size: int
    sm3: str


class DossierMissing(Struct):
    path: str
    title: str
    clause: str
    reason: str


class DossierView(Struct):
    """`ready`: nothing the contract asks for is missing, so acceptance may be applied for."""

    contract: str
    title: str
    rehearsal: bool
    built: bool
    ready: bool
    generated_at: datetime | None
    path: str
    files: list[DossierFile]
    missing: list[DossierMissing]


class DossierList(Struct):
    items: list[DossierView]


class Levels(Struct):
    """Availability of the current calendar month by the platform's own probes; not contractual unless said so."""

    start: datetime
    end: datetime
    target: str
    contractual: bool
    observed_minutes: int
    unobserved_minutes: int
    down_minutes: int
    percent: str | None
    outages: list[dict[str, Any]]
