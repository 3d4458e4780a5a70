"""Signing in and out, the password, language and theme."""

from __future__ import annotations

from typing import Final

from miyun.core.errors import MiyunError, NotFound
from miyun.edge.console.page import TENANT_COOKIE, Page
from miyun.edge.console.pages.listing import Answer
from miyun.edge.http.arrival import SESSION_COOKIE


async def login_form(page: Page) -> Answer:
    return page.render("login.html", login="", error=None, notice="")


async def login(page: Page) -> Answer:
    page.token = None  # the cookie of a session that ended must not keep its owner out
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


async def enter(page: Page) -> Answer:
    """Supplier staff choose the tenant whose authorisation they act under; an empty choice leaves it."""
    chosen = page.form.get("tenant", "")
    response = page.go("/console")
    held = {grant.tenant for grant in page.me.grants} if page.me else set()
    value = chosen if chosen in held else ""
    response.set_cookie(key=TENANT_COOKIE, value=value, path="/", secure=True, httponly=True, samesite="strict")
    return response


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


async def nowhere(page: Page, path: str) -> Answer:
    raise NotFound("path", f"/console{path}")
