"""What applications were given: bindings to services, access keys, single-purpose credentials. A secret is on the page
that answers, once, and nowhere else."""

from __future__ import annotations

from typing import Any, Final

from markupsafe import Markup

from miyun.core.operation import Operation
from miyun.core.tenancy.applications.directory import is_purpose
from miyun.edge.console.page import Page
from miyun.edge.console.pages.listing import (
    Act,
    Answer,
    Choice,
    Row,
    applications_of,
    asked,
    moment_of,
    names_of,
    shown,
    table,
)

_HERE: Final = "/console/access"
STATES: Final = {
    "active": ("有效", "valid", "ok"),
    "expired": ("已过期", "expired", "warn"),
    "revoked": ("已吊销", "revoked", "risk"),
}
_NEWEST: Final = ("-created_at", "签发时间，新的在前", "newest first")
_OLDEST: Final = ("created_at", "签发时间，旧的在前", "oldest first")
_BY_APPLICATION: Final = ("application", "应用", "application")


async def access_keys(page: Page) -> Answer:
    return await _access_keys(page)


async def access_key_create(page: Page) -> Answer:
    made = await page.run(
        "tenant.access_key.create",
        application=page.form.get("application", ""),
        expires_at=moment_of(page, "expires_at"),
    )
    return await _access_keys(page, made)


async def access_key_revoke(page: Page, key: str) -> Answer:
    await page.run("tenant.access_key.revoke", access_key=key)
    return page.go(_HERE)


async def _access_keys(page: Page, made: Any = None) -> Answer:
    t = page.text
    listed = await page.run("tenant.access_key.list", **asked(page, "tenant.access_key.list"))
    names = await applications_of(page)
    question = t(
        "用该密钥签名的请求立即被拒绝，且不能恢复。确定吊销吗？",
        "Requests signed with it are refused at once, for good. Revoke it?",
    )
    revokes = page.may("tenant.access_key.revoke")
    rows = [
        Row(
            (
                item.access_key,
                names.get(item.application, item.application),
                t(*STATES[item.state][:2]),
                shown(item.created_at),
                _until(page, item),
                _used(page, item),
            ),
            "",
            STATES[item.state][2],
            2,
            (Act(t("吊销", "Revoke"), f"{_HERE}/keys/{item.access_key}/revoke", question),)
            if revokes and item.state != "revoked"
            else (),
        )
        for item in listed.items
    ]
    return _page(
        page,
        t("访问密钥", "Access keys"),
        template="access_keys.html",
        caption=t(
            "应用以此签名调用接口；最近使用精确到一刻钟",
            "Applications sign their calls with them; the last use is told to a quarter of an hour",
        ),
        columns=(
            t("访问密钥", "Access key"),
            t("应用", "Application"),
            t("状态", "State"),
            t("签发时间", "Issued"),
            t("有效期至", "Valid until"),
            t("最近使用", "Last used"),
        ),
        rows=rows,
        empty=t("尚无访问密钥。请在下方为应用签发。", "No access keys yet: issue one to an application below.")
        if page.may("tenant.access_key.create")
        else t(
            "尚无访问密钥。由系统管理员或应用开发签发。",
            "No access keys yet. System administrators and developers issue them.",
        ),
        cursor=listed.next_cursor,
        filters=(*_by_application(page, names), _by_state(page)),
        sorts=(_NEWEST, _OLDEST, _BY_APPLICATION),
        export="access-keys",
        applications=list(names.items()),
        chosen=page.query.get("application", ""),
        made=made,
        made_for=names.get(made.application, made.application) if made else "",
    )


async def bindings(page: Page) -> Answer:
    t = page.text
    listed = await page.run("tenant.binding.list", **asked(page, "tenant.binding.list"))
    names, services = await applications_of(page), names_of(page)
    instances = await page.offered("contract.instance.list")
    question = t(
        "该应用随即不能再调用此服务，其单用途凭证一并吊销。确定解除吗？",
        "The application may no longer call the service, and the credentials of the binding end with it. End it?",
    )
    ends = page.may("tenant.binding.delete")
    rows = [
        Row(
            (
                names.get(item.application, item.application),
                services(item.offering),
                item.instance,
                shown(item.created_at),
            ),
            acts=(Act(t("解除", "End"), f"{_HERE}/bindings/{item.binding}/end", question),) if ends else (),
        )
        for item in listed.items
    ]
    return _page(
        page,
        t("服务接入", "Bindings"),
        template="bindings.html",
        caption=t(
            "哪个应用可以使用哪项服务；每项计一次应用接入",
            "Which application may use which service; each counts as one onboarding",
        ),
        columns=(t("应用", "Application"), t("服务", "Service"), t("实例", "Instance"), t("接入时间", "Bound")),
        rows=rows,
        empty=t(
            "尚无接入。应用须先接入服务才能调用。",
            "No bindings yet. An application calls a service once it is bound to it.",
        ),
        cursor=listed.next_cursor,
        filters=_by_application(page, names),
        sorts=(
            ("-created_at", "接入时间，新的在前", "newest first"),
            ("created_at", "接入时间，旧的在前", "oldest first"),
            _BY_APPLICATION,
            ("offering", "服务", "service"),
        ),
        export="bindings",
        applications=list(names.items()),
        chosen=page.query.get("application", ""),
        instances=[
            (item.instance, f"{services(item.offering)} · {item.first_day} – {item.last_day}")
            for item in (instances.items if instances is not None else [])
            if item.offering in page.open
        ],
    )


