"""The sign-in page of applications (OpenID Connect, CAS): a person signs a challenge with the key in their hand, or
goes on to the address where the browser itself shows a certificate."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote, urlencode

from litestar.response import Response

from miyun.core.errors import MiyunError
from miyun.edge.console.page import Page, policy
from miyun.edge.console.pages.listing import Answer
from miyun.edge.console.pages.person_keys import BROWSER_COOKIE, browser_of, keep_browser, signed

SSO_COOKIE: Final = "__Host-miyun-sso"


async def authorize(page: Page, tenant: str) -> Answer:
    return await _sign_on(page, "oidc", tenant)


async def cas_login(page: Page, tenant: str) -> Answer:
    return await _sign_on(page, "cas", tenant)


async def end_session(page: Page, tenant: str) -> Answer:
    return await _sign_out(page, "oidc", tenant)


async def cas_logout(page: Page, tenant: str) -> Answer:
    return await _sign_out(page, "cas", tenant)


async def _sign_on(page: Page, protocol: str, tenant: str) -> Answer:
    page.token = None  # who is signed in to the console has nothing to do with it
    if protocol == "oidc" and page.wants_change and "client_id" in page.form:
        # a client may send its request as a form too (OpenID Connect Core 3.1.2.1); our own form has none
        return leave(f"{quote(page.path)}?{urlencode(page.form)}")
    if page.certificate is not None:
        return await _by_connection(page, protocol, tenant)
    browser = browser_of(page)
    asked = {
        "protocol": protocol,
        "tenant": tenant,
        "query": page.query_string,
        "browser": browser,
        "sso": page.cookie(SSO_COOKIE),
    }
    refusal: MiyunError | None = None
    if page.wants_change:
        try:
            return await _complete(page, asked, **_signed(page))
        except MiyunError as error:
            refusal = error
    shown = await page.run("strong_auth.sign_on.begin", **asked)
    if shown.redirect:
        return leave(shown.redirect)
    if shown.known and refusal is None:
        return await _complete(page, asked)
    if shown.known:  # what was signed is refused: the session of before does not make it good
        return page.refuse(refusal) if refusal else page.go(page.path)
    response = page.render(
        "sign_on.html",
        refusal.status if refusal else 200,
        policy=policy(forms=f"{shown.back} {page.addresses.mutual_url}".rstrip(), agent=page.agent),
        mutual=_here(page, page.addresses.mutual_url) if page.addresses.mutual_url else "",
        shown=shown,
        error=refusal,
        agent=page.agent,
    )
    keep_browser(page, response, browser)
    return response


async def _by_connection(page: Page, protocol: str, tenant: str) -> Answer:
    """At the address that asks browsers for certificates; the page that leads here is at the other one."""
    start = _here(page, page.addresses.url)
    if not page.wants_change:
        return leave(start)
    asked = {"protocol": protocol, "tenant": tenant, "query": page.query_string, "browser": page.cookie(BROWSER_COOKIE)}
    try:
        return await _complete(page, asked, mutual=True, challenge=page.form.get("challenge", ""))
    except MiyunError as error:
        return page.render("sign_on_mutual.html", error.status, error=error, start=start, request_id=page.id)


async def _complete(page: Page, asked: dict[str, Any], **signed: Any) -> Answer:
    done = await page.run("strong_auth.sign_on.complete", **asked, **signed)
    response = leave(done.redirect)
    if done.sso:
        _keep(response, SSO_COOKIE, done.sso)
    return response


async def _sign_out(page: Page, protocol: str, tenant: str) -> Answer:
    page.token = None
    confirmed = page.form.get("confirmed") == "yes"
    query = page.query_string
    if page.wants_change and not confirmed:  # a client may send its request as a form
        query = urlencode(page.form)
    values = {"protocol": protocol, "tenant": tenant, "query": query, "sso": page.cookie(SSO_COOKIE)}
    done = await page.run("strong_auth.sign_on.end", confirmed=confirmed, **values)
    if done.confirm:
        back = f"{page.path}?{query}" if query else page.path
        return page.render("sign_out.html", policy=policy(forms=_origins(done.redirect)), done=False, action=back)
    response = leave(done.redirect) if done.redirect else page.render("sign_out.html", done=True, action="")
    _keep(response, SSO_COOKIE, "", max_age=0)
    return response


def _signed(page: Page) -> dict[str, Any]:
    return {name: value for name, value in signed(page).items() if name != "browser"}


def _here(page: Page, url: str) -> str:
    """This page at one of our addresses, with what the client sent the browser with."""
    return f"{url}{quote(page.path)}?{page.query_string}"


def leave(address: str) -> Response[bytes]:
    """To an address that a client has registered, or to our own other one."""
    headers = {"location": address, "cache-control": "no-store", "referrer-policy": "no-referrer"}
    return Response(b"", status_code=303, headers=headers, media_type="text/plain")


def _origins(address: str) -> str:
    return "/".join(address.split("/", 3)[:3])


def _keep(response: Any, name: str, value: str, max_age: int | None = None) -> None:
    # Lax: a client sends the browser here from its own site
    response.set_cookie(key=name, value=value, path="/", secure=True, httponly=True, samesite="lax", max_age=max_age)
