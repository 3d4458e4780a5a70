"""Use cases of trust lists: make and fill them, pin where revocations are told, judge a certificate by them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from miyun.core.clock import Clock
from miyun.core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from miyun.core.i18n import Text
from miyun.core.ids import new_id
from miyun.core.listing import Column, Page, Sorting, export, exporting
from miyun.core.operation import Call, Download, Empty
from miyun.core.outbound import OutboundFailed, parse_url
from miyun.core.trust import OWN_LIST, Level, reason_views
from miyun.gm.errors import InvalidSignature
from miyun.offerings.certificate.errors import unreadable
from miyun.offerings.certificate.reading import certificates_in
from miyun.offerings.certificate.trust import messages as m
from miyun.offerings.certificate.trust.directory import PlatformTrust
from miyun.offerings.certificate.trust.held.store import HeldStore
from miyun.offerings.certificate.trust.intake import Intake, Refusal
from miyun.offerings.certificate.trust.model import (
    MAX_AUTHORITIES,
    MAX_LISTS,
    Fetching,
    HeldList,
    TrustedAuthority,
    TrustList,
)
from miyun.offerings.certificate.trust.own import OwnAuthorities
from miyun.offerings.certificate.trust.refresh import Fetch, Refresher
from miyun.offerings.certificate.trust.store import LISTS, TrustStore
from miyun.wire.errors import DecodeError
from miyun.wire.x509 import Certificate, parse_certificate

SORTING: Final = Sorting({"created": str, "subject": str, "not_after": datetime}, default="created", key=str)
_LIST_COLUMNS: Final[tuple[Column[m.ListView], ...]] = (
    Column("trust_list", Text("标识", "Identifier"), lambda item: item.trust_list),
    Column("name", Text("名称", "Name"), lambda item: item.name),
    Column("note", Text("说明", "Note"), lambda item: item.note),
    Column("authorities", Text("CA 数", "Authorities"), lambda item: item.authorities),
    Column("own", Text("本平台自有", "The platform's own"), lambda item: item.own),
    Column("created_at", Text("建立时间", "Made"), lambda item: item.created_at),
)
_COLUMNS: Final[tuple[Column[TrustedAuthority], ...]] = (
    Column("subject", Text("主题", "Subject"), lambda item: item.subject),
    Column("anchor", Text("信任锚", "Anchor"), lambda item: item.anchor),
    Column("fingerprint_sm3", Text("SM3 指纹", "SM3 fingerprint"), lambda item: item.fingerprint),
    Column("not_after", Text("到期", "Expires"), lambda item: item.not_after),
    Column("crl_url", Text("吊销列表地址", "CRL address"), lambda item: item.crl_url),
    Column("delta_url", Text("增量列表地址", "Delta CRL address"), lambda item: item.delta_url),
    Column("ocsp_url", Text("OCSP 地址", "OCSP address"), lambda item: item.ocsp_url),
)


class TrustService:
    def __init__(self, *, store: TrustStore, held: HeldStore, own: OwnAuthorities, clock: Clock) -> None:
        self._store = store
        self._held = held
        self._intake = Intake(held)
        self._own = own
        self._clock = clock
        self.directory = PlatformTrust(store=store, held=held, own=own, clock=clock)

    def refresher(self, fetch: Fetch) -> Refresher:
        """For the jobs process, which alone asks outside."""
        return Refresher(store=self._store, held=self._held, clock=self._clock, fetch=fetch)

    # lists

    async def create_list(self, call: Call, request: m.CreateList) -> m.ListView:
        tenant = call.require_tenant()
        if len(await asyncio.to_thread(self._store.lists, tenant, LISTS.default, None, MAX_LISTS)) >= MAX_LISTS:
            raise FailedPrecondition(field="name", state=f"{MAX_LISTS} trust lists")
        item = TrustList(new_id("ctl"), tenant, request.name, request.note, call.now)
        if not await asyncio.to_thread(self._store.add_list, item):
            raise AlreadyExists(field="name", kind="trust_list", name=request.name)
        call.resource["trust_list"] = item.id
        return _list_view(item)

    async def list_lists(self, call: Call, request: m.ListLists) -> m.ListsPage:
        """The platform's own list comes first."""
        sort = LISTS.sort(request.sort)
        place = LISTS.place(sort, request.cursor)
        rows = await asyncio.to_thread(self._store.lists, call.require_tenant(), sort, place, request.limit)
        page = LISTS.page(sort, rows, request.limit)
        shown = [_list_view(row) for row in page.items]
        if not request.cursor:
            shown.insert(0, self._own_view())
        return m.ListsPage(items=shown, next_cursor=page.next_cursor)

    export_lists = exporting(list_lists, m.ListLists, _LIST_COLUMNS, name="trust-lists")

    async def remove_list(self, call: Call, request: m.RefList) -> Empty:
        found = self._list(call, request.trust_list)
        gone = await asyncio.to_thread(self._store.remove_list, found.tenant, found.id)
        if gone is None:
            raise NotFound("trust_list", request.trust_list)
        await asyncio.to_thread(self._held.forget, gone)
        return Empty()

    # authorities

    async def add_authority(self, call: Call, request: m.AddAuthority) -> m.AuthorityView:
        found = self._list(call, request.trust_list)
        if found.authorities >= MAX_AUTHORITIES:
            raise FailedPrecondition(field="trust_list", state=f"{MAX_AUTHORITIES} authorities")
        certificate = _authority_certificate(request.certificate, request.anchor)
        item = TrustedAuthority(
            id=new_id("cta"),
            tenant=found.tenant,
            trust_list=found.id,
            anchor=request.anchor,
            subject=str(certificate.subject)[:1024],
            fingerprint=certificate.fingerprint.hex(),
            not_after=certificate.not_after,
            der=certificate.der,
            crl_url=_address("crl_url", request.crl_url),
            delta_url=_address("delta_url", request.delta_url),
            ocsp_url=_address("ocsp_url", request.ocsp_url),
            ocsp_nonce=request.ocsp_nonce,
            created_at=call.now,
        )
        if not await asyncio.to_thread(self._store.add_authority, item):
            raise AlreadyExists(field="certificate", kind="trust_ca", name=item.subject)
        call.resource.update(trust_list=found.id, trust_ca=item.id)
        call.detail.update(subject=item.subject, fingerprint=item.fingerprint, anchor=item.anchor)
        return _authority_view(item, {}, {})

    async def list_authorities(self, call: Call, request: m.ListAuthorities) -> m.AuthorityPage:
        found = self._list(call, request.trust_list)
        page = await self._page(found, request.text, request.sort, request.limit, request.cursor)
        ids = [item.id for item in page.items]
        held = await asyncio.to_thread(self._held.held, ids)
        tried = await asyncio.to_thread(self._held.fetchings, ids)
        return m.AuthorityPage(
            items=[_authority_view(item, held.get(item.id, {}), tried) for item in page.items],
            next_cursor=page.next_cursor,
        )

    async def export_authorities(self, call: Call, request: m.ExportAuthorities) -> Download:
        found = self._list(call, request.trust_list)

        async def pages(cursor: str | None) -> Page[TrustedAuthority]:
            return await self._page(found, request.text, request.sort, 500, cursor)

        SORTING.sort(request.sort)
        return export(pages, _COLUMNS, form=request.format, locale=call.locale, name=f"trust-{found.name}")

    async def set_sources(self, call: Call, request: m.SetSources) -> m.AuthorityView:
        item = replace(
            self._authority(call, request.trust_ca),
            crl_url=_address("crl_url", request.crl_url),
            delta_url=_address("delta_url", request.delta_url),
            ocsp_url=_address("ocsp_url", request.ocsp_url),
            ocsp_nonce=request.ocsp_nonce,
        )
        if not await asyncio.to_thread(self._store.set_sources, item):
            raise NotFound("trust_ca", request.trust_ca)
        await asyncio.to_thread(self._held.try_again, item.id)
        call.detail.update(crl_url=item.crl_url, delta_url=item.delta_url, ocsp_url=item.ocsp_url)
        held = await asyncio.to_thread(self._held.held, [item.id])
        return _authority_view(item, held.get(item.id, {}), {})

    async def remove_authority(self, call: Call, request: m.RefAuthority) -> Empty:
        item = self._authority(call, request.trust_ca)
        if not await asyncio.to_thread(self._store.remove_authority, item.tenant, item.id):
            raise NotFound("trust_ca", request.trust_ca)
        await asyncio.to_thread(self._held.forget, [item.id])
        return Empty()

    async def upload_crl(self, call: Call, request: m.UploadCrl) -> m.HeldView:
        item = self._authority(call, request.trust_ca)
        try:
            held = await asyncio.to_thread(self._intake.take, item, request.crl, "upload", call.now)
        except DecodeError as error:
            raise unreadable("crl", error) from None
        except Refusal as refusal:
            raise InvalidArgument("crl", Text(f"不予采用：{refusal.text}", f"not taken: {refusal.text}")) from None
        call.detail.update(number=str(held.number), entries=held.entries)
        return _held_view(held)

    # judge

    async def judge(self, call: Call, request: m.JudgeRequest) -> m.VerdictView:
        [leaf, *others] = certificates_in("certificate", request.certificate)
        if request.intermediates:
            others += certificates_in("intermediates", request.intermediates)
        verdict = await self.directory.judge(
            call.require_tenant(),
            leaf.der,
            extra=[item.der for item in others],
            lists=request.lists,
            at=request.at or call.now,
            purpose=request.purpose,
            level=Level(request.level),
            stale=timedelta(hours=request.stale_hours),
        )
        return m.VerdictView(
            valid=verdict.valid,
            revocation=verdict.revocation,
            reasons=reason_views(verdict.reasons),
            chain=[str(parse_certificate(item).subject) for item in verdict.chain],
            checked_at=verdict.checked_at,
        )

    def _list(self, call: Call, ref: str) -> TrustList:
        found = self._store.named(call.require_tenant(), ref)
        if found is None:
            raise NotFound("trust_list", ref)
        call.resource["trust_list"] = found.id
        return found

    def _authority(self, call: Call, ref: str) -> TrustedAuthority:
        found = self._store.authority(call.require_tenant(), ref)
        if found is None:
            raise NotFound("trust_ca", ref)
        call.resource.update(trust_list=found.trust_list, trust_ca=found.id)
        return found

    async def _page(
        self, found: TrustList, text: str, sort: str, limit: int, cursor: str | None
    ) -> Page[TrustedAuthority]:
        chosen = SORTING.sort(sort)
        rows = await asyncio.to_thread(
            self._store.page,
            found.tenant,
            found.id,
            text=text,
            sort=chosen,
            place=SORTING.place(chosen, cursor),
            limit=limit,
        )
        following = None
        if len(rows) > limit:
            last = rows[limit - 1]
            values: dict[str, str | datetime] = {
                "created": last.id,
                "subject": last.subject,
                "not_after": last.not_after,
            }
            value = values[chosen.field]
            following = SORTING.cursor(chosen, value, last.id)
        return Page(rows[:limit], following)

    def _own_view(self) -> m.ListView:
        count = len(self._own.anchors()) + len(self._own.intermediates())
        return m.ListView(trust_list=OWN_LIST, name=OWN_LIST, note="", authorities=count, own=True, created_at=None)


