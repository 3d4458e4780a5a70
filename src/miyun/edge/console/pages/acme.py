"""The ACME server's people's side: keys that open accounts, accounts, orders, names proven."""

from __future__ import annotations

from typing import Any, Final

from miyun.core.errors import NotFound
from miyun.edge.console.page import Page
from miyun.edge.console.pages.listing import Act, Answer, Row, applications_of, asked, shown, table
from miyun.edge.console.pages.server_certificates import state_word

_HERE: Final = "/console/acme"
STATES: Final = {
    "pending": ("待验证", "names to be proven", "warn"),
    "ready": ("可签发", "ready", "warn"),
    "processing": ("签发中", "being issued", "warn"),
    "valid": ("有效", "valid", "ok"),
    "invalid": ("无效", "invalid", "risk"),
    "deactivated": ("已停用", "deactivated", "plain"),
    "revoked": ("已吊销", "revoked", "risk"),
    "expired": ("已过期", "expired", "plain"),
}
PROFILES: Final = {
    "tls-server": ("服务器证书", "server certificate"),
    "sm2-dual": ("国密双证书", "a pair of SM2 certificates"),
}
_NEWEST: Final = ("-id", "新的在前", "newest first")


async def keys(page: Page) -> Answer:
    return await _keys(page, None)


async def key_create(page: Page) -> Answer:
    made = await page.run(
        "ssl_certificate.external_key.create",
        application=page.form.get("application", ""),
        name=page.form.get("name", ""),
    )
    return await _keys(page, made)


async def _keys(page: Page, made: Any) -> Answer:
    """`made`: an external account key whose MAC key is shown this once."""
    t = page.text
    listed = await page.run("ssl_certificate.external_key.list", **asked(page, "ssl_certificate.external_key.list"))
    named = await applications_of(page)
    rows = []
    for item in listed.items:
        revoked = item.revoked_at is not None
        question = t("吊销后其账号一并停用。确定吗？", "Its accounts end with it. Revoke it?")
        may = not revoked and page.may("ssl_certificate.external_key.revoke")
        acts = (Act(t("吊销", "Revoke"), f"{_HERE}/keys/{item.external_key}", question),) if may else ()
        cells = (
            item.name,
            t("已吊销", "revoked") if revoked else t("有效", "valid"),
            named.get(item.application, item.application),
            item.external_key,
            shown(item.created_at),
        )
        rows.append(Row(cells, "", "risk" if revoked else "ok", 1, acts))
    return _table(
        page,
        t("ACME 外部账号密钥", "External account keys of ACME"),
        template="acme.html",
        caption=t(
            "certbot 等客户端凭它注册账号，此后自动申请、续期、吊销服务器证书",
            "With one a client such as certbot opens its account, then orders, renews and revokes by itself",
        ),
        columns=(
            t("名称", "Name"),
            t("状态", "State"),
            t("应用", "Application"),
            t("编号", "Identifier"),
            t("签发", "Issued"),
        ),
        rows=rows,
        empty=t(
            "尚未签发。为接入了 SSL 证书服务的应用签发一个，即可使用 certbot。",
            "None yet. Issue one for an application bound to the SSL certificate service, and certbot can begin.",
        ),
        cursor=listed.next_cursor,
        sorts=(_NEWEST, ("name", "名称", "name")),
        export="external-keys",
        made=made,
        applications=named,
    )


async def accounts(page: Page) -> Answer:
    t = page.text
    listed = await page.run("ssl_certificate.account.list", **asked(page, "ssl_certificate.account.list"))
    named = await applications_of(page)
    rows = []
    for item in listed.items:
        word, tag = state_word(page, STATES, item.status)
        question = t("停用后该客户端不能再申请，证书仍有效。", "Its client orders no more; its certificates stay.")
        may = item.status == "valid" and page.may("ssl_certificate.account.end")
        acts = (Act(t("停用", "End"), f"{_HERE}/accounts/{item.account}", question),) if may else ()
        cells = (
            item.account,
            word,
            named.get(item.application, item.application),
            " ".join(item.contact) or "—",
            shown(item.created_at),
        )
        rows.append(Row(cells, "", tag, 1, acts))
    return _table(
        page,
        t("ACME 账号", "ACME accounts"),
        columns=(
            t("账号", "Account"),
            t("状态", "State"),
            t("应用", "Application"),
            t("联系方式", "Contact"),
            t("注册", "Opened"),
        ),
        rows=rows,
        empty=t("尚无账号", "No accounts yet"),
        cursor=listed.next_cursor,
        sorts=(_NEWEST, ("status", "状态", "state")),
        export="acme-accounts",
    )


async def orders(page: Page) -> Answer:
    t = page.text
    listed = await page.run("ssl_certificate.account.orders", **asked(page, "ssl_certificate.account.orders"))
    rows = []
    for item in listed.items:
        word, tag = state_word(page, STATES, item.status)
        cells = (
            " ".join(item.names),
            word,
            t(*PROFILES.get(item.profile, (item.profile, item.profile))),
            item.serial or "—",
            item.error or "—",
            shown(item.created_at),
            shown(item.expires_at),
        )
        rows.append(Row(cells, "", tag, 1))
    return _table(
        page,
        t("ACME 订单", "ACME orders"),
        columns=(
            t("名称", "Names"),
            t("状态", "State"),
            t("类型", "Profile"),
            t("证书序列号", "Serial number"),
            t("失败原因", "Error"),
            t("下单", "Ordered"),
            t("失效", "Expires"),
        ),
        rows=rows,
        empty=t("尚无订单", "No orders yet"),
        cursor=listed.next_cursor,
        sorts=(_NEWEST, ("expires_at", "失效，近的在前", "expiry, soonest first"), ("status", "状态", "state")),
        export="acme-orders",
    )


async def authorizations(page: Page) -> Answer:
    t = page.text
    operation = "ssl_certificate.account.authorizations"
    listed = await page.run(operation, **asked(page, operation))
    rows = []
    for item in listed.items:
        word, tag = state_word(page, STATES, item.status)
        rows.append(Row((f"*.{item.name}" if item.wildcard else item.name, word, shown(item.expires_at)), "", tag, 1))
    return _table(
        page,
        t("ACME 域名验证", "Names proven by ACME"),
        columns=(t("名称", "Name"), t("状态", "State"), t("失效", "Expires")),
        rows=rows,
        empty=t("尚无验证", "No names yet"),
        cursor=listed.next_cursor,
        sorts=(_NEWEST, ("name", "名称", "name"), ("expires_at", "失效，近的在前", "expiry, soonest first")),
        export="acme-authorizations",
    )


async def act(page: Page, kind: str, item: str) -> Answer:
    if kind == "keys":
        await page.run("ssl_certificate.external_key.revoke", external_key=item)
        return page.go(_HERE)
    if kind == "accounts":
        await page.run("ssl_certificate.account.end", acme_account=item)
        return page.go(f"{_HERE}/accounts")
    raise NotFound("path", kind)


def _table(page: Page, heading: str, *, template: str = "logins.html", **values: Any) -> Answer:
    t = page.text
    tabs = (
        (_HERE, t("外部账号密钥", "Account keys"), "ssl_certificate.external_key.list"),
        (f"{_HERE}/accounts", t("账号", "Accounts"), "ssl_certificate.account.list"),
        (f"{_HERE}/orders", t("订单", "Orders"), "ssl_certificate.account.orders"),
        (f"{_HERE}/authorizations", t("域名验证", "Names"), "ssl_certificate.account.authorizations"),
    )
    return table(page, heading, template=template, tabs=tabs, **values)
