"""Handing in, reviewing and collecting a batch."""

from __future__ import annotations

import asyncio
import base64
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from miyun.core import listing
from miyun.core.errors import Conflict, InvalidArgument, MiyunError, NotFound
from miyun.core.i18n import Text
from miyun.core.ids import new_id
from miyun.core.operation import Call, Download
from miyun.offerings.certificate.applications import messages as single
from miyun.offerings.certificate.applications.batches import messages as m
from miyun.offerings.certificate.applications.batches.model import Batch, state_of
from miyun.offerings.certificate.applications.batches.store import SORTING, BatchStore
from miyun.offerings.certificate.applications.batches.table import rows_of
from miyun.offerings.certificate.applications.desk import Desk, caller
from miyun.offerings.certificate.applications.errors import (
    ApplicationAlreadyOpen,
    ApplicationStateConflict,
    BatchChanged,
    SecondPersonNeeded,
)
from miyun.offerings.certificate.applications.files import Files, Issued
from miyun.offerings.certificate.applications.fulfilment import Fulfilment
from miyun.offerings.certificate.applications.model import LIFETIME, Application, Pair, State
from miyun.offerings.certificate.applications.requests import read_requests
from miyun.offerings.certificate.applications.store import ApplicationStore
from miyun.offerings.certificate.issuance import Issuance
from miyun.offerings.certificate.messages import BatchError
from miyun.offerings.certificate.model import Certificate, serial_text
from miyun.offerings.certificate.templates import Template
from miyun.wire.pkcs10 import CertificationRequest

_TURN: Final = 32  # rows that are read before others get their turn
_AT_ONCE: Final = 200  # that a review issues before it answers; the periodic task does the others
_PAGE: Final = 100  # of results, whose envelopes the machine makes


