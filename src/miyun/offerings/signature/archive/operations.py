"""Operations of kept evidence."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol, TypeVar

from miyun.core.i18n import Text
from miyun.core.operation import Call, Download, Duty, Meter, Operation, Reply, Role
from miyun.offerings.signature.archive import messages as m
from miyun.offerings.signature.archive.service import ArchiveService as S

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class _Room(Protocol):
    archive: S


def _by(verb: Callable[[S, Call, Request], Awaitable[Answer]]) -> Callable[[_Room, Call, Request], Awaitable[Answer]]:
    async def handler(service: _Room, call: Call, request: Request) -> Answer:
        return await verb(service.archive, call, request)

    return handler


_READERS: Final = frozenset(
    {
        Role.APPLICATION,
        Role.TENANT_SYSTEM,
        Role.TENANT_SECURITY,
        Role.TENANT_AUDIT,
        Role.TENANT_DEVELOPER,
        Role.SUPPLIER_STAFF,
        Role.SYSTEM,
    }
)
_EVIDENCE: Final = "evd_06f3k2v8q0abcdefghjkmnpqrs"


def operations(calls: Meter) -> tuple[Operation, ...]:
    """`calls`: the room's meter; keeping counts as one call."""
    return (
        Operation(
            id="signature.evidence.keep",
            summary=Text("留存已签名的文件作为证据", "Keep a signed object as evidence"),
            description=Text(
                "先行验证；连同证书链、吊销信息一并留存，成批加盖时间戳，到期前续盖（RFC 4998）。",
                "Verified first, kept with its chain and revocation information, time-stamped in batches, and renewed "
                "before the time-stamp ends (RFC 4998).",
            ),
            method="POST",
            path="/signature/evidence",
            request=m.KeepRequest,
            response=m.EvidenceView,
            handler=_by(S.keep),
            roles=frozenset({Role.APPLICATION, Role.TENANT_DEVELOPER, Role.TENANT_SYSTEM}),
            duty=Duty.USE,
            meter=calls,
            idempotent=True,
            max_body=32 * 1024 * 1024,
            example={"name": "批复 2026-001", "signed": "MAA=", "content": "5a+G5LqR"},
        ),
        _read(
            "list",
            Text("列出证据", "List evidence"),
            "",
            m.ListEvidence,
            m.EvidencePage,
            S.list_kept,
            example={"limit": 50},
        ),
        _read(
            "list_export",
            Text("导出证据清单", "Export the list of evidence"),
            "-list/file",
            m.ExportEvidenceList,
            Download,
            S.export_list,
            reply="stream",
            example={"format": "csv"},
        ),
        _read(
            "get",
            Text("查看证据及其时间戳", "Look at evidence and its time-stamps"),
            "/{evidence}",
            m.RefEvidence,
            m.EvidenceDetail,
            S.get,
            tenant_fields=("evidence",),
            example={"evidence": _EVIDENCE},
        ),
        _read(
            "export",
            Text("导出证据（可脱离平台验证）", "Export evidence, to be verified without the platform"),
            "/{evidence}/file",
            m.RefEvidence,
            Reply,
            S.export,
            reply="raw",
            tenant_fields=("evidence",),
            example={"evidence": _EVIDENCE},
        ),
        Operation(
            id="signature.evidence.rehash",
            summary=Text("以另一杂凑算法续证", "Prove evidence by another hash from now on"),
            description=Text(
                "在现用杂凑算法减弱之前进行；此前的全部时间戳一并固定。",
                "Before the present hash weakens; all time-stamps so far are sealed along.",
            ),
            method="POST",
            path="/signature/evidence/{evidence}/rehash",
            request=m.Rehash,
            response=m.EvidenceView,
            handler=_by(S.rehash),
            roles=frozenset({Role.TENANT_SECURITY}),
            duty=Duty.POLICY,
            quota_free=True,
            tenant_fields=("evidence",),
            example={"evidence": _EVIDENCE, "hash": "SHA-256"},
        ),
    )


def _read(
    name: str, summary: Text, path: str, request: type[Any], response: type[Any], handler: Any, **more: Any
) -> Operation:
    return Operation(
        id=f"signature.evidence.{name}",
        summary=summary,
        method="GET",
        path=f"/signature/evidence{path}",
        request=request,
        response=response,
        handler=_by(handler),
        roles=_READERS,
        duty=Duty.READ,
        quota_free=True,
        **more,
    )
