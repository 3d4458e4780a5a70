"""Requests and answers of the certificate room."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from miyun.core.listing import Cursor, Format, SortText
from miyun.core.operation import Struct
from miyun.offerings.certificate.model import MAX_BATCH, MAX_SHARDS

Limit = Annotated[int, msgspec.Meta(ge=1, le=500)]
Serial = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{1,40}$")]
Pem = Annotated[str, msgspec.Meta(max_length=128 * 1024)]


class CertificateView(Struct, frozen=True):
    """`key_sm3` is over the SubjectPublicKeyInfo, `fingerprint_sm3` over the certificate."""

    serial: str
    template: str
    usage: Literal["sign", "encrypt"]
    subject: str
    names: list[str]
    ca: str
    state: Literal["issued", "suspended", "revoked", "expired"]
    not_before: datetime
    not_after: datetime
    issued_at: datetime | None
    fingerprint_sm3: str
    key_sm3: str
    revoked_at: datetime | None = None
    reason: str | None = None
    pair: str | None = None
    application: str | None = None


class IssueRequest(Struct, frozen=True):
    """`csr` is PEM, or base64 of DER. An empty `subject` takes the request's own."""

    template: str
    csr: Pem
    subject: dict[str, str] = msgspec.field(default_factory=dict)
    names: Annotated[list[str], msgspec.Meta(max_length=100)] = msgspec.field(default_factory=list)
    days: int | None = None
    encryption_public_key: bytes = b""


class IssuedView(Struct, frozen=True):
    certificate: CertificateView
    pem: str
    chain_pem: str
    encryption: CertificateView | None = None
    encryption_pem: str = ""


class BatchItem(Struct, frozen=True):
    """A request signed by its key (`csr`), or a public key (SubjectPublicKeyInfo) for which the caller answers.
    `reference` comes back with the result."""

    reference: Annotated[str, msgspec.Meta(max_length=128)] = ""
    csr: Pem = ""
    public_key: Annotated[bytes, msgspec.Meta(max_length=4096)] = b""
    subject: dict[str, str] = msgspec.field(default_factory=dict)
    names: Annotated[list[str], msgspec.Meta(max_length=100)] = msgspec.field(default_factory=list)
    encryption_public_key: Annotated[bytes, msgspec.Meta(max_length=4096)] = b""


class BatchRequest(Struct, frozen=True):
    """`certificates`: whether the answer holds them; otherwise it tells their serial numbers."""

    template: str
    items: Annotated[list[BatchItem], msgspec.Meta(min_length=1, max_length=MAX_BATCH)]
    days: int | None = None
    certificates: bool = True


class BatchError(Struct, frozen=True):
    code: str
    field: str
    zh: str
    en: str


class BatchResult(Struct, frozen=True):
    """Of one item: its serial numbers and certificates (DER), or why there is none."""

    reference: str
    serial: str | None = None
    certificate: bytes | None = None
    encryption_serial: str | None = None
    encryption_certificate: bytes | None = None
    error: BatchError | None = None


class BatchView(Struct, frozen=True):
    """In the order of the items. `chain_pem` is that of the first certificate."""

    issued: int
    refused: int
    items: list[BatchResult]
    chain_pem: str = ""


class SerialRequest(Struct, frozen=True):
    serial: Serial


class CertificateDetail(Struct, frozen=True):
    certificate: CertificateView
    pem: str
    chain_pem: str


class SearchRequest(Struct, frozen=True):
    """`text` is found anywhere in subject and alternative names, and at the beginning of a serial number; `name` is a
    whole alternative name. Times: from inclusive, before exclusive. Of a text of one or two letters a page may hold
    fewer than `limit`, or none, and yet go on: look whether `next_cursor` is there."""

    text: Annotated[str, msgspec.Meta(max_length=200)] = ""
    name: Annotated[str, msgspec.Meta(max_length=255)] = ""
    serial_prefix: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{0,40}$")] = ""
    template: Annotated[str, msgspec.Meta(max_length=64)] = ""
    ca: Annotated[str, msgspec.Meta(max_length=64)] = ""
    usage: Literal["", "sign", "encrypt"] = ""
    application: Annotated[str, msgspec.Meta(max_length=64)] = ""
    key_sm3: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{64})?$")] = ""
    state: Literal["", "issued", "expired", "suspended", "revoked"] = ""
    expires_from: datetime | None = None
    expires_before: datetime | None = None
    issued_from: datetime | None = None
    issued_before: datetime | None = None
    sort: SortText = ""


