"""Batches of applications: a table handed in, one review that sees every row, the results."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from miyun.core.errors import InvalidArgument, NotFound
from miyun.core.i18n import Text
from miyun.edge.console.page import Page
from miyun.edge.console.pages.filings import sent, states_of, template_name, templates_of
from miyun.edge.console.pages.listing import Answer, Choice, Row, asked, people_of, shown, table

_HERE: Final = "/console/filing-batches"
STATES: Final = {
    "pending": ("待审核", "waiting for review", "warn"),
    "issuing": ("签发中", "being issued", "warn"),
    "done": ("已办结", "done", "ok"),
}
_PAIRS: Final = (
    ("escrow", "双证书（密钥管理中心生成加密密钥）", "pairs; the key-management centre makes the encryption keys"),
    ("none", "单证书", "one certificate each"),
)
_REJECT: Final = "reject-"


async def batches(page: Page) -> Answer:
    t = page.text
    listed = await page.run("certificate.application.batch.list", **asked(page, "certificate.application.batch.list"))
    templates, names = await templates_of(page), await people_of(page, (item.applicant for item in listed.items))
    rows = [
        Row(
            (
                shown(item.applied_at),
                template_name(page, templates, item.template),
                item.rows,
                t(*STATES[item.state][:2]),
                names.get(item.applicant, item.applicant),
                item.note,
            ),
            f"{_HERE}/{item.batch}",
            STATES[item.state][2],
            3,
        )
        for item in listed.items
    ]
    return table(
        page,
        t("批量申请", "Batches of applications"),
        template="filing_batches.html",
        filters=(Choice("waiting", t("审核", "Review"), [("true", t("有待审核的行", "rows wait for it"))]),),
        sorts=(
            ("-applied_at", "申请时间，新的在前", "applied, newest first"),
            ("expires_at", "审核期限，近的在前", "to be reviewed soonest first"),
        ),
        export="filing-batches",
        columns=(
            t("申请时间", "Applied"),
            t("模板", "Template"),
            t("行数", "Rows"),
            t("状态", "State"),
            t("申请人", "Applicant"),
            t("说明", "Note"),
        ),
        rows=rows,
        empty=t(
            "尚无批次。在下方上传 CSV，一次可为一千人申请证书。",
            "None yet. Hand in a table below to apply for up to a thousand people at once.",
        ),
        cursor=listed.next_cursor,
        templates=templates,
        pairs=[(name, t(zh, en)) for name, zh, en in _PAIRS],
    )


async def apply(page: Page) -> Answer:
    text = _table(page.files.get("table", ("", b""))[1])
    answer = await page.run(
        "certificate.application.batch.apply",
        template=page.form.get("template", ""),
        table=text,
        pair=page.form.get("pair", "none"),
        note=page.form.get("note", ""),
    )
    refused = [row for row in answer.rows if row.error is not None]
    if answer.batch is None:
        first = refused[0].error
        raise InvalidArgument(
            "table",
            Text(f"没有一行可受理；第一行：{first.zh}", f"no row could be taken; the first because {first.en}"),
        )
    if not refused:
        return page.go(f"{_HERE}/{answer.batch.batch}")
    return await _batch(page, answer.batch.batch, refused)


async def batch(page: Page, batch: str) -> Answer:
    return await _batch(page, batch, ())


async def decide(page: Page, batch: str, verb: str) -> Answer:
    match verb:
        case "review":
            reason = page.form.get("reason", "")
            rejected = sorted(name.removeprefix(_REJECT) for name in page.form if name.startswith(_REJECT))
            waiting = page.form.get("waiting") or "0"
            if not re.fullmatch("[0-9]{1,6}", waiting):
                raise InvalidArgument("waiting", Text("应为待审核的行数", "how many rows wait is expected"))
            answer = await page.run(
                "certificate.application.batch.review",
                batch=batch,
                approve=int(waiting) - len(rejected),
                reject=[{"application": name, "reason": reason} for name in rejected],
                note=page.form.get("note", ""),
            )
            left = [row for row in answer.rows if row.error is not None]
            if left:
                return await _batch(page, batch, left)
        case "withdraw":
            await page.run("certificate.application.batch.withdraw", batch=batch)
        case _:
            raise NotFound("page", verb)
    return page.go(f"{_HERE}/{batch}")


async def results(page: Page, batch: str, form: str) -> Answer:
    made = await page.run("certificate.application.batch.results", batch=batch, format=form)
    return sent(b"".join([chunk async for chunk in made.chunks]), made.content_type, made.headers)


async def _batch(page: Page, batch: str, refused: Sequence[Any]) -> Answer:
    t = page.text
    item = await page.run("certificate.application.batch.get", batch=batch)
    rows: list[Any] = []
    cursor = None
    while True:
        more: dict[str, Any] = {"cursor": cursor} if cursor else {}
        listed = await page.run("certificate.application.list", batch=batch, sort="applied_at", limit=500, **more)
        rows += listed.items
        cursor = listed.next_cursor
        if cursor is None:
            break
    names, states = await people_of(page, (item.applicant, item.reviewer)), states_of(page)
    assert page.me is not None
    mine = item.applicant == page.me.id
    facts = [
        (t("模板", "Template"), template_name(page, await templates_of(page), item.template)),
        (t("行数", "Rows"), item.rows),
        (t("未受理", "Not taken"), item.refused),
        (t("申请人", "Applicant"), names.get(item.applicant, item.applicant)),
        (t("申请时间", "Applied"), item.applied_at),
        (t("审核期限", "To be reviewed by"), item.expires_at),
        (t("说明", "Note"), item.note),
        (t("审核人", "Reviewer"), names.get(item.reviewer or "", item.reviewer)),
        (t("审核时间", "Reviewed"), item.reviewed_at),
        (t("审核意见", "Reviewer's words"), item.review_note),
    ]
    zh, en, tag = STATES[item.state]
    waiting = item.counts.get("pending", 0)
    may_review = page.may("certificate.application.batch.review")
    return page.render(
        "filing_batch.html",
        item=item,
        here_is=f"{_HERE}/{batch}",
        facts=[(name, shown(value)) for name, value in facts if value not in (None, "", 0)],
        state=t(zh, en),
        tag=tag,
        counts=[(states[name][0], count) for name, count in item.counts.items()],
        rows=[(row, *states[row.state]) for row in rows],
        refused=[(row.reference, t(row.error.zh, row.error.en)) for row in refused],
        waiting=waiting,
        reviews=waiting > 0 and not mine and may_review,
        own_review=waiting > 0 and mine and may_review,
        withdraws=mine and (waiting > 0 or "forwarded" in item.counts),
        collects=item.counts.get("issued", 0) > 0 and page.may("certificate.application.batch.results"),
    )


def _table(octets: bytes) -> str:
    """As spreadsheets write it: UTF-8, or what they take for Chinese."""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return octets.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InvalidArgument("table", Text("应为 UTF-8 或 GB 18030 的 CSV", "a CSV in UTF-8 or GB 18030 is expected"))