class Batches:
    def __init__(
        self,
        *,
        store: BatchStore,
        applications: ApplicationStore,
        desk: Desk,
        files: Files,
        issuance: Issuance,
        fulfilment: Fulfilment,
    ) -> None:
        self._store = store
        self._applications = applications
        self._desk = desk
        self._files = files
        self._issuance = issuance
        self._fulfilment = fulfilment

    # hand in

    async def apply(self, call: Call, request: m.ApplyBatchRequest) -> m.BatchAnswer:
        """Each row for itself: what is wrong with one does not keep the others. All that are right are kept together,
        or none."""
        if bool(request.rows) is bool(request.table):
            raise InvalidArgument("rows", Text("rows 与 table 须且只须给出一个", "give either rows or table"))
        rows = request.rows or rows_of(request.table)
        template = self._issuance.template(call.tenant, request.template)
        batch = _batch(call, request, template)
        outcomes = await self._read(call, request, template, batch, rows)
        good = [item for item in outcomes if isinstance(item, Application)]
        made, taken = None, set[str]()
        if good:
            made, taken = await asyncio.to_thread(self._store.add, batch, good, len(rows) - len(good))
        outcomes = [
            ApplicationAlreadyOpen() if isinstance(item, Application) and item.key in taken else item
            for item in outcomes
        ]
        call.detail |= {"rows": made.rows if made else 0, "refused": sum(isinstance(o, MiyunError) for o in outcomes)}
        if made is not None:
            call.resource["batch"] = made.id
            if not template.review:
                await self._fulfilment.finish_batch(made.tenant, made.id, call.now, _AT_ONCE)
        return m.BatchAnswer(
            batch=await self._view(made) if made else None,
            rows=await self._rows(made, rows, outcomes),
        )

    async def _read(
        self, call: Call, request: m.ApplyBatchRequest, template: Template, batch: Batch, rows: Sequence[m.ApplyRow]
    ) -> list[Application | MiyunError]:
        usual = request.outside or await self._desk.usual(call, template)
        outcomes: list[Application | MiyunError] = []
        keys = set[str]()
        ids = iter(sorted(new_id("apl") for _ in rows))  # in the order of the rows
        for start in range(0, len(rows), _TURN):
            part = rows[start : start + _TURN]
            for row, csr in zip(part, read_requests([row.csr for row in part]), strict=True):
                outcomes.append(self._new(call, request, template, batch, row, csr, usual, next(ids)))
            await asyncio.sleep(0)
        found = await self._known([item for item in outcomes if isinstance(item, Application)])
        for place, item in enumerate(outcomes):
            if place % _TURN == _TURN - 1:
                await asyncio.sleep(0)
            if isinstance(item, Application):
                outcomes[place] = self._checked(item, found[item.key], keys)
        if first := next((item for item in outcomes if isinstance(item, Application)), None):
            await self._desk.check_outside(first)  # it is the same for all of them
        return outcomes

    def _new(
        self,
        call: Call,
        request: m.ApplyBatchRequest,
        template: Template,
        batch: Batch,
        row: m.ApplyRow,
        csr: CertificationRequest | MiyunError,
        usual: str | None,
        name: str,
    ) -> Application | MiyunError:
        if isinstance(csr, MiyunError):
            return csr
        asked = single.ApplyRequest(
            template=request.template,
            csr=row.csr,
            subject=row.subject,
            names=row.names,
            days=request.days,
            pair=request.pair,
            encryption_public_key=row.encryption_public_key,
            on_behalf_of=row.on_behalf_of,
            note=request.note,
        )
        try:
            item = self._desk.new(call, template, asked, csr, usual)
        except MiyunError as error:
            return error
        # where nobody reviews it, it comes in approved: a crash leaves nothing that waits for a reviewer
        granted = not template.review and item.outside is None
        state = State.APPROVED if granted else State.PENDING
        return replace(item, id=name, state=state, batch=batch.id, reference=row.reference)

    def _checked(self, item: Application, known: list[Certificate], keys: set[str]) -> Application | MiyunError:
        try:
            if item.key in keys:
                raise ApplicationAlreadyOpen
            self._desk.check_by(item, known)
        except MiyunError as error:
            return error
        keys.add(item.key)
        return item

    async def _known(self, items: Sequence[Application]) -> defaultdict[str, list[Certificate]]:
        """What the register has of their keys, by key."""
        found: defaultdict[str, list[Certificate]] = defaultdict(list)
        keys = [item.key for item in items]
        for one in await asyncio.to_thread(self._applications.certificates_of_keys, keys) if keys else []:
            found[one.key].append(one)
        return found

    # decide

    async def review(self, call: Call, request: m.ReviewRequest) -> m.BatchAnswer:
        """By a person who did not hand it in: every row's verdict is durable before anything is issued. A row that
        cannot be approved now goes on waiting, and its error says why."""
        batch = await self.own(call, request.batch)
        if batch.applicant == call.principal.id:
            raise SecondPersonNeeded
        rows = await asyncio.to_thread(self._store.rows, batch.tenant, batch.id)
        waiting = {item.id: item for item in rows if item.state is State.PENDING and item.expires_at > call.now}
        if not waiting:
            raise ApplicationStateConflict(rows[0].state)
        rejected = {item.application: item.reason for item in request.reject}
        if unknown := next((name for name in rejected if name not in waiting), None):
            raise NotFound("application", unknown, field="reject")
        chosen = [item for item in waiting.values() if item.id not in rejected]
        if len(chosen) != request.approve:
            raise BatchChanged(len(chosen))
        errors = await self._objections(chosen)
        approved = {item.id: _wanted(item) for item in chosen if item.id not in errors}
        done = await asyncio.to_thread(
            self._store.decide,
            batch,
            approved,
            rejected,
            reviewer=call.principal.id,
            reviewed_at=call.now,
            review_note=request.note,
        )
        call.detail |= {"approved": len(done[0]), "rejected": len(done[1]), "left": len(errors)}
        await self._fulfilment.finish_batch(batch.tenant, batch.id, call.now, _AT_ONCE)
        after = await asyncio.to_thread(self._store.rows, batch.tenant, batch.id)
        return m.BatchAnswer(
            batch=await self._view(await self.own(call, batch.id)),
            rows=[_row(item.reference, item, errors.get(item.id)) for item in after if item.id in waiting],
        )

    async def _objections(self, items: Sequence[Application]) -> dict[str, MiyunError]:
        """What speaks against approving them now, by application."""
        found, errors = await self._known(items), dict[str, MiyunError]()
        for turn, item in enumerate(items):
            if turn % _TURN == _TURN - 1:
                await asyncio.sleep(0)
            try:
                if turn == 0:
                    await self._desk.check_outside(item)
                self._desk.check_by(item, found[item.key])
            except MiyunError as error:
                errors[item.id] = error
        return errors

    async def withdraw(self, call: Call, request: m.BatchRequest) -> m.BatchView:
        """By whoever handed it in: the rows that nobody has decided."""
        batch = await self.own(call, request.batch)
        if batch.applicant != caller(call):
            raise NotFound("batch", request.batch)
        call.detail["withdrawn"] = await asyncio.to_thread(self._store.withdraw, batch, call.now)
        if not call.detail["withdrawn"]:
            raise Conflict(Text("没有可撤回的申请", "there is nothing left to withdraw"), field="batch")
        return await self._view(batch)

    # look

    async def get(self, call: Call, request: m.BatchRequest) -> m.BatchView:
        return await self._view(await self.own(call, request.batch))

    async def page(self, call: Call, request: m.ListRequest) -> m.BatchPage:
        sort = SORTING.sort(request.sort)
        found = await asyncio.to_thread(
            self._store.page,
            call.require_tenant(),
            applicant=call.application or (call.principal.id if request.mine else None),
            waiting=request.waiting,
            sort=sort,
            place=SORTING.place(sort, request.cursor),
            limit=request.limit,
        )
        items, more = found[: request.limit], None
        if len(found) > request.limit:
            more = SORTING.cursor(sort, getattr(items[-1], sort.field), items[-1].id)
        counts = await asyncio.to_thread(self._store.counts, call.require_tenant(), [item.id for item in items])
        return m.BatchPage(items=[_view(item, counts[item.id]) for item in items], next_cursor=more)

    async def results(self, call: Call, request: m.ResultsRequest) -> Download:
        """What became of every row, with its certificates and its encryption key in its envelope, Base64."""
        batch = await self.own(call, request.batch)

        async def pages(cursor: str | None) -> listing.Page[dict[str, Any]]:
            rows = await asyncio.to_thread(
                self._store.rows, batch.tenant, batch.id, after=cursor or "", limit=_PAGE + 1
            )
            found = [await self._result(item) for item in rows[:_PAGE]]
            return listing.Page(found, rows[_PAGE - 1].id if len(rows) > _PAGE else None)

        return listing.export(pages, _COLUMNS, form=request.format, locale=call.locale, name=batch.id)

    async def own(self, call: Call, batch: str) -> Batch:
        """An application sees what it handed in itself; people of the tenant see all. Raises NotFound."""
        found = await asyncio.to_thread(self._store.find, call.require_tenant(), batch)
        if found is None or (call.application is not None and found.applicant != call.application):
            raise NotFound("batch", batch)
        call.resource["batch"] = batch
        return found

    async def _view(self, batch: Batch) -> m.BatchView:
        counts = await asyncio.to_thread(self._store.counts, batch.tenant, [batch.id])
        return _view(batch, counts.get(batch.id, {}))

    async def _rows(
        self, batch: Batch | None, rows: Sequence[m.ApplyRow], outcomes: list[Application | MiyunError]
    ) -> list[m.RowView]:
        found = await asyncio.to_thread(self._store.rows, batch.tenant, batch.id) if batch else []
        now = {item.id: item for item in found}
        return [
            _row(row.reference, None, item) if isinstance(item, MiyunError) else _row(row.reference, now[item.id], None)
            for row, item in zip(rows, outcomes, strict=True)
        ]

    async def _result(self, item: Application) -> dict[str, Any]:
        found: dict[str, Any] = {
            "reference": item.reference,
            "application": item.id,
            "subject": str(item.subject),
            "state": item.state.value,
            "reason": item.reason,
        }
        if item.state is State.ISSUED:
            files = await self._files.issued(item)
            found |= {
                "certificate": serial_text(files.serial),
                "signing_certificate": _text(files.certificate),
                "encryption_certificate": _text(files.encryption),
                "enveloped_key": _text(files.enveloped if item.outside else await self._envelope(item, files)),
            }
        return found

    async def _envelope(self, item: Application, files: Issued) -> bytes | None:
        return await self._files.envelope(item, files) if item.pair is Pair.ESCROW else None


