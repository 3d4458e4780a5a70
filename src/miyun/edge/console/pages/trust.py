"""Trust lists: whom the tenant relies upon beyond the platform's own authorities."""

from __future__ import annotations

import base64
from typing import Any, Final
from urllib.parse import urlencode

from miyun.core.errors import PermissionDenied
from miyun.edge.console.page import Page
from miyun.edge.console.pages.listing import Answer, Row, asked, next_page, shown, table

_HERE: Final = "/console/trust"
_SORTS: Final = (
    ("created", "加入时间", "as they were added"),
    ("subject", "主体", "subject"),
    ("not_after", "到期", "expiry"),
)


async def lists(page: Page) -> Answer:
    listed = await page.run("certificate.trust.list.list", **asked(page, "certificate.trust.list.list"))
    t = page.text
    rows = [
        Row(
            (
                t("platform（本平台）", "platform") if item.own else item.name,
                t("本平台自有 CA", "the platform's own authorities") if item.own else item.note or "—",
                item.authorities,
                shown(item.created_at),
            ),
            "" if item.own else f"{_HERE}/{item.trust_list}",
        )
        for item in listed.items
    ]
    return table(
        page,
        t("信任列表", "Trust lists"),
        template="trust.html",
        caption=t("登录、验签与验证书时按名称选用", "Chosen by name for logins, signatures and certificates"),
        columns=(t("名称", "Name"), t("说明", "Note"), t("CA 数", "Authorities"), t("建立", "Made")),
        sorts=(("id", "建立时间，旧的在前", "oldest first"), ("name", "名称", "name")),
        export="trust-lists",
        rows=rows,
        empty=t("尚无信任列表", "No trust lists yet"),
        cursor=listed.next_cursor,
    )


async def create(page: Page) -> Answer:
    made = await page.run(
        "certificate.trust.list.create", name=page.form.get("name", ""), note=page.form.get("note", "")
    )
    return page.go(f"{_HERE}/{made.trust_list}")


async def one(page: Page, trust_list: str) -> Answer:
    listed = await page.run("certificate.trust.list.list", limit=500)
    name = next((item.name for item in listed.items if item.trust_list == trust_list), trust_list)
    operation = "certificate.trust.authority.list"
    found = await page.run(operation, **(asked(page, operation) | {"trust_list": trust_list}))
    sort = page.query.get("sort", "")
    following = next_page(f"{_HERE}/{trust_list}", found.next_cursor)
    return page.render(
        "trust_list.html",
        title=name,
        trust_list=trust_list,
        authorities=[_authority(page, item) for item in found.items],
        next=f"{following}&{urlencode({'sort': sort})}" if following and sort else following,
        sort=sort,
        sorts=[(value, page.text(zh, en)) for value, zh, en in _SORTS],
        export=f"/console/exports/trust-authorities?{urlencode({'trust_list': trust_list, 'sort': sort})}",
    )


def _authority(page: Page, item: Any) -> dict[str, Any]:
    t = page.text
    facts = [
        (t("用途", "Use"), t("信任锚", "trust anchor") if item.anchor else t("中间 CA", "intermediate")),
        (t("到期", "Expires"), shown(item.not_after)),
        ("SM3", item.fingerprint_sm3),
        (t("吊销列表地址", "CRL address"), item.crl_url or "—"),
        (t("增量列表地址", "Delta CRL address"), item.delta_url or "—"),
        ("OCSP", item.ocsp_url or "—"),
    ]
    for crl in item.lists:
        kind = t("吊销列表", "Revocation list") if crl.kind == "base" else t("增量列表", "Delta list")
        said = t(
            f"第 {crl.number or '—'} 号，{crl.entries} 条，至 {shown(crl.next_update)}",
            f"number {crl.number or '—'}, {crl.entries} entries, until {shown(crl.next_update)}",
        )
        facts.append((kind, said))
    if item.problem:
        said = t(
            f"平台会再试；请检查所填地址与网络。对方原话：{item.problem}",
            f"The platform tries again; check the address and the network. In the other side's words: {item.problem}",
        )
        facts.append((t("未能取得吊销信息", "Revocation not obtained"), said))
    return {"id": item.trust_ca, "subject": item.subject, "facts": facts, "item": item}


async def change(page: Page, trust_list: str, verb: str) -> Answer:
    """add, remove, sources, authority-remove, crl: of the list, or of the authority that the form names."""
    form = page.form
    sources = {
        "crl_url": form.get("crl_url", "").strip(),
        "delta_url": form.get("delta_url", "").strip(),
        "ocsp_url": form.get("ocsp_url", "").strip(),
        "ocsp_nonce": "ocsp_nonce" in form,
    }
    authority = form.get("trust_ca", "")
    if verb == "add":
        _, file = page.files.get("certificate", ("", b""))
        text = file.decode("ascii", "replace") if b"-----BEGIN" in file else base64.b64encode(file).decode()
        anchor = form.get("anchor") == "yes"
        await page.run(
            "certificate.trust.authority.add", trust_list=trust_list, certificate=text, anchor=anchor, **sources
        )
    elif verb == "sources":
        await page.run("certificate.trust.authority.sources", trust_ca=authority, **sources)
    elif verb == "authority-remove":
        await page.run("certificate.trust.authority.remove", trust_ca=authority)
    elif verb == "crl":
        _, file = page.files.get("crl", ("", b""))
        await page.run("certificate.trust.crl.upload", trust_ca=authority, crl=base64.b64encode(file).decode())
    elif verb == "remove":
        await page.run("certificate.trust.list.remove", trust_list=trust_list)
        return page.go(_HERE)
    else:
        raise PermissionDenied(verb)
    return page.go(f"{_HERE}/{trust_list}")
