"""Requests and answers about CAs outside."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from miyun.core.operation import Struct
from miyun.offerings.certificate.messages import Pem

OutsideId = Annotated[str, msgspec.Meta(max_length=40)]


class CreateOutside(Struct, frozen=True):
    """`certificates` are its root and issuing certificates, PEM. Applications for `templates` go to it by default."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    certificates: Pem
    templates: Annotated[list[str], msgspec.Meta(max_length=20)] = msgspec.field(default_factory=list)


class OutsideRequest(Struct, frozen=True):
    outside: OutsideId


class OutsideView(Struct, frozen=True):
    outside: str
    name: str
    templates: list[str]
    subjects: list[str]
    created_by: str
    created_at: datetime
    removed_at: datetime | None


class OutsideList(Struct, frozen=True):
    items: list[OutsideView]


class DeliverRequest(Struct, frozen=True):
    """What the CA gave back: the certificate, and for a pair the encryption certificate and the EnvelopedKey of
    GB/T 35276, or CFCA's answer, to the applicant. `certificate` may be followed by its issuers."""

    application: Annotated[str, msgspec.Meta(max_length=40)]
    certificate: Pem
    encryption_certificate: Pem = ""
    enveloped_key: Annotated[bytes, msgspec.Meta(max_length=4096)] = b""
