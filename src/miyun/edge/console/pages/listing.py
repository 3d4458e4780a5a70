"""What lists have in common: rows, words for states, the bar to search, filter, sort and export by, the next page."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from litestar.response import Redirect, Response

from miyun.core.clock import SHANGHAI
from miyun.core.errors import InvalidArgument
from miyun.core.i18n import Text
from miyun.edge.console.page import Page, local_time

Answer = Response[bytes] | Redirect
Handler = Callable[..., Awaitable[Answer]]

_TAGS: Final = {
    "ok": "ok",
    "refused": "warn",
    "failed": "risk",
    "enabled": "ok",
    "issued": "ok",
    "good": "ok",
    "active": "ok",
    "revoked": "risk",
    "suspended": "warn",
}

WORDS: Final = {
    "ok": ("成功", "ok"),
    "refused": ("拒绝", "refused"),
    "failed": ("失败", "failed"),
    "enabled": ("启用", "enabled"),
    "disabled": ("停用", "disabled"),
    "pending_deletion": ("待删除", "pending deletion"),
    "destroyed": ("已销毁", "destroyed"),
    "issued": ("有效", "valid"),
    "revoked": ("已吊销", "revoked"),
    "suspended": ("已冻结", "suspended"),
    "expired": ("已过期", "expired"),
    "created": ("待指定角色", "waiting for roles"),
    "active": ("在用", "active"),
    "resetting": ("重置中", "resetting"),
    "sign": ("签名", "sign"),
    "encrypt": ("加密", "encrypt"),
    "mac": ("校验", "MAC"),
    "generated": ("密码机内生成", "generated in the machine"),
    "imported": ("导入", "imported"),
    "restored": ("由备份恢复", "restored from a backup"),
}


@dataclass(frozen=True, slots=True)
class Act:
    """A button in a row. `question`: asked first; `fields`: what the form sends besides."""

    label: str
    address: str
    question: str = ""
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """`href` is where the first cell leads; the cell `tag_at` is a state and has the colour `tag`."""

    cells: tuple[Any, ...]
    href: str = ""
    tag: str = ""
    tag_at: int = -1
    acts: Sequence[Act] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """A filter: the parameter `name`, and its values with the words for them. None of them is the whole list."""

    name: str
    label: str
    options: Sequence[tuple[str, str]]


def asked(page: Page, operation_id: str, **more: Any) -> dict[str, Any]:
    """What the address asks of a list, as far as its operation knows it: search, filters, sort, cursor."""
    known = {field.name for field in msgspec.structs.fields(page.registry.operation(operation_id).request)}
    return {name: value for name, value in page.query.items() if name in known and value} | more


def table(
    page: Page,
    heading: str,
    *,
    columns: Sequence[str],
    rows: Sequence[Row],
    empty: str,
    cursor: str | None = None,
    template: str = "table.html",
    caption: str = "",
    sorts: Sequence[tuple[str, str, str]] = (),
    search: str = "",
    filters: Sequence[Choice] = (),
    export: str = "",
    **values: Any,
) -> Response[bytes]:
    """A list's page. `sorts` are orders with their words, the default one first; `search` is the label of the search;
    `export` is the list's name among `pages.exports`, which gets the same search and filters."""
    names = [*(["sort"] if sorts else []), *(["text"] if search else []), *(choice.name for choice in filters)]
    kept = {name: value for name in names if (value := page.query.get(name, ""))}
    following = f"{page.path}?{urlencode(kept | {'cursor': cursor})}" if cursor else ""
    return page.render(
        template,
        heading=heading,
        caption=caption,
        columns=columns,
        rows=rows,
        empty=empty if not kept or set(kept) == {"sort"} else page.text("没有符合条件的记录", "Nothing matches"),
        next=following,
        sorts=[(name, page.text(zh, en)) for name, zh, en in sorts],
        search=search,
        filters=filters,
        given={name: kept.get(name, "") for name in names},
        export=f"/console/exports/{export}{'?' + urlencode(kept) if kept else ''}" if export else "",
        acts=any(row.acts for row in rows),
        **values,
    )


def names_of(page: Page) -> Callable[[str], str]:
    offerings = page.registry.offerings
    return lambda slug: offerings[slug].name.to(page.locale) if slug in offerings else slug


async def applications_of(page: Page) -> dict[str, str]:
    """The names of the tenant's applications."""
    listed = await page.offered("tenant.application.list", limit=500)
    return {item.application: item.name for item in listed.items} if listed is not None else {}


async def people_of(page: Page, people: Iterable[str | None]) -> dict[str, str]:
    """The names of these people, where the reader may know them."""
    asked_for = sorted({person for person in people if person and person.startswith("usr_")})
    listed = await page.offered("account.person.list", people=asked_for, limit=500) if asked_for else None
    return {item.person: item.name for item in listed.items} if listed is not None else {}


async def found_people(page: Page) -> list[Any] | None:
    """Whom the reader looks for on a page that wants a person: a few, by login or name. None: nobody was looked for."""
    sought = page.query.get("find", "").strip()
    listed = await page.offered("account.person.list", text=sought, state="active", limit=20) if sought else None
    return list(listed.items) if listed is not None else None


def moment_of(page: Page, field: str) -> datetime | None:
    """What was typed into a field for a date or a date and time: Beijing time, the end of a day that is named alone."""
    typed = page.form.get(field, "").strip()
    if not typed:
        return None
    try:
        at = datetime.fromisoformat(typed).replace(tzinfo=SHANGHAI)
        return at + timedelta(days=1) if len(typed) == len("2026-01-01") else at
    except (ValueError, OverflowError):
        raise InvalidArgument(
            field, Text("应为日期，或日期与时间", "a date, or a date and time, is expected")
        ) from None


def cursor_of(page: Page) -> dict[str, str]:
    cursor = page.query.get("cursor")
    return {"cursor": cursor} if cursor else {}


def next_page(path: str, cursor: str | None) -> str:
    return f"{path}?cursor={cursor}" if cursor else ""


def word(page: Page, value: Any) -> str:
    """A state or usage in the reader's language; what has no word is shown as it is."""
    known = WORDS.get(str(value))
    return page.text(*known) if known else str(value)


def tag_of(state: str) -> str:
    return _TAGS.get(str(state), "plain")


def shown(value: Any) -> str:
    if value is None or value == "":
        return "—"
    if hasattr(value, "astimezone"):
        return local_time(value)
    if isinstance(value, dict):
        return ", ".join(f"{name}={item}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value)
