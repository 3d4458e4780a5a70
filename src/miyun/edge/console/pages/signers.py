"""Signers: a key and its certificate under a name that applications sign by."""

from __future__ import annotations

from typing import Any, Final

from miyun.core.errors import NotFound
from miyun.edge.console.page import Page
from miyun.edge.console.pages.issuing import attributes
from miyun.edge.console.pages.listing import Answer, Row, applications_of, asked, shown, table

_HERE: Final = "/console/signers"
STATES: Final = {
    "enabled": ("启用", "enabled", "ok"),
    "disabled": ("停用", "disabled", "warn"),
    "retired": ("已退役", "retired", "plain"),
}
_VERBS: Final = {
    "disable": (
        ("enabled",),
        "停用",
        "Disable",
        "停用期间应用不能以它签名，可再启用。",
        "Nobody signs by it until it is enabled again.",
    ),
    "enable": (("disabled",), "启用", "Enable", "", ""),
    "retire": (
        ("enabled", "disabled"),
        "退役",
        "Retire",
        "退役不可恢复，其证书随即吊销。确定吗？",
        "It is for good, and its certificate is revoked. Retire it?",
    ),
}
_ALGORITHMS: Final = ("SM2", "EC-P256")


async def signers(page: Page) -> Answer:
    t = page.text
    listed = await page.run("signature.signer.list", **asked(page, "signature.signer.list"))
    rows = []
    for item in listed.items:
        zh, en, tag = STATES[item.state]
        cells = (item.name, item.algorithm, t(zh, en), item.subject, shown(item.not_after), shown(item.created_at))
        rows.append(Row(cells, f"{_HERE}/{item.signer}", tag, 2))
    return table(
        page,
        t("签名者", "Signers"),
        template="signers.html",
        caption=t(
            "应用凭名称签名；私钥只在密码机内",
            "Applications sign by its name; the key stays in the cryptographic machine",
        ),
        columns=(
            t("名称", "Name"),
            t("算法", "Algorithm"),
            t("状态", "State"),
            t("证书主体", "Subject"),
            t("证书到期", "Certificate ends"),
            t("建立", "Made"),
        ),
        rows=rows,
        empty=t("尚无签名者。由安全管理员建立。", "No signers yet. Security administrators make them."),
        cursor=listed.next_cursor,
        sorts=(
            ("id", "建立时间，旧的在前", "oldest first"),
            ("-id", "建立时间，新的在前", "newest first"),
            ("name", "名称", "name"),
            ("not_after", "到期", "expiry"),
        ),
        export="signers",
        algorithms=_ALGORITHMS,
        applications=list((await applications_of(page)).items()),
    )


async def signer_create(page: Page) -> Answer:
    opened = page.form.get("application", "")
    values: dict[str, Any] = {"days": page.form["days"]} if page.form.get("days", "").strip() else {}
    made = await page.run(
        "signature.signer.create",
        name=page.form.get("name", ""),
        subject=attributes(page.form.get("subject", ""), "subject"),
        algorithm=page.form.get("algorithm", "SM2"),
        template=page.form.get("template", "application"),
        applications=[opened] if opened else [],
        **values,
    )
    return page.go(f"{_HERE}/{made.signer}")


async def signer(page: Page, signer: str) -> Answer:
    item, t = await page.run("signature.signer.get", signer=signer), page.text
    zh, en, tag = STATES[item.state]
    facts = [
        (t("算法", "Algorithm"), item.algorithm),
        (t("证书主体", "Subject"), item.subject),
        (t("证书到期", "Certificate ends"), shown(item.not_after)),
        (t("建立", "Made"), shown(item.created_at)),
        (t("密钥版本", "Version of the key"), item.version),
    ]
    verbs = [
        (verb, t(label_zh, label_en), t(ask_zh, ask_en))
        for verb, (states, label_zh, label_en, ask_zh, ask_en) in _VERBS.items()
        if item.state in states and page.may(f"signature.signer.{verb}")
    ]
    return page.render(
        "signer.html",
        item=item,
        here_is=f"{_HERE}/{item.signer}",
        state=t(zh, en),
        tag=tag,
        facts=facts,
        verbs=verbs,
        renews=item.state != "retired" and page.may("signature.signer.renew"),
    )


async def signer_verb(page: Page, signer: str, verb: str) -> Answer:
    if verb == "renew":
        values: dict[str, Any] = {"days": page.form["days"]} if page.form.get("days", "").strip() else {}
        await page.run("signature.signer.renew", signer=signer, revoke_old="revoke_old" in page.form, **values)
    elif verb in _VERBS:
        await page.run(f"signature.signer.{verb}", signer=signer)
    else:
        raise NotFound("page", verb)
    return page.go(f"{_HERE}/{signer}")
