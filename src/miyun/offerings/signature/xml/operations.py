"""Operations of XML signatures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

from miyun.core.i18n import Text
from miyun.core.operation import Call, Duty, Meter, Operation, Role
from miyun.offerings.signature.xml import messages as m
from miyun.offerings.signature.xml.service import XmlService as S

Request = TypeVar("Request")
Answer = TypeVar("Answer")
_LARGE: Final = 24 * 1024 * 1024
_XML: Final = "PGRvYz7mibnlpI08L2RvYz4="


class _Room(Protocol):
    xml: S


def _by(verb: Callable[[S, Call, Request], Awaitable[Answer]]) -> Callable[[_Room, Call, Request], Awaitable[Answer]]:
    async def handler(service: _Room, call: Call, request: Request) -> Answer:
        return await verb(service.xml, call, request)

    return handler


def operations(calls: Meter, readers: frozenset[Role]) -> tuple[Operation, ...]:
    return (
        Operation(
            id="signature.xml.sign",
            summary=Text("签署 XML 文档（内嵌或分离）", "Sign an XML document, within it or apart"),
            description=Text(
                "XMLDSig，独占规范化；SM2 与 SM3 无注册标识，以对象标识符表示（urn:oid）。",
                "XMLDSig with exclusive canonicalization. SM2 and SM3 have no registered names: their object "
                "identifiers stand in (urn:oid).",
            ),
            method="POST",
            path="/signature/xml/sign",
            request=m.SignXml,
            response=m.SignedXml,
            handler=_by(S.sign),
            roles=frozenset({Role.APPLICATION}),
            duty=Duty.USE,
            pure=True,
            meter=calls,
            idempotent=True,
            max_body=_LARGE,
            tenant_fields=("signer",),
            example={"signer": "approval", "xml": _XML},
        ),
        Operation(
            id="signature.xml.verify",
            summary=Text("验证 XML 签名并说明原因", "Verify an XML signature and say why not"),
            description=Text(
                "只接受一个签名，且覆盖整个文档或所给内容；返回确切的被签内容。拒绝 DTD。",
                "One signature, over the whole document or the given content; what was signed is answered exactly. "
                "DTDs are refused.",
            ),
            method="POST",
            path="/signature/xml/verify",
            request=m.VerifyXml,
            response=m.VerifiedXml,
            handler=_by(S.verify),
            roles=readers,
            duty=Duty.USE,
            pure=True,
            meter=calls,
            quota_free=True,
            max_body=_LARGE,
            example={"xml": _XML},
        ),
    )
