"""Requests and answers of the timestamp room. Digests and tokens are base64 in JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from miyun.core.operation import Struct
from miyun.offerings.timestamp.model import MAX_BATCH, HashName

PolicyName = Literal["", "sm2", "ecdsa", "rsa"]
Digest = Annotated[bytes, msgspec.Meta(min_length=32, max_length=64)]
# RFC 3161 leaves the size of a nonce open; JSON numbers end at 2^53 in many readers, so it is text.
Nonce = Annotated[str, msgspec.Meta(pattern="^(0|[1-9][0-9]{0,76})?$")]


class Rfc3161Request(Struct, frozen=True):
    """`body` is the TimeStampReq in DER."""

    policy: Annotated[str, msgspec.Meta(max_length=32)]
    body: bytes


class IssueRequest(Struct, frozen=True):
    """An empty `policy` is chosen by the hash: sm2 for SM3, ecdsa otherwise."""

    digest: Digest
    hash_algorithm: HashName = "SM3"
    policy: PolicyName = ""
    nonce: Nonce = ""
    include_certificate: bool = True


class TokenView(Struct, frozen=True):
    token: bytes
    policy: str
    policy_oid: str
    serial: str
    gen_time: datetime
    hash_algorithm: HashName


class BatchItem(Struct, frozen=True):
    digest: Digest
    reference: Annotated[str, msgspec.Meta(max_length=256)] = ""


class BatchRequest(Struct, frozen=True):
    """One token over the Merkle root of many digests (RFC 6962 tree with the policy's hash)."""

    items: Annotated[list[BatchItem], msgspec.Meta(min_length=1, max_length=MAX_BATCH)]
    policy: Literal["sm2", "ecdsa", "rsa"] = "sm2"
    include_certificate: bool = True


class BatchProof(Struct, frozen=True):
    """Item `index` of `size`: siblings from the leaf upwards."""

    index: Annotated[int, msgspec.Meta(ge=0)]
    size: Annotated[int, msgspec.Meta(ge=1, le=1 << 40)]
    path: Annotated[list[bytes], msgspec.Meta(max_length=64)]


class BatchEntry(Struct, frozen=True):
    reference: str
    proof: BatchProof


class BatchView(Struct, frozen=True):
    token: TokenView
    root: bytes
    tree_hash: HashName
    items: list[BatchEntry]


class VerifyRequest(Struct, frozen=True):
    """`token` is a TimeStampToken or a whole TimeStampResp. Give `data` or `digest`; with `proof`, `digest` is the
    item of a Merkle batch. `at` checks the chain at another time than the token's own."""

    token: Annotated[bytes, msgspec.Meta(max_length=1024 * 1024)]
    data: bytes | None = None
    digest: Digest | None = None
    proof: BatchProof | None = None
    nonce: Nonce = ""
    at: datetime | None = None


class Reason(Struct, frozen=True):
    code: str
    zh: str
    en: str


class VerifyView(Struct, frozen=True):
    """What the token states is shown also when it is not valid, so that one can see what is wrong."""

    valid: bool
    reasons: list[Reason]
    gen_time: datetime | None = None
    accuracy_ms: int | None = None
    serial: str = ""
    policy: str = ""
    policy_oid: str = ""
    hash_algorithm: str = ""
    digest: bytes = b""
    nonce: str = ""
    tsa: str = ""
    tsa_serial: str = ""


class SourceView(Struct, frozen=True):
    """`offset_seconds` is None, and `reason` says why, when the source told no time."""

    source: str
    offset_seconds: float | None
    reason: str
    reason_zh: str
    reason_en: str


class ClockView(Struct, frozen=True):
    trusted: bool
    reason: str
    reason_zh: str
    reason_en: str
    external: bool
    note_zh: str
    note_en: str
    step_seconds: float
    tolerance_seconds: float
    sources: list[SourceView]
    measured_at: datetime | None


class PolicyView(Struct, frozen=True):
    policy: str
    oid: str
    name_zh: str
    name_en: str
    hash_algorithms: list[HashName]
    accuracy_ms: int
    tsa: str
    certificate_pem: str
    not_after: datetime


class HourView(Struct, frozen=True):
    """The present clock hour of Asia/Shanghai. `limit` and `left` are None when nothing limits the instance."""

    start: datetime
    end: datetime
    used: int
    limit: int | None
    left: int | None


class StatusView(Struct, frozen=True):
    clock: ClockView
    policies: list[PolicyView]
    hour: HourView | None


class ConfirmRequest(Struct, frozen=True):
    """`observed` is the time that the operator reads from a reference; it must agree with the machine's."""

    observed: datetime
    reference: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class DriftRequest(Struct, frozen=True):
    start: datetime
    end: datetime


class DriftView(Struct, frozen=True):
    at: datetime
    source: str
    offset_seconds: float | None
    trusted: bool
    reason: str


class DriftList(Struct, frozen=True):
    items: list[DriftView]
