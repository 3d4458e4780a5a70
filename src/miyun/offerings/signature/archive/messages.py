"""Requests and answers about kept evidence."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from miyun.core.listing import Cursor, Format, SortText
from miyun.core.operation import Struct
from miyun.offerings.signature.archive.model import HashName
from miyun.offerings.signature.messages import Judged, Limit

Ref = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class KeepRequest(Judged, frozen=True, kw_only=True):
    """`signed` is a CMS message, or a signed PDF or XML file; `content` what a detached message is about. It is kept
    only when its signatures verify as asked for."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    signed: bytes
    kind: Literal["cms", "pdf", "xml"] = "cms"
    content: bytes | None = None
    hash: HashName = "SM3"


class RefEvidence(Struct, frozen=True):
    evidence: Ref


class ListEvidence(Struct, frozen=True):
    """`sort`: kept_at (newest first by default) or name. `text`: of the name or the signers."""

    text: Annotated[str, msgspec.Meta(max_length=200)] = ""
    sort: SortText = ""
    limit: Limit = 50
    cursor: Cursor | None = None


class ExportEvidenceList(Struct, frozen=True):
    text: Annotated[str, msgspec.Meta(max_length=200)] = ""
    sort: SortText = ""
    format: Format = "csv"


class Rehash(Struct, frozen=True):
    """A new chain of time-stamps by another hash, before the present one weakens."""

    evidence: Ref
    hash: HashName


class StampView(Struct, frozen=True):
    """A time-stamp of the record. `chain` counts from 0; a new chain begins with a new hash."""

    chain: int
    hash: str
    time: datetime
    authority: str
    ends: datetime
    """When the time-stamping certificate ends."""


class EvidenceView(Struct, frozen=True):
    evidence: str
    name: str
    kind: Literal["cms", "pdf", "xml"]
    state: Literal["waiting", "sealed"]
    signers: str
    size: int
    fingerprint_sm3: str
    kept_at: datetime
    sealed_at: datetime | None
    proven_at: datetime | None


class EvidenceDetail(Struct, frozen=True):
    """`renew_at`: when the newest time-stamp is renewed.."""

    evidence: EvidenceView
    files: list[str]
    timestamps: list[StampView]
    renew_at: datetime | None
    problem: str


class EvidencePage(Struct, frozen=True):
    items: list[EvidenceView]
    next_cursor: str | None = None
