"""What is kept, the batches that are time-stamped together, and when a time-stamp is to be renewed (RFC 4998)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal

from miyun.core.i18n import Text
from miyun.wire.algorithm import DigestAlgorithm
from miyun.wire.ers import Tree

BATCH: Final = 1000
"""Objects under one time-stamp."""
RENEW_BEFORE: Final = timedelta(days=90)
"""Before the time-stamping certificate ends."""
MAX_CONTENT: Final = 16 * 1024 * 1024
MATERIAL: Final = "material.p7s"
RECORD: Final = "evidence.ers"

HashName = Literal["SM3", "SHA-256"]
DIGESTS: Final[dict[str, DigestAlgorithm]] = {"SM3": DigestAlgorithm.SM3, "SHA-256": DigestAlgorithm.SHA256}
DIGEST_NAMES: Final[dict[DigestAlgorithm, HashName]] = {
    DigestAlgorithm.SM3: "SM3",
    DigestAlgorithm.SHA256: "SHA-256",
}


class Kind(StrEnum):
    """Of the signed object; the file that it is kept as."""

    CMS = "cms"
    PDF = "pdf"
    XML = "xml"

    @property
    def file(self) -> str:
        return {"cms": "signature.p7s", "pdf": "signed.pdf", "xml": "signed.xml"}[self.value]


class State(StrEnum):
    WAITING = "waiting"  # for the time-stamp of the next batch
    SEALED = "sealed"


STATE_TEXTS: Final = {State.WAITING: Text("待盖时间戳", "waiting"), State.SEALED: Text("已固定", "sealed")}


@dataclass(frozen=True, slots=True)
class Kept:
    """A signed object. `chain`: how many chains of its record are sealed; `pending`: the hash of the one that it waits
    for, None when it waits for none."""

    id: str
    tenant: str
    name: str
    kind: Kind
    signers: str
    size: int
    fingerprint: str
    chain: int
    pending: str | None
    kept_at: datetime
    sealed_at: datetime | None
    proven_at: datetime | None
    """When the object's own time-stamp says that it was signed."""

    @property
    def state(self) -> State:
        return State.SEALED if self.chain else State.WAITING


Documents = tuple[tuple[str, bytes], ...]
"""File names and octets: the signed object, its content when that is apart, what it takes to verify it."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Objects under one chain of time-stamps, each renewing the one before. `root` is what the first is over."""

    id: str
    algorithm: str
    root: bytes
    tokens: tuple[bytes, ...] = field(repr=False)
    objects: int
    sealed_at: datetime
    renew_at: datetime
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object is in a batch: `number` of its chain, and its reduced tree."""

    kept: str
    number: int
    batch: str
    tree: Tree
