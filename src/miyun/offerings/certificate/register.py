"""The register as its readers see it: searched, sorted, paged, taken away as a file."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from miyun.core.i18n import Text
from miyun.core.listing import EXPORT_PAGE, Column, Page, export
from miyun.core.operation import Call, Download
from miyun.offerings.certificate.messages import CertificateView, ExportRequest, SearchRequest
from miyun.offerings.certificate.model import Certificate, Search, State, serial_text
from miyun.offerings.certificate.store import SORTING, CertificateStore


class RegisterSearch:
    def __init__(self, store: CertificateStore) -> None:
        self._store = store

    async def page(self, call: Call, request: SearchRequest, cursor: str | None, limit: int) -> Page[Certificate]:
        """Raises InvalidArgument for a sort or cursor that is none."""
        sort = SORTING.sort(request.sort)
        return await asyncio.to_thread(
            self._store.page,
            call.require_tenant(),
            _search(request),
            sort=sort,
            place=SORTING.place(sort, cursor),
            now=call.now,
            limit=limit,
        )

    def export(self, call: Call, request: ExportRequest) -> Download:
        SORTING.sort(request.sort)  # refused before anything is sent

        async def pages(cursor: str | None) -> Page[CertificateView]:
            page = await self.page(call, request, cursor, EXPORT_PAGE)
            return Page([view(item, call.now) for item in page.items], page.next_cursor)

        return export(pages, _COLUMNS, form=request.format, locale=call.locale, name="certificates")


_COLUMNS: Final[Sequence[Column[CertificateView]]] = (
    Column("serial", Text("序列号", "Serial number"), lambda item: item.serial),
    Column("subject", Text("主题", "Subject"), lambda item: item.subject),
    Column("names", Text("备用名称", "Alternative names"), lambda item: item.names),
    Column("template", Text("模板", "Template"), lambda item: item.template),
    Column("usage", Text("用途", "Usage"), lambda item: item.usage),
    Column("state", Text("状态", "State"), lambda item: item.state),
    Column("issued_at", Text("签发时间", "Issued"), lambda item: item.issued_at),
    Column("not_before", Text("生效", "Valid from"), lambda item: item.not_before),
    Column("not_after", Text("失效", "Valid to"), lambda item: item.not_after),
    Column("revoked_at", Text("吊销时间", "Revoked"), lambda item: item.revoked_at),
    Column("reason", Text("吊销原因", "Reason"), lambda item: item.reason),
    Column("ca", Text("签发机构", "Issuer"), lambda item: item.ca),
    Column("application", Text("申请", "Application"), lambda item: item.application),
    Column("pair", Text("另一张证书", "Its twin"), lambda item: item.pair),
    Column("fingerprint_sm3", Text("证书指纹（SM3）", "Fingerprint (SM3)"), lambda item: item.fingerprint_sm3),
    Column("key_sm3", Text("公钥指纹（SM3）", "Key fingerprint (SM3)"), lambda item: item.key_sm3),
)


def _search(request: SearchRequest) -> Search:
    return Search(
        text=request.text,
        name=request.name,
        serial=request.serial_prefix,
        template=request.template,
        authority=request.ca,
        usage=request.usage,
        application=request.application,
        key=request.key_sm3,
        state=request.state,
        expires_from=request.expires_from,
        expires_before=request.expires_before,
        issued_from=request.issued_from,
        issued_before=request.issued_before,
    )


def view(certificate: Certificate, now: datetime) -> CertificateView:
    state = certificate.state.value
    if certificate.state is State.ISSUED and certificate.not_after < now:
        state = "expired"
    return CertificateView(
        serial=serial_text(certificate.serial),
        template=certificate.template,
        usage=certificate.usage.value,
        subject=certificate.subject,
        names=list(certificate.names),
        ca=certificate.authority,
        state=state,  # type: ignore[arg-type]
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        issued_at=certificate.issued_at,
        fingerprint_sm3=(certificate.fingerprint or b"").hex(),
        key_sm3=certificate.key,
        revoked_at=certificate.revoked_at,
        reason=certificate.reason,
        pair=serial_text(certificate.pair) if certificate.pair is not None else None,
        application=certificate.application,
    )
