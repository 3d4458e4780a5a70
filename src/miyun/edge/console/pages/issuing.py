"""What certificates can be like, and who issues them: templates of the tenant's own, CAs outside."""

from __future__ import annotations

from typing import Any, Final

from miyun.core.errors import InvalidArgument
from miyun.core.i18n import Text
from miyun.edge.console.page import Page
from miyun.edge.console.pages.listing import Act, Answer, Row, asked, shown, table

_TEMPLATES: Final = "/console/templates"
_OUTSIDE: Final = "/console/outside-cas"
_NAMES: Final = {
    "dns": ("域名", "DNS names"),
    "ip": ("IP 地址", "IP addresses"),
    "email": ("邮箱", "e-mail addresses"),
    "uri": ("URI", "URIs"),
}
_FAMILIES: Final = {"sm2": "SM2", "ecdsa": "ECDSA", "rsa": "RSA"}


async def templates(page: Page) -> Answer:
    t = page.text
    listed = await page.run("certificate.template.list", **asked(page, "certificate.template.list"))
    titles = {item.template: t(item.name_zh, item.name_en) for item in listed.items}
    rows = []
    for item in listed.items:
        retires = item.base is not None and page.may("certificate.template.retire")
        question = t("停用后不再按它签发，且不可恢复。", "Nothing is issued by it any more, for good.")
        acts = (Act(t("停用", "Retire"), f"{_TEMPLATES}/{item.template}/retire", question),) if retires else ()
        subject = [f"{name}={item.fixed[name]}" if name in item.fixed else name for name in item.required]
        kinds = [t(*_NAMES[name]) for name in item.names]
        cells = (
            titles[item.template],
            t("平台", "platform")
            if item.base is None
            else t(f"本租户，依据{titles[item.base]}", f"own, from {titles[item.base]}"),
            ", ".join(subject),
            " ".join([*kinds, *item.domains]) or "—",
            " ".join(_FAMILIES[family] for family in item.families),
            t(f"{item.days} 天，至多 {item.max_days} 天", f"{item.days} days, {item.max_days} at most"),
            t("须审核", "reviewed") if item.review else t("免审", "not reviewed"),
        )
        rows.append(Row(cells, acts=acts))
    return table(
        page,
        t("证书模板", "Certificate templates"),
        template="templates.html",
        caption=t(
            "本租户的模板由平台模板收窄而成：只能要求更多、允许更少；建立后不可更改，只可停用",
            "Own templates are the platform's, narrowed: they ask for more and allow less, never change, only retire",
        ),
        columns=(
            t("名称", "Name"),
            t("来源", "From"),
            t("主体属性", "Subject"),
            t("备用名称", "Alternative names"),
            t("密钥", "Keys"),
            t("有效期", "Validity"),
            t("审核", "Review"),
        ),
        rows=rows,
        empty=t("没有模板", "No templates"),
        bases=[(item.template, titles[item.template]) for item in listed.items if item.base is None],
        kinds=[(name, t(zh, en)) for name, (zh, en) in _NAMES.items()],
        families=list(_FAMILIES.items()),
    )


async def template_create(page: Page) -> Answer:
    form = page.form
    values: dict[str, Any] = {}
    for group, field in (("name.", "names"), ("family.", "families")):
        if chosen := [name.removeprefix(group) for name in form if name.startswith(group)]:
            values[field] = chosen
    for field in ("days", "max_days"):
        if form.get(field, "").strip():
            values[field] = form[field].strip()
    if "review" in form:
        values["review"] = True
    await page.run(
        "certificate.template.create",
        template=form.get("template", "").strip(),
        base=form.get("base", ""),
        name_zh=form.get("name_zh", ""),
        name_en=form.get("name_en", ""),
        required=form.get("required", "").replace(",", " ").replace("，", " ").split(),
        fixed=attributes(form.get("fixed", ""), "fixed"),
        domains=form.get("domains", "").replace(",", " ").replace("，", " ").split(),
        **values,
    )
    return page.go(_TEMPLATES)


async def template_retire(page: Page, template: str) -> Answer:
    await page.run("certificate.template.retire", template=template)
    return page.go(_TEMPLATES)


async def outside(page: Page) -> Answer:
    t = page.text
    listed = await page.run("certificate.outside.list", **asked(page, "certificate.outside.list"))
    kinds = await page.offered("certificate.template.list")
    titles = {item.template: t(item.name_zh, item.name_en) for item in kinds.items} if kinds is not None else {}
    rows = []
    for item in listed.items:
        question = t(
            "停用后不再向其提交申请，已送出的仍可交回。", "Nothing new goes to it; what is with it may still come in."
        )
        stops = page.may("certificate.outside.remove")
        cells = (
            item.name,
            t("、", ", ").join(titles.get(slug, slug) for slug in item.templates) or t("申请时选择", "as applied for"),
            " · ".join(item.subjects),
            shown(item.created_at),
        )
        acts = (Act(t("停用", "Stop"), f"{_OUTSIDE}/{item.outside}/remove", question),) if stops else ()
        rows.append(Row(cells, acts=acts))
    sent = await page.offered("certificate.application.list", state="forwarded", limit=10)
    return table(
        page,
        t("外部认证机构", "CAs outside"),
        template="outside_cas.html",
        caption=t(
            "由持证的电子认证机构签发：本平台受理、审核并转交",
            "Licensed CAs issue; this platform takes in, reviews and forwards",
        ),
        columns=(
            t("名称", "Name"),
            t("默认签发的模板", "Templates it issues by default"),
            t("证书", "Its certificates"),
            t("登记", "Registered"),
        ),
        rows=rows,
        empty=t("尚未登记外部认证机构", "None is registered yet"),
        sent=sent.items if sent is not None else [],
        templates=list(titles.items()),
    )


async def outside_create(page: Page) -> Answer:
    await page.run(
        "certificate.outside.create",
        name=page.form.get("name", ""),
        certificates=page.form.get("certificates", ""),
        templates=[name.removeprefix("template.") for name in page.form if name.startswith("template.")],
    )
    return page.go(_OUTSIDE)


async def outside_remove(page: Page, outside: str) -> Answer:
    await page.run("certificate.outside.remove", outside=outside)
    return page.go(_OUTSIDE)


def attributes(text: str, field: str) -> dict[str, str]:
    """`CN=…,O=…`, one a line or separated by commas."""
    found: dict[str, str] = {}
    for part in text.replace("，", ",").replace("\n", ",").split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not any((name, equals, value)):
            continue
        if not (name and equals and value):
            raise InvalidArgument(
                field, Text("应写作 属性=值，以逗号分隔", "write attribute=value, separated by commas")
            )
        found[name] = value
    return found
