"""Requests and answers about XML signatures."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from miyun.core.operation import Struct
from miyun.core.trust import ReasonView, Status
from miyun.offerings.signature.messages import Judged, SignerRef

Uri = Annotated[str, msgspec.Meta(max_length=512, pattern="^[!-~]*$")]


class SignXml(Struct, frozen=True):
    """Give `xml` for a signature within the document, or `content` with its `uri` (a file name or address, which is
    only named, never fetched) for one of its own."""

    signer: SignerRef
    xml: bytes | None = None
    content: bytes | None = None
    uri: Uri = ""


class SignedXml(Struct, frozen=True):
    """The document with its signature, or the Signature element alone."""

    xml: bytes
    method: str
    certificate_serial: str


class VerifyXml(Judged, frozen=True, kw_only=True):
    """`content`: what a detached signature is over."""

    xml: bytes
    content: bytes | None = None
    return_signed: bool = False


class VerifiedXml(Struct, frozen=True):
    """`signed`: exactly what the signature is over. Use this, not the document around it."""

    valid: bool
    reasons: list[ReasonView]
    form: Literal["", "enveloped", "detached"]
    method: str
    subject: str
    serial: str
    chain: list[str]
    revocation: Status
    judged_at: datetime | None
    signed: bytes | None
