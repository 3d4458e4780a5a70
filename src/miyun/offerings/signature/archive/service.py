"""Use cases of evidence: keep what verifies, show it, take it away with its record."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from miyun.core.digest import digest
from miyun.core.errors import InvalidArgument, NotFound
from miyun.core.i18n import Text
from miyun.core.ids import new_id
from miyun.core.listing import Column, Page, Sorting, export
from miyun.core.operation import Call, Download, Reply
from miyun.offerings.signature.archive import messages as m
from miyun.offerings.signature.archive.errors import NotSealed, NotVerified, RehashNotPossible
from miyun.offerings.signature.archive.examining import Examiners, Material
from miyun.offerings.signature.archive.model import (
    MATERIAL,
    MAX_CONTENT,
    RECORD,
    Documents,
    Kept,
    Kind,
)
from miyun.offerings.signature.archive.sealing import Sealing, stamping_certificate
from miyun.offerings.signature.archive.store import ArchiveStore
from miyun.offerings.signature.judging import policy_of

SORTING: Final = Sorting({"kept_at": str, "name": str}, default="-kept_at", key=str)
_COLUMNS: Final[tuple[Column[Kept], ...]] = (
    Column("evidence", Text("标识", "Identifier"), lambda item: item.id),
    Column("name", Text("名称", "Name"), lambda item: item.name),
    Column("kind", Text("格式", "Format"), lambda item: item.kind.value),
    Column("signers", Text("签名者", "Signers"), lambda item: item.signers),
    Column("state", Text("状态", "State"), lambda item: item.state.value),
    Column("kept_at", Text("留存时间", "Kept"), lambda item: item.kept_at),
    Column("sealed_at", Text("固定时间", "Sealed"), lambda item: item.sealed_at),
    Column("fingerprint_sm3", Text("SM3", "SM3"), lambda item: item.fingerprint),
)


class ArchiveService:
    def __init__(self, *, store: ArchiveStore, examiners: Examiners, material: Material, sealing: Sealing) -> None:
        self._store = store
        self._examiners = examiners
        self._material = material
        self.sealing = sealing

    async def keep(self, call: Call, request: m.KeepRequest) -> m.EvidenceView:
        kind, policy = Kind(request.kind), policy_of(call, request)
        if len(request.signed) + len(request.content or b"") > MAX_CONTENT:
            limit = f"{MAX_CONTENT // 1024 // 1024} MiB"
            raise InvalidArgument("signed", Text(f"与原文合计至多 {limit}", f"at most {limit} with its content"))
        if request.content is not None and kind is not Kind.CMS:
            raise InvalidArgument("content", Text("仅用于分离式 CMS", "goes with a detached CMS message only"))
        examined = await self._examiners[kind](request.signed, request.content, policy)
        if examined.findings:
            raise NotVerified(examined.findings[0].text)
        documents: Documents = ((kind.file, request.signed),)
        if request.content is not None:
            documents += (("content", request.content),)
        gathered = await self._material.of(examined.paths, policy)
        documents += ((MATERIAL, gathered.message()),)
        item = Kept(
            id=new_id("evd"),
            tenant=call.require_tenant(),
            name=request.name,
            kind=kind,
            signers="; ".join(examined.signers)[:1024],
            size=sum(len(octets) for _, octets in documents),
            fingerprint=digest(request.signed).hex(),
            chain=0,
            pending=request.hash,
            kept_at=call.now,
            sealed_at=None,
            proven_at=examined.proven_at,
        )
        await asyncio.to_thread(self._store.keep, item, documents)
        call.resource["evidence"] = item.id
        call.detail["fingerprint"] = item.fingerprint
        return _view(item)

    async def get(self, call: Call, request: m.RefEvidence) -> m.EvidenceDetail:
        item = self._find(call, request.evidence)
        places = await asyncio.to_thread(self._store.places, item.id)
        documents = await asyncio.to_thread(self._store.documents, item.id)
        stamps = [_stamp(place.number, batch.algorithm, token) for place, batch in places for token in batch.tokens]
        newest = places[-1][1] if places else None
        return m.EvidenceDetail(
            evidence=_view(item),
            files=[name for name, _ in documents],
            timestamps=stamps,
            renew_at=newest.renew_at if newest else None,
            problem=newest.problem if newest else "",
        )

    async def list_kept(self, call: Call, request: m.ListEvidence) -> m.EvidencePage:
        page = await self._page(call.require_tenant(), request.text, request.sort, request.limit, request.cursor)
        return m.EvidencePage(items=[_view(item) for item in page.items], next_cursor=page.next_cursor)

    async def export_list(self, call: Call, request: m.ExportEvidenceList) -> Download:
        tenant = call.require_tenant()
        SORTING.sort(request.sort)

        async def pages(cursor: str | None) -> Page[Kept]:
            return await self._page(tenant, request.text, request.sort, 500, cursor)

        return export(pages, _COLUMNS, form=request.format, locale=call.locale, name="evidence")

    async def export(self, call: Call, request: m.RefEvidence) -> Reply:
        """A ZIP of the documents and their record; `miyun evidence verify` checks it without the platform."""
        item = self._find(call, request.evidence)
        if not item.chain:
            raise NotSealed
        documents = await asyncio.to_thread(self._store.documents, item.id)
        record = await asyncio.to_thread(self.sealing.record, item.id)
        packed = _packed((*documents, (RECORD, record.encode())), item.kept_at)
        headers = {"Content-Disposition": f'attachment; filename="{item.id}.zip"'}
        return Reply(packed, "application/zip", headers=headers)

    async def rehash(self, call: Call, request: m.Rehash) -> m.EvidenceView:
        item = self._find(call, request.evidence)
        places = await asyncio.to_thread(self._store.places, item.id)
        used = {batch.algorithm for _, batch in places}
        if request.hash in used or not await asyncio.to_thread(self._store.rehash, item.tenant, item.id, request.hash):
            raise RehashNotPossible
        call.detail["hash"] = request.hash
        return _view(self._find(call, request.evidence))

    def kept_between(self, tenant: str, start: datetime, end: datetime) -> list[Kept]:
        return self._store.kept_between(tenant, start, end)

    def _find(self, call: Call, ref: str) -> Kept:
        found = self._store.find(call.require_tenant(), ref)
        if found is None:
            raise NotFound("evidence", ref)
        call.resource["evidence"] = found.id
        return found

    async def _page(self, tenant: str, text: str, sort: str, limit: int, cursor: str | None) -> Page[Kept]:
        chosen = SORTING.sort(sort)
        place = SORTING.place(chosen, cursor)
        rows = await asyncio.to_thread(self._store.page, tenant, text=text, sort=chosen, place=place, limit=limit)
        following = None
        if len(rows) > limit:
            last = rows[limit - 1]
            following = SORTING.cursor(chosen, last.id if chosen.field == "kept_at" else last.name, last.id)
        return Page(rows[:limit], following)


def _packed(files: Sequence[tuple[str, bytes]], at: datetime) -> bytes:
    """The same files give the same octets."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, octets in files:
            entry = zipfile.ZipInfo(name, at.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, octets)
    return out.getvalue()


def _view(item: Kept) -> m.EvidenceView:
    return m.EvidenceView(
        evidence=item.id,
        name=item.name,
        kind=item.kind.value,
        state=item.state.value,
        signers=item.signers,
        size=item.size,
        fingerprint_sm3=item.fingerprint,
        kept_at=item.kept_at,
        sealed_at=item.sealed_at,
        proven_at=item.proven_at,
    )


def _stamp(chain: int, algorithm: str, token: bytes) -> m.StampView:
    time, certificate = stamping_certificate(token)
    return m.StampView(
        chain=chain, hash=algorithm, time=time, authority=str(certificate.subject), ends=certificate.not_after
    )
