"""People of the platform or of a tenant. Who creates an account does not empower it (三员分立), and each of the two is
shown their half of the one-time password once: on the page that answers, which is not to be had again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from miyun.core.errors import NotFound
from miyun.core.operation import Role
from miyun.core.tenancy.model import PLATFORM_ROLES, TENANT_ROLES, PersonState, combinations
from miyun.edge.console.page import Page
from miyun.edge.console.pages.listing import Answer, Choice, Row, asked, shown, table, tag_of, word

_HERE: Final = "/console/people"
_WAITING: Final = frozenset({PersonState.CREATED, PersonState.RESETTING})
_SORTS: Final = (
    ("login", "登录名", "Login"),
    ("name", "姓名", "Name"),
    ("-created_at", "创建时间，新的在前", "Created, newest first"),
)
# verb → the operation, and the states of a person in which it is offered
_VERBS: Final[dict[str, tuple[str, frozenset[PersonState]]]] = {
    "assign": ("account.person.assign_roles", frozenset({PersonState.CREATED, PersonState.ACTIVE})),
    "confirm": ("account.person.confirm_reset", frozenset({PersonState.RESETTING})),
    "reset": ("account.person.reset_password", frozenset(PersonState) - {PersonState.DISABLED}),
    "disable": ("account.person.disable", frozenset(PersonState) - {PersonState.DISABLED}),
    "enable": ("account.person.enable", frozenset({PersonState.DISABLED})),
}


@dataclass(frozen=True, slots=True)
class Half:
    """Of a one-time password: the system administrator's is the first."""

    text: str
    first: bool


async def people(page: Page) -> Answer:
    listed = await page.run("account.person.list", **asked(page, "account.person.list"))
    t = page.text
    rows = [
        Row(
            (
                Markup("<code>{}</code>").format(one.login),
                one.name,
                _named(page, one.roles),
                word(page, one.state),
                shown(one.created_at),
            ),
            f"{_HERE}/{one.person}",
            _tag(one.state),
            3,
        )
        for one in listed.items
    ]
    return table(
        page,
        t("人员", "People"),
        template="people.html",
        caption=t(
            "三员分立：一人不得兼任同侧两名管理员",
            "Separated administrators: nobody holds two of the three roles of a side",
        ),
        columns=(
            t("登录名", "Login"),
            t("姓名", "Name"),
            t("角色", "Roles"),
            t("状态", "State"),
            t("创建时间", "Created"),
        ),
        rows=rows,
        empty=t("尚无人员", "Nobody yet"),
        cursor=listed.next_cursor,
        search=t("登录名或姓名", "Login or name"),
        filters=(
            Choice("state", t("状态", "State"), [(state, word(page, state)) for state in PersonState]),
            Choice("role", t("角色", "Role"), [(role, page.role_name(role)) for role in sorted(_side(page))]),
        ),
        sorts=_SORTS,
        export="people",
    )


async def create(page: Page) -> Answer:
    made = await page.run(
        "account.person.create", login=page.form.get("login", "").strip(), name=page.form.get("name", "").strip()
    )
    return await _shown(page, made.person, Half(made.password_half, first=True))


async def person(page: Page, person: str) -> Answer:
    return await _shown(page, await page.run("account.person.get", person=person))


async def act(page: Page, person: str) -> Answer:
    verb = page.form.get("verb", "")
    match verb:
        case "assign":
            roles = page.form.get("roles", "").split()
            answer = await page.run("account.person.assign_roles", person=person, roles=roles)
        case "confirm" | "reset":
            answer = await page.run(_VERBS[verb][0], person=person)
        case "disable" | "enable":
            await page.run(_VERBS[verb][0], person=person)
            return page.go(f"{_HERE}/{person}")
        case "end_sessions":
            await page.run("account.session.end_all")
            return page.go("/console/login")
        case _:
            raise NotFound("page", verb)
    if answer.password_half is None:
        return page.go(f"{_HERE}/{person}")
    return await _shown(page, answer.person, Half(answer.password_half, first=verb == "reset"))


async def _shown(page: Page, item: Any, half: Half | None = None) -> Answer:
    assert page.me is not None
    t, own = page.text, item.person == page.me.id
    facts = [
        (t("登录名", "Login"), Markup("<code>{}</code>").format(item.login)),
        (t("姓名", "Name"), item.name),
        (t("角色", "Roles"), _named(page, item.roles)),
        (
            t("口令", "Password"),
            t("一次性口令，登录后须修改", "one-time, to be changed at the first sign-in")
            if item.must_change_password
            else t("本人设定", "of their own choice"),
        ),
        (t("创建时间", "Created"), shown(item.created_at)),
        (t("编号", "Identifier"), item.person),
    ]
    offered = {
        verb for verb, (operation, states) in _VERBS.items() if not own and item.state in states and page.may(operation)
    }
    # who may not approve keys is answered their own only: of others' keys that would be a wrong "none"
    sees_keys = own or page.may("account.key.approve")
    keys = await page.offered("account.key.list", person=item.person, limit=500) if sees_keys else None
    sessions = await page.offered("account.session.list") if own else None
    return page.render(
        "person.html",
        item=item,
        own=own,
        half=half,
        here_is=f"{_HERE}/{item.person}",
        state=word(page, item.state),
        tag=_tag(item.state),
        facts=facts,
        offered=offered,
        acts=bool(offered - {"assign"}),
        choices=[(" ".join(roles), _named(page, roles)) for roles in combinations(_side(page))],
        held=" ".join(item.roles),
        keys=keys.items if keys is not None else None,
        sessions=sessions.items if sessions is not None else None,
    )


def _side(page: Page) -> frozenset[Role]:
    assert page.me is not None
    return PLATFORM_ROLES if page.me.tenant is None else TENANT_ROLES


def _named(page: Page, roles: Any) -> str:
    return page.text("、", ", ").join(page.role_name(role) for role in roles) or "—"


def _tag(state: str) -> str:
    return "warn" if state in _WAITING else tag_of(state)
