"""What each application asks of the certificates that its people log in with."""

from __future__ import annotations

from typing import Final

from miyun.core.errors import InvalidArgument, NotFound
from miyun.core.i18n import Text
from miyun.edge.console.page import Page
from miyun.edge.console.pages.listing import Answer, Row, applications_of, cursor_of, table
from miyun.edge.console.pages.logins import tabs

_HERE: Final = "/console/logins/policies"
LEVELS: Final = (
    ("revocation", "证书链与吊销状态", "chain and revocation"),
    ("ocsp", "证书链与在线状态（OCSP）", "chain and online status (OCSP)"),
    ("chain", "仅证书链（不查吊销）", "chain only, revocation not asked"),
)
ACCOUNT_FIELDS: Final = (
    ("", "逐一绑定（账号与证书一一登记）", "bound one by one"),
    ("CN", "姓名（CN）", "name (CN)"),
    ("UID", "用户标识（UID）", "user id (UID)"),
    ("serialNumber", "编号（serialNumber）", "number (serialNumber)"),
    ("emailAddress", "邮箱（emailAddress）", "e-mail (emailAddress)"),
    ("OU", "部门（OU）", "unit (OU)"),
    ("title", "职务（title）", "title"),
)
_HOUR: Final = 3600


async def policies(page: Page) -> Answer:
    t = page.text
    listed = await page.run("tenant.application.list", **cursor_of(page))
    rows = [
        Row(
            (item.name, t("启用", "active") if item.state == "active" else t("停用", "disabled")),
            f"{_HERE}/{item.application}",
            "ok" if item.state == "active" else "plain",
            1,
        )
        for item in listed.items
    ]
    return table(
        page,
        t("登录策略", "Login policies"),
        template="logins.html",
        tabs=tabs(page),
        caption=t(
            "应用以何机构的证书登录、查到何种程度",
            "By whose certificates people log in, and how far those are looked into",
        ),
        columns=(t("应用", "Application"), t("状态", "State")),
        rows=rows,
        empty=t("尚未接入应用", "No application yet"),
        cursor=listed.next_cursor,
    )


async def policy(page: Page, application: str) -> Answer:
    names = await applications_of(page)
    if application not in names:
        raise NotFound("application", application)
    known = await page.run("strong_auth.policy.get", application=application)
    lists = await page.offered("certificate.trust.list.list", limit=100)
    t = page.text
    return page.render(
        "login_policy.html",
        name=names[application],
        application=application,
        known=known,
        hours=known.stale_seconds // _HOUR,
        lists=[(item.name, item.own) for item in lists.items] if lists is not None else [],
        levels=[(value, t(zh, en)) for value, zh, en in LEVELS],
        fields=[(value, t(zh, en)) for value, zh, en in ACCOUNT_FIELDS],
    )


async def set_policy(page: Page, application: str) -> Answer:
    try:
        hours = int(page.form.get("hours") or 0)
    except ValueError:
        raise InvalidArgument("hours", Text("应为整数", "a whole number is expected")) from None
    await page.run(
        "strong_auth.policy.set",
        application=application,
        lists=[name.removeprefix("list.") for name in page.form if name.startswith("list.")],
        level=page.form.get("level", ""),
        stale_seconds=hours * _HOUR,
        account_field=page.form.get("account_field", ""),
    )
    return page.go(f"{_HERE}/{application}")