def _address(field: str, url: str) -> str:
    if url:
        try:
            parse_url(url)
        except OutboundFailed:
            raise InvalidArgument(
                field, Text("应为 http 或 https 地址，不带口令", "an http or https address without credentials")
            ) from None
    return url


def _authority_certificate(text: str, anchor: bool) -> Certificate:
    """Raises InvalidArgument unless it is a CA's, and its own signature verifies when it is self-issued."""
    found = certificates_in("certificate", text)
    if len(found) != 1:
        raise InvalidArgument("certificate", Text("一次添加一张证书", "one certificate at a time"))
    [certificate] = found
    usage = certificate.key_usage
    if not certificate.is_ca or (usage is not None and "keyCertSign" not in usage):
        raise InvalidArgument("certificate", Text("不是 CA 证书", "not a CA's certificate"))
    if anchor and certificate.self_issued:
        try:
            certificate.verify_signed_by(certificate)
        except (InvalidSignature, DecodeError):
            raise InvalidArgument("certificate", Text("自签名无法验证", "its own signature does not verify")) from None
    return certificate


def _list_view(item: TrustList) -> m.ListView:
    return m.ListView(
        trust_list=item.id,
        name=item.name,
        note=item.note,
        authorities=item.authorities,
        own=False,
        created_at=item.created_at,
    )


def _held_view(item: HeldList) -> m.HeldView:
    return m.HeldView(
        kind=item.kind,
        number=None if item.number is None else str(item.number),
        this_update=item.this_update,
        next_update=item.next_update,
        entries=item.entries,
        source=item.source,
        held_at=item.held_at,
    )


def _authority_view(
    item: TrustedAuthority, held: dict[str, HeldList], tried: dict[tuple[str, str], Fetching]
) -> m.AuthorityView:
    mine: Sequence[Fetching] = [last for (authority, _), last in tried.items() if authority == item.id]
    return m.AuthorityView(
        trust_ca=item.id,
        subject=item.subject,
        anchor=item.anchor,
        fingerprint_sm3=item.fingerprint,
        not_after=item.not_after,
        crl_url=item.crl_url,
        delta_url=item.delta_url,
        ocsp_url=item.ocsp_url,
        ocsp_nonce=item.ocsp_nonce,
        lists=[_held_view(crl) for crl in held.values()],
        problem="; ".join(last.error for last in mine if last.error),
        tried_at=max((last.tried_at for last in mine), default=None),
        created_at=item.created_at,
        pem=parse_certificate(item.der).to_pem(),
    )
