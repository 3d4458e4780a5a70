"""Requests and answers of the signature room. Octets are base64 in JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from miyun.core.listing import Cursor, Format, SortText
from miyun.core.operation import Struct
from miyun.core.trust import LevelName, ReasonView, Status
from miyun.offerings.signature.model import MAX_BATCH, AlgorithmName, DialectName

Limit = Annotated[int, msgspec.Meta(ge=1, le=500)]
SignerRef = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Name = Annotated[str, msgspec.Meta(pattern="^(?!sgn_)[a-z0-9][a-z0-9._-]{0,63}$")]
Digest = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
UserId = Annotated[str, msgspec.Meta(max_length=2047)]  # in octets at most 8191, as Z_A allows
Reference = Annotated[str, msgspec.Meta(max_length=256)]
Pem = Annotated[str, msgspec.Meta(max_length=128 * 1024)]
TrustList = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Template = Literal["person", "organisation", "device", "application"]

DEFAULT_USER_ID = "1234567812345678"


# --- signers ---------------------------------------------------------------------------------------------------------


class CreateSigner(Struct, frozen=True):
    """`key` names an existing signing key; empty makes a new one of `algorithm` that `applications` may sign by. An
    existing key is opened by `kms.key.allow`; so is a new one, later."""

    name: Name
    subject: dict[str, str]
    algorithm: AlgorithmName = "SM2"
    template: Template = "application"
    days: int | None = None
    key: Annotated[str, msgspec.Meta(max_length=64)] = ""
    applications: Annotated[list[str], msgspec.Meta(max_length=500)] = msgspec.field(default_factory=list)


class RefSigner(Struct, frozen=True):
    """By identifier or name."""

    signer: SignerRef


class RenewSigner(Struct, frozen=True):
    """A new certificate for the key's current version. `revoke_old` revokes the former one as superseded."""

    signer: SignerRef
    days: int | None = None
    revoke_old: bool = False


class ListSigners(Struct, frozen=True):
    """`sort`: id (in order of making as default), name or not_after."""

    sort: SortText = ""
    limit: Limit = 50
    cursor: Cursor | None = None


class ExportSigners(Struct, frozen=True):
    sort: SortText = ""
    format: Format = "csv"


class SignerView(Struct, frozen=True):
    """`z_a` (SM2 only): hash Z_A ‖ content with SM3 and send the result as `digest` for content too large to send."""

    signer: str
    name: str
    algorithm: str
    key: str
    version: int
    state: Literal["enabled", "disabled", "retired"]
    subject: str
    certificate_serial: str
    certificate_pem: str
    chain_pem: str
    not_after: datetime
    created_at: datetime
    z_a: bytes | None = None


class SignerPage(Struct, frozen=True):
    items: list[SignerView]
    next_cursor: str | None = None


# --- sign ------------------------------------------------------------------------------------------------------------


class SignRequest(Struct, frozen=True):
    """Give `message`, or `digest`: the value e = SM3(Z_A ‖ M) for SM2, SHA-256 otherwise. `user_id` is SM2's."""

    signer: SignerRef
    message: bytes | None = None
    digest: Digest | None = None
    user_id: UserId = DEFAULT_USER_ID


class SignatureView(Struct, frozen=True):
    """DER SEQUENCE{r, s} for SM2 and ECDSA, the raw block for RSA."""

    signature: bytes
    algorithm: str
    certificate_serial: str


class SignCmsRequest(Struct, frozen=True):
    """Give `content`, or for a detached signature its plain `digest` (SM3 or SHA-256, no Z_A). An empty `dialect` is
    GB/T 35275 for SM2 and RFC 5652 otherwise. `timestamp` adds a proof of the signing time (RFC 3161)."""

    signer: SignerRef
    content: bytes | None = None
    digest: Digest | None = None
    detached: bool = False
    dialect: Literal["", "GB/T 35275", "RFC 5652"] = ""
    include_chain: bool = True
    timestamp: bool = False


class CmsView(Struct, frozen=True):
    cms: bytes
    dialect: DialectName
    detached: bool
    signing_time: datetime
    certificate_serial: str


class SignItem(Struct, frozen=True):
    message: bytes | None = None
    digest: Digest | None = None
    reference: Reference = ""