async def binding_create(page: Page) -> Answer:
    names = ("application", "instance")
    await page.run("tenant.binding.create", **{name: page.form.get(name, "") for name in names})
    return page.go(f"{_HERE}/bindings")


async def binding_end(page: Page, binding: str) -> Answer:
    await page.run("tenant.binding.delete", binding=binding)
    return page.go(f"{_HERE}/bindings")


async def credentials(page: Page) -> Answer:
    return await _credentials(page)


async def credential_create(page: Page) -> Answer:
    made = await page.run(
        "tenant.credential.create",
        binding=page.form.get("binding", ""),
        operations=[name.removeprefix("may.") for name in page.form if name.startswith("may.")],
        expires_at=moment_of(page, "expires_at"),
    )
    return await _credentials(page, made)


async def credential_revoke(page: Page, username: str) -> Answer:
    await page.run("tenant.credential.revoke", username=username)
    return page.go(f"{_HERE}/credentials")


async def _credentials(page: Page, made: Any = None) -> Answer:
    t = page.text
    listed = await page.run("tenant.credential.list", **asked(page, "tenant.credential.list"))
    names, services = await applications_of(page), names_of(page)
    question = t(
        "使用该凭证的程序立即被拒绝，且不能恢复。确定吊销吗？",
        "Programs that use it are refused at once, for good. Revoke it?",
    )
    revokes = page.may("tenant.credential.revoke")
    rows = [
        Row(
            (
                item.username,
                names.get(item.application, item.application),
                Markup("<br>").join(map(page.summary, item.operations)),
                t(*STATES[item.state][:2]),
                shown(item.created_at),
                _until(page, item),
                _used(page, item),
            ),
            "",
            STATES[item.state][2],
            3,
            (Act(t("吊销", "Revoke"), f"{_HERE}/credentials/{item.username}/revoke", question),)
            if revokes and item.state != "revoked"
            else (),
        )
        for item in listed.items
    ]
    bound = await page.offered("tenant.binding.list", sort="application", limit=500)
    choices = {
        item.binding: (f"{names.get(item.application, item.application)} · {services(item.offering)}", item.offering)
        for item in (bound.items if bound is not None else [])
        if _purposes(page, item.offering)
    }
    chosen = page.query.get("for", "")
    return _page(
        page,
        t("单用途凭证", "Single-purpose credentials"),
        template="credentials.html",
        caption=t(
            "供不能签名的程序以 HTTP Basic 调用所列操作（如 curl 申请时间戳）",
            "For programs that cannot sign: by HTTP Basic they call what is listed, no more (curl, for timestamps)",
        ),
        columns=(
            t("用户名", "User name"),
            t("应用", "Application"),
            t("可调用", "May call"),
            t("状态", "State"),
            t("签发时间", "Issued"),
            t("有效期至", "Valid until"),
            t("最近使用", "Last used"),
        ),
        rows=rows,
        empty=t(
            "尚无单用途凭证。程序能签名时请用访问密钥。",
            "No single-purpose credentials yet. Programs that can sign use access keys.",
        ),
        cursor=listed.next_cursor,
        filters=(*_by_application(page, names), _by_state(page)),
        sorts=(_NEWEST, _OLDEST, _BY_APPLICATION),
        export="credentials",
        bindings=[(binding, name) for binding, (name, _) in choices.items()],
        chosen=chosen if chosen in choices else "",
        chosen_name=choices[chosen][0] if chosen in choices else "",
        purposes=_purposes(page, choices[chosen][1]) if chosen in choices else [],
        made=made,
    )


def _purposes(page: Page, offering: str) -> list[Operation]:
    if offering not in page.registry.offerings:
        return []
    return [one for one in page.registry.operations.values() if is_purpose(page.registry, offering, one)]


def _until(page: Page, item: Any) -> str:
    return shown(item.expires_at) if item.expires_at else page.text("不限期", "without end")


def _used(page: Page, item: Any) -> str:
    return shown(item.used_at) if item.used_at else page.text("未使用", "never")


def _by_state(page: Page) -> Choice:
    return Choice(
        "state", page.text("状态", "State"), [(name, page.text(*words[:2])) for name, words in STATES.items()]
    )


def _by_application(page: Page, names: dict[str, str]) -> tuple[Choice, ...]:
    return (Choice("application", page.text("应用", "Application"), list(names.items())),) if names else ()


def _page(page: Page, heading: str, **values: Any) -> Answer:
    t = page.text
    tabs = (
        (_HERE, t("访问密钥", "Access keys"), "tenant.access_key.list"),
        (f"{_HERE}/bindings", t("服务接入", "Bindings"), "tenant.binding.list"),
        (f"{_HERE}/credentials", t("单用途凭证", "Single-purpose credentials"), "tenant.credential.list"),
    )
    return table(page, heading, tabs=tabs, **values)