def _column(name: str, zh: str, en: str) -> listing.Column[dict[str, Any]]:
    return listing.Column(name, Text(zh, en), lambda row: row.get(name, ""))


_COLUMNS: Final = (
    _column("reference", "编号", "Reference"),
    _column("application", "申请编号", "Application"),
    _column("subject", "主体", "Subject"),
    _column("state", "状态", "State"),
    _column("reason", "审核意见", "Reason"),
    _column("certificate", "证书序列号", "Certificate"),
    _column("signing_certificate", "签名证书（DER，Base64）", "Signing certificate (DER, Base64)"),
    _column("encryption_certificate", "加密证书（DER，Base64）", "Encryption certificate (DER, Base64)"),
    _column("enveloped_key", "加密密钥信封（Base64）", "Enveloped encryption key (Base64)"),
)


def _batch(call: Call, request: m.ApplyBatchRequest, template: Template) -> Batch:
    return Batch(
        id=new_id("apb"),
        tenant=call.require_tenant(),
        template=template.slug,
        applicant=caller(call),
        applicant_role=call.principal.role,
        note=request.note,
        applied_at=call.now,
        expires_at=call.now + LIFETIME,
        rows=0,
        refused=0,
    )


def _wanted(item: Application) -> State:
    return State.FORWARDED if item.outside else State.APPROVED


def _row(reference: str, item: Application | None, error: MiyunError | None) -> m.RowView:
    told = None
    if error is not None:
        text = error.message
        told = BatchError(code=error.code, field=error.field or "", zh=text.zh, en=text.en)
    return m.RowView(
        reference=reference,
        application=item.id if item else None,
        state=item.state.value if item else None,
        error=told,
    )


def _view(batch: Batch, counts: dict[State, int]) -> m.BatchView:
    values = {name: getattr(batch, name) for name in Batch.__slots__ if name not in ("id", "tenant")}
    return m.BatchView(
        batch=batch.id,
        state=state_of(counts).value,
        counts={state.value: count for state, count in sorted(counts.items())},
        **values,
    )


def _text(octets: bytes | None) -> str:
    return base64.b64encode(octets or b"").decode()
