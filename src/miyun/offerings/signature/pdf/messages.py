"""Requests and answers about signatures in PDF files."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from miyun.core.operation import Struct
from miyun.core.trust import ReasonView
from miyun.offerings.signature.messages import CmsSigner, Judged, SignerRef, TimestampView

Line = Annotated[str, msgspec.Meta(max_length=200)]
Point = Annotated[int, msgspec.Meta(ge=0, le=14400)]


class Visible(Struct, frozen=True):
    """Where a visible signature stands: `page` from 1; left, bottom, right and top in points from the lower left."""

    page: Annotated[int, msgspec.Meta(ge=1, le=10000)] = 1
    left: Point = 36
    bottom: Point = 36
    right: Point = 236
    top: Point = 86


class SignPdf(Struct, frozen=True):
    """`format` pades (ETSI.CAdES.detached, the default but for SM2) or pkcs7 (adbe.pkcs7.detached). `timestamp` adds a
    proof of the signing time; `long_term` what verifies signature and time-stamp (certificates, revocation lists, OCSP
    answers), so that a reader needs nobody to ask (PAdES B-LT)."""

    signer: SignerRef
    pdf: bytes
    format: Literal["", "pades", "pkcs7"] = ""
    timestamp: bool = True
    long_term: bool = False
    reason: Line = ""
    location: Line = ""
    visible: Visible | None = None


class SignedPdf(Struct, frozen=True):
    """`field` names the signature in the file."""

    pdf: bytes
    field: str
    format: Literal["pades", "pkcs7"]
    signing_time: datetime
    certificate_serial: str


class VerifyPdf(Judged, frozen=True, kw_only=True):
    pdf: bytes


class PdfSignature(Struct, frozen=True):
    """`covers` the whole file, a revision that later ones add to, or neither. A document time-stamp has no signer."""

    field: str
    format: str
    covers: Literal["file", "revision", "none"]
    valid: bool
    reasons: list[ReasonView]
    signer: CmsSigner | None
    timestamp: TimestampView | None


class VerifiedPdf(Struct, frozen=True):
    """Valid when there are signatures and every one is."""

    valid: bool
    reasons: list[ReasonView]
    signatures: list[PdfSignature]
