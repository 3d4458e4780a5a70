"""Requests and answers about escrowed keys and their recovery."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from miyun.core.listing import Cursor, Format, SortText
from miyun.core.operation import Struct
from miyun.offerings.certificate.messages import Limit, Pem

RecoveryId = Annotated[str, msgspec.Meta(max_length=40)]
StateName = Literal["requested", "approved", "delivered", "rejected", "expired"]
AnyState = Literal["", "requested", "approved", "delivered", "rejected", "expired"]


class EscrowListRequest(Struct, frozen=True):
    """`text` is part of the subject: whose keys, the newest first."""

    text: Annotated[str, msgspec.Meta(max_length=200)] = ""
    sort: SortText = ""
    limit: Limit = 50
    cursor: Cursor | None = None


class EscrowExportRequest(Struct, frozen=True):
    text: Annotated[str, msgspec.Meta(max_length=200)] = ""
    sort: SortText = ""
    format: Format = "csv"


class EscrowedView(Struct, frozen=True):
    """`certificates` are the serial numbers of the encryption certificates for the key, oldest first."""

    escrow: str
    subject: str
    created_at: datetime
    application: str | None
    certificates: list[str]
    key_sm3: str


class EscrowPage(Struct, frozen=True):
    items: list[EscrowedView]
    next_cursor: str | None = None


class RecoverRequest(Struct, frozen=True):
    """`receiver` is the certificate, PEM or base64 of DER, under whose SM2 key the escrowed key is delivered;
    `reference` the paper that a judicial recovery rests on."""

    escrow: Annotated[str, msgspec.Meta(max_length=40)]
    receiver: Pem
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    kind: Literal["user", "judicial"] = "user"
    reference: Annotated[str, msgspec.Meta(max_length=200)] = ""


class RecoveryRequest(Struct, frozen=True):
    recovery: RecoveryId


class RejectRequest(Struct, frozen=True):
    recovery: RecoveryId
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class ListRequest(Struct, frozen=True):
    text: Annotated[str, msgspec.Meta(max_length=200)] = ""
    state: AnyState = ""
    sort: SortText = ""
    limit: Limit = 50
    cursor: Cursor | None = None


class ExportRequest(Struct, frozen=True):
    text: Annotated[str, msgspec.Meta(max_length=200)] = ""
    state: AnyState = ""
    sort: SortText = ""
    format: Format = "csv"


class RecoveryView(Struct, frozen=True):
    recovery: str
    escrow: str
    subject: str
    kind: Literal["user", "judicial"]
    state: StateName
    reason: str
    reference: str
    receiver_subject: str
    receiver_sm3: str
    requester: str
    requested_at: datetime
    expires_at: datetime
    system_consent: str | None
    system_consent_at: datetime | None
    security_consent: str | None
    security_consent_at: datetime | None
    closed_by: str | None
    closed_at: datetime | None
    note: str


class RecoveryPage(Struct, frozen=True):
    items: list[RecoveryView]
    next_cursor: str | None = None


class DeliveredView(Struct, frozen=True):
    """`enveloped_key` is an SM2EnvelopedKey (GB/T 35276) to the receiver; `certificates_pem` are those for the key."""

    recovery: RecoveryView
    enveloped_key: bytes
    certificates_pem: str
