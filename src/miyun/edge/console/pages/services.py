"""Catalogue, onboarding, keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from miyun.core.errors import NotFound, PermissionDenied
from miyun.edge.console.page import Page
from miyun.edge.console.pages.listing import (
    Act,
    Answer,
    Choice,
    Row,
    asked,
    names_of,
    shown,
    table,
    tag_of,
    word,
)

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


_KEY_STATES: Final = ("enabled", "disabled", "pending_deletion", "destroyed")


@dataclass(frozen=True, slots=True)
class Verb:
    name: str
    zh: str
    en: str
    states: tuple[str, ...]  # of the key, in which it makes sense
    danger: bool = False


async def catalogue(page: Page) -> Answer:
    registry = page.registry
    bought: set[str] = set()
    instances = await page.offered("contract.instance.list")
    if instances is not None:
        bought = {i.offering for i in instances.items}
    offerings = list(registry.offerings.values())
    return page.render("catalogue.html", offerings=offerings, categories=_CATEGORIES, bought=bought)


async def service(page: Page, service: str) -> Answer:
    """What a service is, whether the reader's contract buys it, and how it would."""
    offering = page.registry.offerings.get(service)
    if offering is None:
        raise NotFound("service", service)
    listed = await page.offered("contract.instance.list")
    instances = [item for item in listed.items if item.offering == service] if listed is not None else []
    return page.render("service.html", offering=offering, instances=instances)


async def onboarding(page: Page) -> Answer:
    t = page.text
    listed = await page.run("tenant.application.list", **asked(page, "tenant.application.list"))
    instances = await page.run("contract.instance.list")
    offerings = page.registry.offerings
    slugs = sorted({i.offering for i in instances.items if offerings[i.offering].sample is not None})
    rows = []
    for item in listed.items:
        at, acts = f"/console/applications/{item.application}", []
        if item.state == "active" and page.may("tenant.application.disable"):
            question = t(
                "其访问密钥与凭证立即被拒绝，恢复后可继续使用。确定停用吗？",
                "Its access keys and credentials are refused at once, until it is enabled again. Disable it?",
            )
            acts.append(Act(t("停用", "Disable"), f"{at}/disable", question))
        elif item.state != "active" and page.may("tenant.application.enable"):
            acts.append(Act(t("恢复", "Enable"), f"{at}/enable"))
        state = t("启用", "active") if item.state == "active" else t("停用", "disabled")
        cells = (item.name, item.application, state, shown(item.created_at))
        tag = "ok" if item.state == "active" else "warn"
        rows.append(Row(cells, f"/console/onboarding/{item.application}", tag, 2, acts))
    return table(
        page,
        t("应用接入", "Application onboarding"),
        template="onboarding.html",
        caption=t(
            "已登记的应用；名称通往其步骤、检查与凭证", "Applications; the name leads to steps, checks and credentials"
        ),
        columns=(t("名称", "Name"), t("标识", "Identifier"), t("状态", "State"), t("登记时间", "Registered")),
        rows=rows,
        empty=t("尚未接入应用", "No application yet"),
        cursor=listed.next_cursor,
        search=t("应用名称", "Name of the application"),
        filters=(
            Choice(
                "state",
                t("状态", "State"),
                (("active", t("启用", "active")), ("disabled", t("停用", "disabled"))),
            ),
        ),
        sorts=(
            ("created_at", "登记时间，旧的在前", "oldest first"),
            ("-created_at", "登记时间，新的在前", "newest first"),
            ("name", "名称", "name"),
        ),
        export="applications",
        services=[offerings[slug] for slug in slugs],
    )


async def application_verb(page: Page, application: str, verb: str) -> Answer:
    if verb not in ("disable", "enable"):
        raise NotFound("page", verb)
    await page.run(f"tenant.application.{verb}", application=application)
    return page.go("/console/onboarding")


async def onboarding_start(page: Page) -> Answer:
    chosen = [name.removeprefix("service.") for name in page.form if name.startswith("service.")]
    started = await page.run("onboarding.start", name=page.form.get("name", ""), services=chosen)
    return page.render(
        "onboarded.html", guide=started, secret=True, checks=None, check_items=[], name_of=names_of(page)
    )


async def onboarding_guide(page: Page, application: str) -> Answer:
    guide = await page.run("onboarding.guide", application=application)
    return page.render("onboarded.html", guide=guide, secret=False, checks=None, check_items=[], name_of=names_of(page))


