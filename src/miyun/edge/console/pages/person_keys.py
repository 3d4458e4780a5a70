"""Keys of the console's people: signing in with one, registering, approving and removing them."""

from __future__ import annotations

import base64
import binascii
import secrets
from contextlib import suppress
from typing import Any, Final

from miyun.core.errors import KeyMissing, MiyunError
from miyun.core.operation import Role
from miyun.core.tenancy.model import PLATFORM_ROLES, TENANT_ROLES
from miyun.edge.console.page import Page, policy
from miyun.edge.console.pages.listing import Answer, cursor_of, next_page, people_of
from miyun.edge.http.arrival import SESSION_COOKIE

BROWSER_COOKIE: Final = "__Host-miyun-browser"  # binds a challenge to the browser that was shown it


async def login_form(page: Page) -> Answer:
    return await _login_form(page, None)


async def login(page: Page) -> Answer:
    page.token = None  # the cookie of a session that ended must not keep its owner out
    try:
        answer = await page.run("account.key.login", **signed(page))
    except MiyunError as error:
        return await _login_form(page, error)
    response = page.go("/console/password" if answer.person.must_change_password else "/console")
    response.set_cookie(key=SESSION_COOKIE, value=answer.token, path="/", secure=True, httponly=True, samesite="strict")
    return response


async def _login_form(page: Page, error: MiyunError | None) -> Answer:
    page.token = None
    browser = browser_of(page)
    asked = await page.run("account.key.challenge", browser=browser)
    status = error.status if error else 200
    response = page.render(
        "login_key.html", status, policy=policy(agent=page.agent), asked=asked, error=error, agent=page.agent
    )
    keep_browser(page, response, browser)
    return response


async def keys(page: Page) -> Answer:
    return await _keys(page, None)


async def enrol(page: Page) -> Answer:
    try:
        await page.run("account.key.enrol", **signed(page))
    except MiyunError as error:
        return await _keys(page, error)
    return page.go("/console/person-keys")


async def approve(page: Page, key: str) -> Answer:
    await page.run("account.key.approve", key_id=key)
    return page.go("/console/person-keys")


async def remove(page: Page, key: str) -> Answer:
    await page.run("account.key.remove", key_id=key)
    return page.go("/console/person-keys")


async def set_policy(page: Page) -> Answer:
    roles = [name.removeprefix("role.") for name in page.form if name.startswith("role.")]
    await page.run("account.key.set_policy", roles=roles)
    return page.go("/console/person-keys")


async def _keys(page: Page, error: MiyunError | None) -> Answer:
    assert page.me is not None
    browser = browser_of(page)
    asked = await page.run("account.key.challenge", browser=browser)
    listed = await page.run("account.key.list", **cursor_of(page))
    names: dict[str, str] = {}
    with suppress(KeyMissing):  # who has to register a key first does it here
        names = await people_of(page, (key.person for key in listed.items))
    roles: list[Role] = sorted(PLATFORM_ROLES if page.me.tenant is None else TENANT_ROLES)
    response = page.render(
        "people_keys.html",
        error.status if error else 200,
        policy=policy(agent=page.agent),
        keys=listed.items,
        names=names | {page.me.id: page.me.name},
        next=next_page("/console/person-keys", listed.next_cursor),
        required=await _if_allowed(page, "account.key.policy"),
        roles=roles,
        asked=asked,
        error=error,
        agent=page.agent,
    )
    keep_browser(page, response, browser)
    return response


async def _if_allowed(page: Page, operation: str, **values: Any) -> Any | None:
    """None for who has to register a key first, too: this is where they do it."""
    try:
        return await page.offered(operation, **values)
    except KeyMissing:
        return None


def signed(page: Page) -> dict[str, Any]:
    """What a form signed by a key brings."""
    return {
        "challenge": page.form.get("challenge", ""),
        "certificate": page.form.get("key_certificate", ""),
        "signature": signature_of(page),
        "browser": page.cookie(BROWSER_COOKIE),
    }


def signature_of(page: Page) -> bytes:
    try:
        return base64.b64decode(page.form.get("key_signature", ""), validate=True)
    except binascii.Error:
        return b""


def browser_of(page: Page) -> str:
    return page.cookie(BROWSER_COOKIE) or secrets.token_urlsafe(32)


def keep_browser(page: Page, response: Any, browser: str) -> None:
    if page.cookie(BROWSER_COOKIE) != browser:
        # Lax: a client sends the browser to the sign-in page from its own site
        response.set_cookie(key=BROWSER_COOKIE, value=browser, path="/", secure=True, httponly=True, samesite="lax")