class ListRequest(SearchRequest, frozen=True):
    """`sort` is `issued`, `expires` or `subject`, with `-` before it for descending; `-issued` when empty."""

    limit: Limit = 50
    cursor: Cursor | None = None


class ExportRequest(SearchRequest, frozen=True):
    format: Format = "csv"


class CertificatePage(Struct, frozen=True):
    items: list[CertificateView]
    next_cursor: str | None = None


class DownloadRequest(Struct, frozen=True):
    serial: Serial
    format: Literal["pem", "der", "chain"] = "pem"


class RevokeRequest(Struct, frozen=True):
    serial: Serial
    reason: Literal[
        "unspecified",
        "key_compromise",
        "affiliation_changed",
        "superseded",
        "cessation_of_operation",
        "privilege_withdrawn",
    ] = "unspecified"


class RevokedView(Struct, frozen=True):
    """`published`: a revocation list that tells it is out already; otherwise it comes within some seconds.
    `revoked_at` is null for a certificate that was resumed."""

    serial: str
    revoked_at: datetime | None
    published: bool


class VerifyRequest(Struct, frozen=True):
    """`certificate` and `intermediates` are PEM (any number in `intermediates`), or base64 of DER."""

    certificate: Pem
    intermediates: Pem = ""
    at: datetime | None = None
    purpose: Literal[
        "",
        "server_auth",
        "client_auth",
        "code_signing",
        "email_protection",
        "time_stamping",
        "signature",
        "encryption",
    ] = ""


class Reason(Struct, frozen=True):
    code: str
    subject: str
    zh: str
    en: str


class VerifyView(Struct, frozen=True):
    valid: bool
    reasons: list[Reason]
    chain: list[str]  # subjects, leaf first; empty when there is no path


class AuthorityView(Struct, frozen=True):
    ca: str
    family: Literal["sm2", "ecdsa", "rsa"]
    role: Literal["root", "issuing"]
    subject: str
    serial: str
    not_before: datetime
    not_after: datetime
    fingerprint_sm3: str
    shards: int
    deltas: bool
    state: Literal["active", "succeeded", "revoked"]
    successor: str | None
    revoked_at: datetime | None
    reason: Literal["key_compromise", "ca_compromise", "superseded", "cessation_of_operation"] | None
    crl_url: str
    ocsp_url: str | None
    crl_number: int | None
    crl_this_update: datetime | None
    crl_next_update: datetime | None
    pem: str


class AuthorityList(Struct, frozen=True):
    items: list[AuthorityView]


class TemplateView(Struct, frozen=True):
    template: str
    name_zh: str
    name_en: str
    required: list[str]
    names: list[str]
    days: int
    max_days: int
    pair: bool
    review: bool
    published: bool
    base: str | None  # of a tenant's own: the platform's that it comes from
    fixed: dict[str, str]
    domains: list[str]
    families: list[str]
    purposes: list[str]


class TemplateList(Struct, frozen=True):
    items: list[TemplateView]


class CrlRequest(Struct, frozen=True):
    """`shard`: which of the lists an authority's certificates are spread over; 0 while there is one of all."""

    ca: Annotated[str, msgspec.Meta(max_length=64)]
    shard: Annotated[int, msgspec.Meta(ge=0, le=MAX_SHARDS)] = 0
    delta: bool = False


class ConfigureRequest(Struct, frozen=True):
    """`shards`: over how many lists certificates issued from now on are spread, 0 for one list of all; it only grows.
    `deltas`: whether lists of changes are made between complete ones."""

    ca: Annotated[str, msgspec.Meta(max_length=64)]
    shards: Annotated[int, msgspec.Meta(ge=0, le=MAX_SHARDS)]
    deltas: bool


class PublishedRequest(Struct, frozen=True):
    """A serial number, or the SM3 fingerprint of a certificate (64 digits)."""

    certificate: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{1,64}$")]


class CaRequest(Struct, frozen=True):
    ca: Annotated[str, msgspec.Meta(max_length=64)]


class OcspQuery(Struct, frozen=True):
    """`body` is the OCSPRequest in DER."""

    ca: Annotated[str, msgspec.Meta(max_length=64)]
    body: bytes


class PublishedView(Struct, frozen=True):
    """The number of every list made; those of shards by authority and shard: `sm2-issuing-3`."""

    numbers: dict[str, int]
