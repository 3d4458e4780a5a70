"""Requests and answers about trust lists."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from miyun.core.listing import Cursor, Format, SortText
from miyun.core.operation import Struct
from miyun.core.trust import LevelName, ReasonView, Status

Limit = Annotated[int, msgspec.Meta(ge=1, le=500)]
Pem = Annotated[str, msgspec.Meta(max_length=128 * 1024)]
Ref = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Name = Annotated[str, msgspec.Meta(pattern="^(?!ctl_|platform$)[a-z0-9][a-z0-9._-]{0,63}$")]
Url = Annotated[str, msgspec.Meta(max_length=512)]
Note = Annotated[str, msgspec.Meta(max_length=200)]


class CreateList(Struct, frozen=True):
    """`name` is what others name the list by."""

    name: Name
    note: Note = ""


class ListLists(Struct, frozen=True):
    """`sort`: id (in order of making as default) or name."""

    sort: SortText = ""
    limit: Limit = 50
    cursor: Cursor | None = None


class ExportLists(Struct, frozen=True):
    sort: SortText = ""
    format: Format = "csv"


class ListView(Struct, frozen=True):
    """`own`: the platform's own authorities, which nobody can change here."""

    trust_list: str
    name: str
    note: str
    authorities: int
    own: bool
    created_at: datetime | None


class ListsPage(Struct, frozen=True):
    items: list[ListView]
    next_cursor: str | None = None


class RefList(Struct, frozen=True):
    """By identifier or name."""

    trust_list: Ref


class AddAuthority(Struct, frozen=True):
    """`certificate` is PEM, or base64 of DER. Paths end at an anchor; one that is none only lies in between. The
    addresses are fetched by the platform, on its own and never because a certificate names them."""

    trust_list: Ref
    certificate: Pem
    anchor: bool = True
    crl_url: Url = ""
    delta_url: Url = ""
    ocsp_url: Url = ""
    ocsp_nonce: bool = False


class SetSources(Struct, frozen=True):
    """All of them; what is left out is no longer fetched. `ocsp_nonce`: answers without our nonce are refused."""

    trust_ca: Ref
    crl_url: Url = ""
    delta_url: Url = ""
    ocsp_url: Url = ""
    ocsp_nonce: bool = False


class RefAuthority(Struct, frozen=True):
    trust_ca: Ref


class ListAuthorities(Struct, frozen=True):
    """`sort`: created (the default), subject or not_after; with - before it, descending. `text`: of the subject."""

    trust_list: Ref
    text: Annotated[str, msgspec.Meta(max_length=200)] = ""
    sort: SortText = ""
    limit: Limit = 50
    cursor: Cursor | None = None


class ExportAuthorities(Struct, frozen=True):
    trust_list: Ref
    text: Annotated[str, msgspec.Meta(max_length=200)] = ""
    sort: SortText = ""
    format: Format = "csv"


class HeldView(Struct, frozen=True):
    """A revocation list as held. `source`: upload, or the address that it was fetched from."""

    kind: Literal["base", "delta"]
    number: str | None
    this_update: datetime
    next_update: datetime | None
    entries: int
    source: str
    held_at: datetime


class AuthorityView(Struct, frozen=True):
    """`problem`: why the last try to fetch failed, empty when it did not."""

    trust_ca: str
    subject: str
    anchor: bool
    fingerprint_sm3: str
    not_after: datetime
    crl_url: str
    delta_url: str
    ocsp_url: str
    ocsp_nonce: bool
    lists: list[HeldView]
    problem: str
    tried_at: datetime | None
    created_at: datetime
    pem: str


class AuthorityPage(Struct, frozen=True):
    items: list[AuthorityView]
    next_cursor: str | None = None


class UploadCrl(Struct, frozen=True):
    """`crl`: the list in DER or PEM, complete or delta (which its own extension says)."""

    trust_ca: Ref
    crl: bytes


class JudgeRequest(Struct, frozen=True):
    """`lists` by name; none: the platform's own authorities. `stale_hours`: for how long after its end revocation
    information is still used. `intermediates`: PEM, any number."""

    certificate: Pem
    intermediates: Pem = ""
    lists: Annotated[list[Ref], msgspec.Meta(max_length=20)] = msgspec.field(default_factory=list)
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
    level: LevelName = "revocation"
    stale_hours: Annotated[int, msgspec.Meta(ge=0, le=720)] = 0


class VerdictView(Struct, frozen=True):
    """`chain`: subjects, leaf first. `revocation`: of the whole path."""

    valid: bool
    revocation: Status
    reasons: list[ReasonView]
    chain: list[str]
    checked_at: datetime
