"""The console's pages. Each gathers by operations what its template shows; none knows SQL or another service."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from litestar.response import Redirect, Response

from miyun.core.errors import MiyunError, PermissionDenied
from miyun.core.ledger.chain import leaf_hash
from miyun.core.ledger.merkle import verify_inclusion
from miyun.edge.console.page import Page
from miyun.edge.http.arrival import SESSION_COOKIE

Answer = Response[bytes] | Redirect
Handler = Callable[..., Awaitable[Answer]]

_CATEGORIES: Final = (
    ("crypto", "密码服务", "Cryptographic services"),
    ("identity", "身份与接入", "Identity and access"),
    ("security", "安全服务", "Security services"),
    ("delivery", "分发", "Delivery"),
    ("platform", "容器与平台", "Containers and platform"),
)
_KEY_KINDS: Final = (
    ("SM4:encrypt", "SM4 加密", "SM4 encryption"),
    ("SM2:sign", "SM2 签名", "SM2 signature"),
    ("SM2:encrypt", "SM2 加密", "SM2 encryption"),
    ("HMAC-SM3:mac", "HMAC-SM3 校验", "HMAC-SM3"),
    ("EC-P256:sign", "ECDSA P-256 签名", "ECDSA P-256 signature"),
)
_SEVERITIES: Final = (
    ("error", "错误", "errors", "risk"),
    ("warning", "警告", "warnings", "warn"),
    ("info", "提示", "notes", "plain"),
)
_TAGS: Final = {
    "ok": "ok",
    "refused": "warn",
    "failed": "risk",
    "enabled": "ok",
    "issued": "ok",
    "good": "ok",
    "active": "ok",
    "revoked": "risk",
}


_WORDS: Final = {
    "ok": ("成功", "ok"),
    "refused": ("拒绝", "refused"),
    "failed": ("失败", "failed"),
    "enabled": ("启用", "enabled"),
    "disabled": ("停用", "disabled"),
    "pending_deletion": ("待删除", "pending deletion"),
    "destroyed": ("已销毁", "destroyed"),
    "issued": ("有效", "valid"),
    "revoked": ("已吊销", "revoked"),
    "expired": ("已过期", "expired"),
    "created": ("待指定角色", "waiting for roles"),
    "active": ("在用", "active"),
    "resetting": ("重置中", "resetting"),
    "sign": ("签名", "sign"),
    "encrypt": ("加密", "encrypt"),
    "mac": ("校验", "MAC"),
}


@dataclass(frozen=True, slots=True)
class Row:
    cells: tuple[Any, ...]
    href: str = ""
    tag: str = ""
    tag_at: int = -1


@dataclass(frozen=True, slots=True)
class Verb:
    name: str
    zh: str
    en: str
    danger: bool = False


def _names(page: Page) -> Callable[[str], str]:
    offerings = page.registry.offerings
    return lambda slug: offerings[slug].name.to(page.locale) if slug in offerings else slug


# sign-in


async def login_form(page: Page) -> Answer:
    return page.render("login.html", login="", error=None, notice="")


async def login(page: Page) -> Answer:
    try:
        answer = await page.run(
            "account.login", login=page.form.get("login", ""), password=page.form.get("password", "")
        )
    except MiyunError as error:
        return page.render("login.html", error.status, login=page.form.get("login", ""), error=error, notice="")
    response = page.go("/console/password" if answer.person.must_change_password else "/console")
    response.set_cookie(key=SESSION_COOKIE, value=answer.token, path="/", secure=True, httponly=True, samesite="strict")
    return response


async def logout(page: Page) -> Answer:
    await page.run("account.logout")
    response = page.go("/console/login")
    response.set_cookie(
        key=SESSION_COOKIE, value="", path="/", secure=True, httponly=True, samesite="strict", max_age=0
    )
    return response


async def password_form(page: Page) -> Answer:
    assert page.me is not None
    return page.render("password.html", error=None, forced=page.me.must_change_password)


async def password(page: Page) -> Answer:
    assert page.me is not None
    try:
        await page.run("account.change_password", current=page.form.get("current", ""), new=page.form.get("new", ""))
    except MiyunError as error:
        return page.render("password.html", error.status, error=error, forced=page.me.must_change_password)
    return page.go("/console")


async def preferences(page: Page) -> Answer:
    """Language, theme, size: cookies, so that they hold on the sign-in page too."""
    name, _, value = page.query.get("set", "").partition(":")
    response = page.go(page.referrer)
    if (name, value) in {(n, v) for n, vs in _PREFERENCES.items() for v in vs}:
        response.set_cookie(
            key=f"miyun-{name}", value=value, path="/", secure=True, samesite="strict", max_age=31536000
        )
    return response


_PREFERENCES: Final = {"lang": ("zh", "en"), "theme": ("plain", "contrast"), "size": ("normal", "large")}


# contract and use


async def overview(page: Page) -> Answer:
    overviews, contracts = [], []
    listed = await page.offered("contract.list") if page.me and (page.me.tenant or page.entered) else None
    if listed is not None:
        overviews = [await page.run("contract.overview", contract=c.contract) for c in listed.items]
    every = await page.offered("contract.list_all")
    if every is not None:
        contracts = every.items
    states = {
        "active": page.text("履行中", "active"),
        "ended": page.text("服务期满", "ended"),
        "draft": page.text("草稿", "draft"),
        "exit_closed": page.text("已退出", "exit closed"),
    }
    return page.render("overview.html", overviews=overviews, contracts=contracts, states=states, name_of=_names(page))


async def contract(page: Page) -> Answer:
    listed = await page.run("contract.list")
    if not listed.items:
        return page.render("contract.html", lines=[], findings=[], payments=[], severities=_SEVERITIES)
    first = listed.items[0]
    document = (await page.run("contract.document", contract=first.contract)).document
    if isinstance(document, (str, bytes)):
        document = json.loads(document)
    findings = document["findings"]
    return page.render(
        "contract.html",
        lines=_marked(document["source"], findings),
        findings=findings,
        payments=document["contract"].get("payments", []),
        severities=_SEVERITIES,
    )


def _marked(source: str, findings: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Lines of the text; those a finding quotes bear its severity, and the finding gets the line's number."""
    lines = [{"text": text, "mark": ""} for text in source.splitlines()]
    for finding in reversed(findings):  # the gravest come first in the list, and here last: their mark stays
        quote = "".join(str(finding.get("quote") or "").split())
        for number, line in enumerate(lines, 1):
            bare = "".join(line["text"].split())
            if len(quote) >= 4 and len(bare) >= 4 and (quote in bare or bare in quote):
                line["mark"] = "error" if finding["severity"] == "error" else "warning"
                finding.setdefault("line", number)
    return lines


