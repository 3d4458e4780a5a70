"""The console's sign-in and its forms in process, over real accounts."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import msgspec
import pytest
from tests.unit.core.neighbours import OWN_PASSWORD, Platform, platform

from miyun.core.tenancy import passwords
from miyun.core.tenancy.sessions import csrf_token
from miyun.edge.assembly import registry
from miyun.edge.console.pages import confirming
from miyun.edge.console.routes import PATHS, console_routes
from miyun.edge.http.app import Web, create_app
from miyun.edge.http.arrival import SESSION_COOKIE
from miyun.edge.http.health import Health

pytestmark = pytest.mark.anyio
# not the sign-in page of applications, which knows no session of the console
CHANGES = [path for method, path in PATHS if method == "POST" and re.match("/console/(?!login)", path)]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Platform:
    monkeypatch.setattr(passwords, "_COST", 2**10)
    return platform(tmp_path)


@pytest.fixture
async def token(house: Platform) -> str:
    first = await house.cloud.accounts.open_platform()
    return (await house.sign_in("audit", first["audit"])).token


def browser(house: Platform, cookie: str = "") -> httpx.AsyncClient:
    app = create_app(
        Web(house.pipeline, Health({}), mounts=(lambda web: console_routes(web.pipeline, lambda _: False),))
    )
    headers = {"cookie": f"{SESSION_COOKIE}={cookie}"} if cookie else {}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="https://miyun.test", headers=headers)  # type: ignore[arg-type]


@pytest.mark.parametrize("cookie", ["expired-long-ago", "of the session that is open"])
async def test_signing_in_does_not_depend_on_the_session_before(house: Platform, token: str, cookie: str) -> None:
    """A browser keeps the cookie of a session that ended after half an hour: its owner must get in again."""
    async with browser(house, token if "open" in cookie else cookie) as client:
        answer = await client.post("/console/login", data={"login": "audit", "password": OWN_PASSWORD})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/console"
    assert re.search(rf"{SESSION_COOKIE}=[\w-]{{43}};", answer.headers["set-cookie"])


async def test_no_form_is_taken_without_its_csrf_token(house: Platform, token: str) -> None:
    async with browser(house, token) as client:
        for path in CHANGES:
            where = re.sub(r"\{\w+:\w+\}", "x", path)
            for data in ({}, {"csrf": csrf_token("of another session")}):
                answer = await client.post(where, data=data)
                assert (answer.status_code, answer.headers.get("location")) == (303, "/console/login"), path
            kept = await client.get("/console/password")
            assert kept.status_code == 200, f"{path} has ended the session"


async def test_a_referrer_that_is_none_leads_to_the_first_page(house: Platform) -> None:
    async with browser(house) as client:
        for referrer in ("https://[", "https://evil.example/", "//evil.example/console", "javascript:/console"):
            answer = await client.get("/console/preferences?set=lang:en", headers={"referer": referrer})
            assert answer.status_code == 303
            assert answer.headers["location"] in ("/console", "/console/")


async def test_another_language_keeps_the_sign_in_that_was_asked_for(house: Platform) -> None:
    asked = "/oidc/ten_1/authorize?client_id=cli_1&state=x"
    async with browser(house) as client:
        answer = await client.get("/console/preferences?set=lang:en", headers={"referer": f"https://miyun.test{asked}"})
    assert answer.headers["location"] == asked


def test_a_confirmation_tells_what_is_signed_for() -> None:
    """Each field but those that nobody can read."""
    unreadable = {"csr", "encryption_public_key", "items", "certificates"}
    asking = [operation for operation in registry().operations.values() if operation.step_up]
    assert asking
    for operation in asking:
        fields = {field.name for field in msgspec.structs.fields(operation.request)}
        assert fields <= confirming._NAMES.keys() | unreadable, operation.id


def test_a_confirmation_tells_what_has_parts() -> None:
    page: Any = SimpleNamespace(text=lambda zh, en: en)
    rejected = [{"application": "apl_1", "reason": "gone"}, {"application": "apl_2", "reason": "left"}]
    assert confirming._word(page, rejected) == "application=apl_1 reason=gone, application=apl_2 reason=left"
    assert confirming._word(page, {"CN": "张三"}) == "CN=张三"
