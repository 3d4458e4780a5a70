"""Operations of the trust lists."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol, TypeVar

from miyun.core.i18n import Text
from miyun.core.operation import Call, Download, Duty, Empty, Operation, Role
from miyun.offerings.certificate.trust import messages as m
from miyun.offerings.certificate.trust.service import TrustService as S

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class _Room(Protocol):
    trust: S


def _by(verb: Callable[[S, Call, Request], Awaitable[Answer]]) -> Callable[[_Room, Call, Request], Awaitable[Answer]]:
    """The room's service hands over to its trust lists."""

    async def handler(service: _Room, call: Call, request: Request) -> Answer:
        return await verb(service.trust, call, request)

    return handler


_SECURITY: Final = frozenset({Role.TENANT_SECURITY})
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
_LIST: Final = "ctl_06f3k2v8q0abcdefghjkmnpqrs"
_CA: Final = "cta_06f3k2v8q0abcdefghjkmnpqrs"
_PEM: Final = "-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n"
_LARGE: Final = 96 * 1024 * 1024


def _read(
    name: str, summary: Text, path: str, request: type[Any], response: type[Any], handler: Any, **more: Any
) -> Operation:
    return Operation(
        id=f"certificate.trust.{name}",
        summary=summary,
        method="GET",
        path=f"/certificates/trust{path}",
        request=request,
        response=response,
        handler=_by(handler),
        roles=_READERS,
        duty=Duty.READ,
        quota_free=True,
        **more,
    )


def _change(
    name: str, summary: Text, path: str, request: type[Any], response: type[Any], handler: Any, **more: Any
) -> Operation:
    return Operation(
        id=f"certificate.trust.{name}",
        summary=summary,
        method="POST",
        path=f"/certificates/trust{path}",
        request=request,
        response=response,
        handler=_by(handler),
        roles=_SECURITY,
        duty=Duty.POLICY,
        quota_free=True,
        **more,
    )


OPERATIONS: tuple[Operation, ...] = (
    _change(
        "list.create",
        Text("建立信任列表", "Make a trust list"),
        "/lists",
        m.CreateList,
        m.ListView,
        S.create_list,
        idempotent=True,
        example={"name": "outside", "note": "外部 CA"},
    ),
    _read(
        "list.list",
        Text("列出信任列表", "List trust lists"),
        "/lists",
        m.ListLists,
        m.ListsPage,
        S.list_lists,
        example={"limit": 50},
    ),
    _read(
        "list.export",
        Text("导出信任列表", "Export the trust lists"),
        "/lists/file",
        m.ExportLists,
        Download,
        S.export_lists,
        reply="stream",
        example={"format": "csv"},
    ),
    _change(
        "list.remove",
        Text("删除信任列表", "Remove a trust list"),
        "/lists/{trust_list}/remove",
        m.RefList,
        Empty,
        S.remove_list,
        tenant_fields=("trust_list",),
        description=Text(
            "连同其中的 CA 与所存吊销信息；此后按该列表的验证都不通过。",
            "With its authorities and what is held of them; what is judged by it is refused from then on.",
        ),
        example={"trust_list": _LIST},
    ),
    _change(
        "authority.add",
        Text("信任一个外部 CA", "Trust an outside authority"),
        "/lists/{trust_list}/authorities",
        m.AddAuthority,
        m.AuthorityView,
        S.add_authority,
        idempotent=True,
        tenant_fields=("trust_list",),
        description=Text(
            "吊销列表与 OCSP 地址由管理员指定，平台只访问这些地址，从不访问证书中所写的地址。",
            "The addresses of its revocation list and responder are the administrator's: only these are asked, never "
            "one that a certificate names.",
        ),
        example={"trust_list": _LIST, "certificate": _PEM, "crl_url": "http://ca.example.cn/ca.crl"},
    ),
    _read(
        "authority.list",
        Text("列出信任列表中的 CA", "List the authorities of a trust list"),
        "/lists/{trust_list}/authorities",
        m.ListAuthorities,
        m.AuthorityPage,
        S.list_authorities,
        tenant_fields=("trust_list",),
        example={"trust_list": _LIST, "sort": "not_after"},
    ),
    _read(
        "authority.export",
        Text("导出信任列表中的 CA", "Export the authorities of a trust list"),
        "/lists/{trust_list}/authorities/file",
        m.ExportAuthorities,
        Download,
        S.export_authorities,
        reply="stream",
        tenant_fields=("trust_list",),
        example={"trust_list": _LIST, "format": "csv"},
    ),
    _change(
        "authority.sources",
        Text("指定 CA 的吊销列表与 OCSP 地址", "Pin an authority's revocation list and responder"),
        "/authorities/{trust_ca}/sources",
        m.SetSources,
        m.AuthorityView,
        S.set_sources,
        tenant_fields=("trust_ca",),
        example={"trust_ca": _CA, "crl_url": "http://ca.example.cn/ca.crl"},
    ),
    _change(
        "authority.remove",
        Text("不再信任一个外部 CA", "Stop trusting an outside authority"),
        "/authorities/{trust_ca}/remove",
        m.RefAuthority,
        Empty,
        S.remove_authority,
        tenant_fields=("trust_ca",),
        example={"trust_ca": _CA},
    ),
    _change(
        "crl.upload",
        Text("上传外部 CA 的吊销列表", "Upload an outside authority's revocation list"),
        "/authorities/{trust_ca}/crl",
        m.UploadCrl,
        m.HeldView,
        S.upload_crl,
        octets="crl",
        max_body=_LARGE,
        tenant_fields=("trust_ca",),
        description=Text(
            "须由该 CA 签名，且不早于现存的列表；增量列表由其扩展识别。",
            "It must be signed by that authority and not be older than the one held; a delta list says so itself.",
        ),
        example={"trust_ca": _CA, "crl": "MAA="},
    ),
    Operation(
        id="certificate.trust.judge",
        summary=Text("按信任列表验证证书并说明原因", "Judge a certificate by trust lists and say why not"),
        description=Text(
            "级别：time 有效期；chain 加证书链；revocation 加吊销列表；ocsp 加在线状态。原因以树给出。",
            "Levels: time, its validity; chain, and a path; revocation, and lists; ocsp, and the responder's answer. "
            "Reasons come as a tree.",
        ),
        method="POST",
        path="/certificates/trust/judge",
        request=m.JudgeRequest,
        response=m.VerdictView,
        handler=_by(S.judge),
        roles=_READERS,
        duty=Duty.READ,
        quota_free=True,
        example={"certificate": _PEM, "lists": ["platform"], "purpose": "signature", "level": "revocation"},
    ),
)