async def dossier(page: Page) -> Answer:
    listed = await page.run("delivery.dossier.list")
    return page.render("dossier.html", dossiers=listed.items)


async def dossier_build(page: Page) -> Answer:
    await page.run("delivery.dossier.build", contract=page.form.get("contract", ""))
    return page.go("/console/dossier")


async def dossier_file(page: Page, contract: str, path: str) -> Answer:
    reply = await page.run("delivery.dossier.file", contract=contract, path=path.lstrip("/"))
    headers = {"content-disposition": "attachment", "x-content-type-options": "nosniff", **reply.headers}
    return Response(reply.body, media_type=reply.content_type, headers=headers)


# services


async def catalogue(page: Page) -> Answer:
    registry = page.registry
    bought: set[str] = set()
    instances = await page.offered("contract.instance.list") if page.me and page.me.tenant else None
    if instances is not None:
        bought = {i.offering for i in instances.items}
    offerings = list(registry.offerings.values())
    return page.render("catalogue.html", offerings=offerings, categories=_CATEGORIES, bought=bought)


async def onboarding(page: Page) -> Answer:
    applications = await page.run("tenant.application.list")
    instances = await page.run("contract.instance.list")
    offerings = page.registry.offerings
    slugs = sorted({i.offering for i in instances.items if offerings[i.offering].sample is not None})
    return page.render("onboarding.html", applications=applications.items, services=[offerings[slug] for slug in slugs])