class SignBatchRequest(Struct, frozen=True):
    """`format` cms makes detached messages in the signer's usual dialect; `digest` is then the content's plain hash."""

    signer: SignerRef
    items: Annotated[list[SignItem], msgspec.Meta(min_length=1, max_length=MAX_BATCH)]
    format: Literal["raw", "cms"] = "raw"
    user_id: UserId = DEFAULT_USER_ID


class ItemError(Struct, frozen=True):
    code: str
    zh: str
    en: str


class SignedItem(Struct, frozen=True):
    reference: str
    signature: bytes | None = None
    error: ItemError | None = None


class SignBatchView(Struct, frozen=True):
    items: list[SignedItem]
    algorithm: str
    certificate_serial: str


# --- verify ----------------------------------------------------------------------------------------------------------


class Judged(Struct, frozen=True, kw_only=True):
    """How certificates are judged. `level`: time, chain, revocation or ocsp, each with all before it. `lists`: trust
    lists by name, none for the platform's own authorities. `stale_hours`: for how long after its end revocation
    information is still used. `at`: when the signature is to have been good; without it a time-stamp's time counts,
    else now."""

    level: LevelName = "revocation"
    lists: Annotated[list[TrustList], msgspec.Meta(max_length=20)] = msgspec.field(default_factory=list)
    stale_hours: Annotated[int, msgspec.Meta(ge=0, le=720)] = 0
    at: datetime | None = None


class VerifyRequest(Judged, frozen=True, kw_only=True):
    """A raw signature. The key comes by exactly one of `signer`, `certificate` (PEM or base64 of DER) and `public_key`
    (SubjectPublicKeyInfo). With a certificate or signer its chain is judged too, at `at` or now."""

    signature: Annotated[bytes, msgspec.Meta(max_length=4096)]
    message: bytes | None = None
    digest: Digest | None = None
    signer: Annotated[str, msgspec.Meta(max_length=64)] = ""
    certificate: Pem = ""
    public_key: Annotated[bytes, msgspec.Meta(max_length=8192)] = b""
    user_id: UserId = DEFAULT_USER_ID


class VerifyView(Struct, frozen=True):
    """The signature is right when this is answered at all; `reasons` are about the certificate."""

    valid: bool
    reasons: list[ReasonView]


class VerifyCmsRequest(Judged, frozen=True, kw_only=True):
    """`content` or its plain `digest` for a detached message."""

    cms: bytes
    content: bytes | None = None
    digest: Digest | None = None
    return_content: bool = False


class TimestampView(Struct, frozen=True):
    """A time-stamp over the signature; valid, it proves that the signature was there at `time`."""

    valid: bool
    reasons: list[ReasonView]
    time: datetime | None
    authority: str


class CmsSigner(Struct, frozen=True):
    """`signing_time` is what the signer claims; `timestamp` proves it. `chain`: subjects, leaf first. `judged_at`: the
    time that the certificate was judged at."""

    valid: bool
    reasons: list[ReasonView]
    algorithm: str
    subject: str
    serial: str
    signing_time: datetime | None
    certificate_pem: str
    chain: list[str]
    revocation: Status
    judged_at: datetime | None
    timestamp: TimestampView | None


class VerifyCmsView(Struct, frozen=True):
    """Valid when there are signers and every one is."""

    valid: bool
    reasons: list[ReasonView]
    signers: list[CmsSigner]
    dialect: str = ""
    detached: bool = False
    content: bytes | None = None


class VerifyItem(Struct, frozen=True):
    """A raw signature in `signature`, or a whole CMS message in `cms`."""

    signature: Annotated[bytes, msgspec.Meta(max_length=4096)] = b""
    cms: bytes = b""
    message: bytes | None = None
    digest: Digest | None = None
    reference: Reference = ""


class VerifyBatchRequest(Judged, frozen=True, kw_only=True):
    """The key, for raw items, as in `VerifyRequest`."""

    items: Annotated[list[VerifyItem], msgspec.Meta(min_length=1, max_length=MAX_BATCH)]
    signer: Annotated[str, msgspec.Meta(max_length=64)] = ""
    certificate: Pem = ""
    public_key: Annotated[bytes, msgspec.Meta(max_length=8192)] = b""
    user_id: UserId = DEFAULT_USER_ID


class VerifiedItem(Struct, frozen=True):
    reference: str
    valid: bool
    reasons: list[ReasonView]


class VerifyBatchView(Struct, frozen=True):
    items: list[VerifiedItem]
    valid: int
    invalid: int
