"""Operations of PDF files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

from miyun.core.i18n import Text
from miyun.core.operation import Call, Duty, Meter, Operation, Role
from miyun.offerings.signature.pdf import messages as m
from miyun.offerings.signature.pdf.service import PdfService as S

Request = TypeVar("Request")
Answer = TypeVar("Answer")
_LARGE: Final = 24 * 1024 * 1024
_PDF: Final = (
    # one empty page
    "JVBERi0xLjcKMSAwIG9iajw8L1R5cGUvQ2F0YWxvZy9QYWdlcyAyIDAgUj4+ZW5kb2JqCjIgMCBvYmo8PC9UeXBlL1BhZ2VzL0tpZHNbMyAw"
    "IFJdL0NvdW50IDE+PmVuZG9iagozIDAgb2JqPDwvVHlwZS9QYWdlL1BhcmVudCAyIDAgUi9NZWRpYUJveFswIDAgNTk1IDg0Ml0+PmVuZG9i"
    "agp4cmVmCjAgNAowMDAwMDAwMDAwIDY1NTM1IGYgCjAwMDAwMDAwMDkgMDAwMDAgbiAKMDAwMDAwMDA1MiAwMDAwMCBuIAowMDAwMDAwMTAx"
    "IDAwMDAwIG4gCnRyYWlsZXI8PC9TaXplIDQvUm9vdCAxIDAgUj4+CnN0YXJ0eHJlZgoxNjQKJSVFT0YK"
)


class _Room(Protocol):
    pdf: S


def _by(verb: Callable[[S, Call, Request], Awaitable[Answer]]) -> Callable[[_Room, Call, Request], Awaitable[Answer]]:
    async def handler(service: _Room, call: Call, request: Request) -> Answer:
        return await verb(service.pdf, call, request)

    return handler


def operations(calls: Meter, readers: frozenset[Role]) -> tuple[Operation, ...]:
    return (
        Operation(
            id="signature.pdf.sign",
            summary=Text("签署 PDF 文件", "Sign a PDF file"),
            description=Text(
                "追加一个版本，原文不变；RSA 与 ECDSA 默认 PAdES，SM2 为 adbe.pkcs7.detached；可带时间戳与可见签名。",
                "A revision is added, what was there stays. PAdES for RSA and ECDSA, adbe.pkcs7.detached for SM2; with "
                "a time-stamp, and visible if wanted.",
            ),
            method="POST",
            path="/signature/pdf/sign",
            request=m.SignPdf,
            response=m.SignedPdf,
            octets="pdf",
            octets_reply="pdf",
            handler=_by(S.sign),
            roles=frozenset({Role.APPLICATION}),
            duty=Duty.USE,
            pure=True,
            meter=calls,
            idempotent=True,
            max_body=_LARGE,
            tenant_fields=("signer",),
            example={"signer": "approval", "pdf": _PDF, "reason": "批准"},
        ),
        Operation(
            id="signature.pdf.verify",
            summary=Text("验证 PDF 文件中的签名并说明原因", "Verify the signatures of a PDF file and say why not"),
            method="POST",
            path="/signature/pdf/verify",
            request=m.VerifyPdf,
            response=m.VerifiedPdf,
            handler=_by(S.verify),
            roles=readers,
            duty=Duty.USE,
            pure=True,
            meter=calls,
            quota_free=True,
            max_body=_LARGE,
            example={"pdf": _PDF},
        ),
    )