async def onboarding_check(page: Page, application: str) -> Answer:
    checks = await page.run("onboarding.check", application=application)
    guide = await page.run("onboarding.guide", application=application)
    return page.render(
        "onboarded.html", guide=guide, secret=False, checks=checks, check_items=checks.items, name_of=names_of(page)
    )


async def keys(page: Page) -> Answer:
    listed = await page.run("kms.key.list", **asked(page, "kms.key.list"))
    rows = [
        Row(
            (k.label or k.key, k.key, k.algorithm, word(page, k.usage), word(page, k.state), k.version),
            f"/console/keys/{k.key}",
            tag_of(k.state),
            4,
        )
        for k in listed.items
    ]
    t = page.text
    return table(
        page,
        t("密钥", "Keys"),
        template="keys.html",
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
        cursor=listed.next_cursor,
        search=t("名称", "Name"),
        filters=(
            Choice("state", t("状态", "State"), [(state, word(page, state)) for state in _KEY_STATES]),
            Choice(
                "algorithm",
                t("算法", "Algorithm"),
                [(name, name) for name in dict.fromkeys(kind.partition(":")[0] for kind, _, _ in _KEY_KINDS)],
            ),
        ),
        kinds=_KEY_KINDS,
        applications=await _applications(page),
    )


async def key_create(page: Page) -> Answer:
    algorithm, _, usage = page.form.get("kind", "").partition(":")
    application = page.form.get("application", "")
    created = await page.run(
        "kms.key.create",
        algorithm=algorithm,
        usage=usage,
        label=page.form.get("label", ""),
        applications=[application] if application else [],
    )
    return page.go(f"/console/keys/{created.key}")


_KEY_VERBS: Final = (
    Verb("rotate", "轮换", "Rotate", ("enabled",)),
    Verb("enable", "启用", "Enable", ("disabled",)),
    Verb("disable", "停用", "Disable", ("enabled",), True),
    Verb(
        "schedule_deletion",
        "计划删除（30 天后销毁）",
        "Schedule deletion (destroyed after 30 days)",
        ("enabled", "disabled"),
        True,
    ),
    Verb("cancel_deletion", "取消删除", "Cancel deletion", ("pending_deletion",)),
)
_KEY_FACTS: Final = {
    "key": ("标识", "Identifier"),
    "algorithm": ("算法", "Algorithm"),
    "usage": ("用途", "Usage"),
    "state": ("状态", "State"),
    "version": ("当前版本", "Current version"),
    "min_decryption_version": ("可解密的最低版本", "Lowest version for decryption"),
    "aliases": ("别名", "Aliases"),
    "description": ("说明", "Description"),
    "owner": ("所有者", "Owner"),
    "origin": ("来源", "Origin"),
    "created_at": ("创建时间", "Created"),
    "rotation_days": ("自动轮换（天）", "Rotated every (days)"),
    "next_rotation_at": ("下次轮换", "Next rotation"),
    "deletion_at": ("计划销毁时间", "To be destroyed at"),
    "destroyed_at": ("销毁时间", "Destroyed at"),
    "tags": ("标签", "Tags"),
}


async def key(page: Page, key: str) -> Answer:
    view = await page.run("kms.key.get", key=key)
    facts = [
        (page.text(*_KEY_FACTS[name]), word(page, shown(getattr(view, name))))
        for name in _KEY_FACTS
        if getattr(view, name) not in (None, "", [], {})
    ]
    verbs = [v for v in _KEY_VERBS if view.state in v.states and page.may(f"kms.key.{v.name}")]
    names = {a.application: a.name for a in await _applications(page)}
    opened = [(name, names.get(name, name)) for name in view.applications]
    others = [(name, names[name]) for name in names if name not in view.applications and name != view.owner]
    return page.render(
        "key.html", key=key, title=view.label or key, facts=facts, verbs=verbs, opened=opened, others=others
    )


async def key_application(page: Page, key: str) -> Answer:
    verb = "disallow" if page.form.get("verb") == "disallow" else "allow"
    await page.run(f"kms.key.{verb}", key=key, application=page.form.get("application", ""))
    return page.go(f"/console/keys/{key}")


async def _applications(page: Page) -> list[Any]:
    listed = await page.offered("tenant.application.list")
    return listed.items if listed is not None else []


async def key_verb(page: Page, key: str, verb: str) -> Answer:
    if verb not in {v.name for v in _KEY_VERBS}:
        raise PermissionDenied(verb)
    await page.run(f"kms.key.{verb}", key=key)
    return page.go(f"/console/keys/{key}")
