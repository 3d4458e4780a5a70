"""Authorisations of the supplier's staff: who enters the tenant, what for, until when."""

from __future__ import annotations

from typing import Any, Final

from miyun.edge.console.page import Page
from miyun.edge.console.pages.listing import Act, Answer, Choice, Row, asked, moment_of, people_of, shown, table

_HERE: Final = "/console/grants"


async def grants(page: Page) -> Answer:
    t = page.text
    listed = await page.run("tenant.grant.list", **asked(page, "tenant.grant.list"))
    names = await people_of(page, (item.created_by for item in listed.items))
    question = t("该人员随即不能再进入，确定提前撤销吗？", "They can no longer enter from now on. Withdraw it early?")
    withdraws = page.may("tenant.grant.revoke")
    rows = []
    for item in listed.items:
        state, tag, open_ = _state(page, item)
        rows.append(
            Row(
                (
                    item.staff,
                    item.purpose,
                    shown(item.starts_at),
                    shown(item.ends_at),
                    state,
                    names.get(item.created_by, item.created_by),
                ),
                "",
                tag,
                4,
                (Act(t("撤销", "Withdraw"), f"{_HERE}/{item.grant}/revoke", question),) if withdraws and open_ else (),
            )
        )
    return table(
        page,
        t("乙方人员授权", "Supplier's staff"),
        template="grants.html",
        caption=t(
            "乙方人员只在授权时段内可以进入，所做的每一步都记入账本",
            "The supplier's people enter while they are authorised only; every step of theirs is in the ledger",
        ),
        columns=(
            t("乙方人员", "Person"),
            t("用途", "Purpose"),
            t("自", "From"),
            t("至", "Until"),
            t("状态", "State"),
            t("授权人", "Authorised by"),
        ),
        rows=rows,
        empty=t("尚无授权：乙方人员不能进入本租户。", "None yet: nobody of the supplier's can enter."),
        cursor=listed.next_cursor,
        filters=(
            Choice(
                "state",
                t("状态", "State"),
                (("open", t("生效中或待生效", "in force or to come")), ("over", t("已结束", "over"))),
            ),
        ),
        sorts=(
            ("-created_at", "授权时间，新的在前", "newest first"),
            ("ends_at", "结束时间，早的在前", "first to end"),
            ("-starts_at", "开始时间，晚的在前", "last to begin"),
        ),
        export="grants",
    )


async def create(page: Page) -> Answer:
    await page.run(
        "tenant.grant.create",
        staff=page.form.get("staff", "").strip(),
        purpose=page.form.get("purpose", "").strip(),
        starts_at=moment_of(page, "starts_at"),
        ends_at=moment_of(page, "ends_at"),
    )
    return page.go(_HERE)


async def revoke(page: Page, grant: str) -> Answer:
    await page.run("tenant.grant.revoke", grant=grant)
    return page.go(_HERE)


def _state(page: Page, item: Any) -> tuple[str, str, bool]:
    """In words, their colour, and whether there is something left to withdraw."""
    t = page.text
    if item.revoked_at is not None:
        return t("已撤销", "withdrawn"), "plain", False
    if item.in_force:
        return t("生效中", "in force"), "ok", True
    if item.upcoming:
        return t("待生效", "to come"), "warn", True
    return t("已结束", "over"), "plain", False