async def onboarding_start(page: Page) -> Answer:
    chosen = [name.removeprefix("service.") for name in page.form if name.startswith("service.")]
    started = await page.run("onboarding.start", name=page.form.get("name", ""), services=chosen)
    return page.render("onboarded.html", guide=started, secret=True, checks=None, check_items=[], name_of=_names(page))


async def onboarding_guide(page: Page, application: str) -> Answer:
    guide = await page.run("onboarding.guide", application=application)
    return page.render("onboarded.html", guide=guide, secret=False, checks=None, check_items=[], name_of=_names(page))


async def onboarding_check(page: Page, application: str) -> Answer:
    checks = await page.run("onboarding.check", application=application)
    guide = await page.run("onboarding.guide", application=application)
    return page.render(
        "onboarded.html", guide=guide, secret=False, checks=checks, check_items=checks.items, name_of=_names(page)
    )


async def keys(page: Page) -> Answer:
    listed = await page.run("kms.key.list", **_cursor(page))
    rows = [
        Row(
            (k.label or k.key, k.key, k.algorithm, _word(page, k.usage), _word(page, k.state), k.version),
            f"/console/keys/{k.key}",
            _tag(k.state),
            4,
        )
        for k in listed.items
    ]
    t = page.text
    return page.render(
        "keys.html",
        heading=t("密钥", "Keys"),
        caption="",
        columns=(
            t("名称", "Name"),
            t("标识", "Identifier"),
            t("算法", "Algorithm"),
            t("用途", "Usage"),
            t("状态", "State"),
            t("版本", "Version"),
        ),
        rows=rows,
        empty=t("尚无密钥", "No keys yet"),
        next=_next("/console/keys", listed.next_cursor),
        kinds=_KEY_KINDS,
    )


async def key_create(page: Page) -> Answer:
    algorithm, _, usage = page.form.get("kind", "").partition(":")
    created = await page.run("kms.key.create", algorithm=algorithm, usage=usage, label=page.form.get("label", ""))
    return page.go(f"/console/keys/{created.key}")


_KEY_VERBS: Final = (
    Verb("rotate", "轮换", "Rotate"),
    Verb("enable", "启用", "Enable"),
    Verb("disable", "停用", "Disable", True),
    Verb("schedule_deletion", "计划删除（30 天后销毁）", "Schedule deletion (destroyed after 30 days)", True),
    Verb("cancel_deletion", "取消删除", "Cancel deletion"),
)


async def key(page: Page, key: str) -> Answer:
    view = await page.run("kms.key.get", key=key)
    facts = [(name, _shown(getattr(view, name))) for name in view.__struct_fields__]
    verbs = [v for v in _KEY_VERBS if page.may(f"kms.key.{v.name}")]
    return page.render("key.html", key=key, title=view.label or key, facts=facts, verbs=verbs)


async def key_verb(page: Page, key: str, verb: str) -> Answer:
    if verb not in {v.name for v in _KEY_VERBS}:
        raise PermissionDenied(permission=verb)
    await page.run(f"kms.key.{verb}", key=key)
    return page.go(f"/console/keys/{key}")


async def certificates(page: Page) -> Answer:
    listed = await page.run("certificate.list", **_cursor(page))
    t = page.text
    rows = [
        Row((c.subject, c.serial, c.template, _word(page, c.state), _shown(c.not_after)), "", _tag(c.state), 3)
        for c in listed.items
    ]
    return page.render(
        "table.html",
        heading=t("证书", "Certificates"),
        caption=t("由本平台证书服务签发", "Issued by this platform"),
        columns=(
            t("主体", "Subject"),
            t("序列号", "Serial"),
            t("模板", "Template"),
            t("状态", "State"),
            t("到期", "Expires"),
        ),
        rows=rows,
        empty=t("尚无证书", "No certificates yet"),
        next=_next("/console/certificates", listed.next_cursor),
    )


