"""Certificates: found, sorted, taken away, revoked; authorities and their lists."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from litestar.response import Response

from miyun.core.errors import NotFound
from miyun.edge.console.page import HEADERS, Page
from miyun.edge.console.pages.listing import Answer, Row, shown, tag_of, word

_HERE: Final = "/console/certificates"
STATES: Final = {
    "issued": ("有效", "valid"),
    "expired": ("已过期", "expired"),
    "suspended": ("已冻结", "suspended"),
    "revoked": ("已吊销", "revoked"),
}
_FILTERS: Final = ("text", "state", "template", "ca", "expires_from", "expires_before", "sort")
_SORTS: Final = (("subject", "主体", "Subject"), ("issued", "签发", "Issued"), ("expires", "到期", "Expires"))
_FILES: Final = (
    ("pem", "证书（PEM）", "PEM"),
    ("der", "证书（DER）", "DER"),
    ("chain", "证书链（PEM）", "Chain (PEM)"),
)
REASONS: Final = (
    ("unspecified", "未说明", "unspecified"),
    ("key_compromise", "密钥泄露", "the key is compromised"),
    ("affiliation_changed", "所属变更", "affiliation changed"),
    ("superseded", "已被取代", "superseded"),
    ("cessation_of_operation", "停止使用", "no longer used"),
    ("privilege_withdrawn", "权限撤销", "privilege withdrawn"),
)
REASON_WORDS: Final = {name: (zh, en) for name, zh, en in REASONS} | {"certificate_hold": ("冻结", "suspended")}
_FACTS: Final = {
    "subject": ("主体", "Subject"),
    "names": ("备用名称", "Alternative names"),
    "serial": ("序列号", "Serial number"),
    "template": ("模板", "Template"),
    "usage": ("用途", "Use"),
    "ca": ("签发机构", "Issuer"),
    "issued_at": ("签发时间", "Issued"),
    "not_before": ("生效", "Valid from"),
    "not_after": ("失效", "Valid to"),
    "revoked_at": ("吊销或冻结时间", "Revoked or suspended"),
    "reason": ("原因", "Reason"),
    "fingerprint_sm3": ("证书指纹（SM3）", "Fingerprint (SM3)"),
    "key_sm3": ("公钥指纹（SM3）", "Key fingerprint (SM3)"),
}


def asked_of(page: Page) -> dict[str, str]:
    """What the reader filters and sorts by. A day begins at midnight in Shanghai."""
    asked = {name: value for name in _FILTERS if (value := page.query.get(name, "").strip())}
    return {name: f"{v}T00:00:00+08:00" if name.startswith("expires_") else v for name, v in asked.items()}


def _here(page: Page, **changes: str) -> str:
    kept = {name: value for name in _FILTERS if (value := page.query.get(name, ""))}
    query = urlencode({name: value for name, value in (kept | changes).items() if value})
    return f"{_HERE}?{query}" if query else _HERE


async def certificates(page: Page) -> Answer:
    t = page.text
    cursor = page.query.get("cursor")
    listed = await page.run("certificate.list", **asked_of(page), **({"cursor": cursor} if cursor else {}))
    templates = await page.offered("certificate.template.list")
    kinds = {item.template: t(item.name_zh, item.name_en) for item in templates.items} if templates else {}
    rows = [
        Row(
            (
                c.subject,
                shown(c.names),
                kinds.get(c.template, c.template),
                word(page, c.usage),
                word(page, c.state),
                shown(c.issued_at),
                shown(c.not_after),
            ),
            f"{_HERE}/{c.serial}",
            tag_of(c.state),
            4,
        )
        for c in listed.items
    ]
    sort = page.query.get("sort") or "-issued"
    sorts = {
        name: (_here(page, sort=name if sort != name else f"-{name}"), "▲" if sort == name else "▼")
        for name, _, _ in _SORTS
    }
    return page.render(
        "certificates.html",
        heading=t("证书", "Certificates"),
        caption=t("由本平台认证机构签发", "Issued by this platform's authorities"),
        columns=(
            t("主体", "Subject"),
            t("备用名称", "Alternative names"),
            t("模板", "Template"),
            t("用途", "Use"),
            t("状态", "State"),
            t("签发", "Issued"),
            t("到期", "Expires"),
        ),
        sorts={0: sorts["subject"], 5: sorts["issued"], 6: sorts["expires"]},
        sorted_by={"subject": 0, "issued": 5, "expires": 6}.get(sort.removeprefix("-")),
        rows=rows,
        empty=t("没有符合条件的证书", "No certificate matches")
        if asked_of(page)
        else t("尚无证书；可在“证书申请”中申请", "No certificates yet: apply under 'Certificate applications'"),
        next=_here(page, cursor=listed.next_cursor) if listed.next_cursor else "",
        given={name: page.query.get(name, "") for name in _FILTERS},
        states=[(name, t(*words)) for name, words in STATES.items()],
        templates=list(kinds.items()),
        export=_here(page).replace(_HERE, f"{_HERE}/export", 1),
    )


async def certificate(page: Page, serial: str) -> Answer:
    found = await page.run("certificate.get", serial=serial)
    view, t = found.certificate, page.text
    values: dict[str, Any] = {name: getattr(view, name) for name in _FACTS}
    values["usage"] = word(page, values["usage"])
    templates = await page.offered("certificate.template.list")
    kinds = {item.template: t(item.name_zh, item.name_en) for item in templates.items} if templates else {}
    values["template"] = kinds.get(view.template, view.template)
    if values["reason"]:
        values["reason"] = t(*REASON_WORDS[values["reason"]])
    verbs = {"issued": ("suspend",), "suspended": ("resume",)}.get(view.state, ())
    words = {"suspend": t("冻结", "Suspend"), "resume": t("恢复", "Resume")}
    return page.render(
        "certificate.html",
        view=view,
        facts=[(t(*_FACTS[name]), shown(value)) for name, value in values.items() if value not in (None, "", [])],
        state=t(*STATES[view.state]),
        tag=tag_of(view.state),
        files=[(name, t(zh, en)) for name, zh, en in _FILES],
        renews=view.state == "issued" and view.usage == "sign" and page.may("certificate.application.rekey"),
        verbs=[(verb, words[verb]) for verb in verbs if page.may(f"certificate.{verb}")],
        reasons=[(name, t(zh, en)) for name, zh, en in REASONS]
        if view.state in ("issued", "suspended") and page.may("certificate.revoke")
        else [],
    )


async def certificate_file(page: Page, serial: str, form: str) -> Answer:
    if form not in {name for name, _, _ in _FILES}:
        raise NotFound("page", form)
    made = await page.run("certificate.download", serial=serial, format=form)
    return Response(made.body, media_type=made.content_type, headers=HEADERS | dict(made.headers))


async def certificate_verb(page: Page, serial: str, verb: str) -> Answer:
    match verb:
        case "revoke":
            await page.run("certificate.revoke", serial=serial, reason=page.form.get("reason", "unspecified"))
        case "rekey":
            made = await page.run(
                "certificate.application.rekey",
                serial=serial,
                csr=page.form.get("csr", ""),
                revoke_previous="revoke_previous" in page.form,
            )
            return page.go(f"/console/filings/{made.application}")
        case "suspend" | "resume":
            await page.run(f"certificate.{verb}", serial=serial)
        case _:
            raise NotFound("page", verb)
    return page.go(f"{_HERE}/{serial}")


async def authorities(page: Page) -> Answer:
    t = page.text
    listed = await page.run("certificate.ca.list")
    roles = {"root": t("根", "root"), "issuing": t("签发", "issuing")}
    states = {
        "active": t("使用中", "active"),
        "succeeded": t("已有后继，不再签发", "succeeded: issues no more"),
        "revoked": t("已吊销", "revoked"),
    }
    rows = [
        (
            item,
            roles[item.role],
            states[item.state],
            t(f"{item.shards} 个分片", f"{item.shards} shards") if item.shards else t("一份", "one list"),
        )
        for item in listed.items
    ]
    return page.render("authorities.html", rows=rows, configures=page.may("certificate.ca.configure"), shown=shown)


async def authority_configure(page: Page, ca: str) -> Answer:
    await page.run("certificate.ca.configure", ca=ca, shards=page.form.get("shards", ""), deltas="deltas" in page.form)
    return page.go("/console/authorities")
