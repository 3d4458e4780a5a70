"""What lists have in common: rows, words for states, the next page."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from litestar.response import Redirect, Response

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
class Row:
    cells: tuple[Any, ...]
    href: str = ""
    tag: str = ""
    tag_at: int = -1


def names_of(page: Page) -> Callable[[str], str]:
    offerings = page.registry.offerings
    return lambda slug: offerings[slug].name.to(page.locale) if slug in offerings else slug


def cursor_of(page: Page) -> dict[str, str]:
    cursor = page.query.get("cursor")
    return {"cursor": cursor} if cursor else {}


def next_page(path: str, cursor: str | None) -> str:
    return f"{path}?cursor={cursor}" if cursor else ""


def word(page: Page, value: Any) -> str:
    """A state or usage in the reader's language; what has no word is shown as it is."""
    known = _WORDS.get(str(value))
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