# audit and people


async def ledger(page: Page) -> Answer:
    return await _records(page, "audit.records", "/console/ledger", page.text("账本", "Ledger"))


async def platform_ledger(page: Page) -> Answer:
    return await _records(
        page, "audit.all_records", "/console/platform-ledger", page.text("平台账本", "Platform ledger")
    )


async def _records(page: Page, operation: str, path: str, heading: str) -> Answer:
    listed = await page.run(operation, **_cursor(page))
    t = page.text
    rows = [
        Row(
            (r.seq, _shown(r.at), r.operation, _word(page, r.outcome), r.code, r.principal, r.units or ""),
            f"{path}/{r.seq}",
            _tag(r.outcome),
            3,
        )
        for r in listed.items
    ]
    return page.render(
        "table.html",
        heading=heading,
        caption=t(
            "只追加、哈希链、默克尔锚定；点击序号查看证明",
            "Append-only, chained, anchored; follow a number to its proof",
        ),
        columns=(
            t("序号", "No."),
            t("时间", "Time"),
            t("操作", "Operation"),
            t("结果", "Outcome"),
            t("错误码", "Code"),
            t("主体", "Principal"),
            t("计量", "Units"),
        ),
        rows=rows,
        empty=t("尚无记录", "No records yet"),
        next=_next(path, listed.next_cursor),
    )


async def proof(page: Page, seq: str) -> Answer:
    return await _proof(page, "audit.proof", seq)


async def platform_proof(page: Page, seq: str) -> Answer:
    return await _proof(page, "audit.any_proof", seq)


async def _proof(page: Page, operation: str, seq: str) -> Answer:
    found = await page.run(operation, seq=seq)
    raw = found.record if isinstance(found.record, bytes) else base64.b64decode(found.record)
    leaf = leaf_hash(raw)
    path = [bytes.fromhex(step) for step in found.path]
    holds = verify_inclusion(leaf, found.seq, found.size, path, bytes.fromhex(found.root))
    text = json.dumps(json.loads(raw), ensure_ascii=False, indent=1)
    return page.render("proof.html", proof=found, holds=holds, record=text, leaf=leaf.hex())


async def people(page: Page) -> Answer:
    listed = await page.run("account.person.list", **_cursor(page))
    t = page.text
    rows = [
        Row(
            (p.login, p.name, "、".join(page.role_name(r) for r in p.roles), _word(page, p.state)), "", _tag(p.state), 3
        )
        for p in listed.items
    ]
    return page.render(
        "table.html",
        heading=t("人员", "People"),
        caption=t(
            "三员分立：一人不得兼任同侧两名管理员",
            "Separated administrators: nobody holds two of the three roles of a side",
        ),
        columns=(t("登录名", "Login"), t("姓名", "Name"), t("角色", "Roles"), t("状态", "State")),
        rows=rows,
        empty=t("尚无人员", "Nobody yet"),
        next=_next("/console/people", listed.next_cursor),
    )


def _cursor(page: Page) -> dict[str, str]:
    cursor = page.query.get("cursor")
    return {"cursor": cursor} if cursor else {}


def _next(path: str, cursor: str | None) -> str:
    return f"{path}?cursor={cursor}" if cursor else ""


def _word(page: Page, value: Any) -> str:
    """A state or usage in the reader's language; what has no word is shown as it is."""
    known = _WORDS.get(str(value))
    return page.text(*known) if known else str(value)


def _tag(state: str) -> str:
    return _TAGS.get(str(state), "plain")


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "—"
    if hasattr(value, "astimezone"):
        return str((value + timedelta(hours=8)).strftime("%Y-%m-%d %H:%M:%S"))
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value)
