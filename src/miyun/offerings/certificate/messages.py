"""Requests and answers of the certificate room."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from miyun.core.operation import Struct

Limit = Annotated[int, msgspec.Meta(ge=1, le=500)]
Serial = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{1,40}$")]
Pem = Annotated[str, msgspec.Meta(max_length=128 * 1024)]


class CertificateView(Struct, frozen=True):
    serial: str
    template: str
    usage: Literal["sign", "encrypt"]
    subject: str
    ca: str
    state: Literal["issued", "suspended", "revoked", "expired"]
    not_before: datetime
    not_after: datetime
    fingerprint_sm3: str
    revoked_at: datetime | None = None
    reason: str | None = None
    pair: str | None = None


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


class SerialRequest(Struct, frozen=True):
    serial: Serial


class CertificateDetail(Struct, frozen=True):
    certificate: CertificateView
    pem: str
    chain_pem: str


class ListRequest(Struct, frozen=True):
    text: Annotated[str, msgspec.Meta(max_length=200)] = ""
    template: str = ""
    state: Literal["", "issued", "suspended", "revoked"] = ""
    expires_before: datetime | None = None
    limit: Limit = 50
    cursor: str | None = None


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


class TemplateList(Struct, frozen=True):
    items: list[TemplateView]


class CaRequest(Struct, frozen=True):
    ca: Annotated[str, msgspec.Meta(max_length=64)]


class OcspQuery(Struct, frozen=True):
    """`body` is the OCSPRequest in DER."""

    ca: Annotated[str, msgspec.Meta(max_length=64)]
    body: bytes


class PublishedView(Struct, frozen=True):
    numbers: dict[str, int]
