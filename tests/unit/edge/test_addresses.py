"""What is served where clients are asked for certificates: very little, however it is spelled."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest

from miyun.edge.console.routes import MUTUAL, console_routes
from miyun.edge.http import arrival

from .world import make_world

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def client(certificate: bytes | None = b"") -> httpx.AsyncClient:
    """None: of the address that does not ask."""
    world = make_world(mounts=(lambda web: console_routes(web.pipeline, lambda _: False),), mutual_pages=MUTUAL)

    async def there(scope: Any, receive: Any, send: Any) -> None:
        if certificate is not None:
            scope["extensions"] = {arrival.MUTUAL: {"certificate": certificate}}
        await world.app(scope, receive, send)

    return httpx.AsyncClient(transport=httpx.ASGITransport(app=there), base_url="https://miyun.test:8601")


ELSEWHERE = (
    "/", "/console", "/console/login", "/console/login/key", "/v1/room/notes/n1", "/files/n.note", "/protocol",
    "/healthz", "/metrics", "/openapi.json", "/reference", "/console/static", "/console/static/",
    "/console//login", "/oidc/ten_a/authorize/", "/oidc//authorize", "/oidc/ten_a/end_session",
    "/OIDC/ten_a/authorize", "/console/static/vendor/../../login", "/console/static/a/b/c", "/oidc/a/b/authorize",
)  # fmt: skip


async def test_everything_else_is_at_the_other_address() -> None:
    async with client() as there:
        for path in ELSEWHERE:
            for language, said in (("zh", "该地址不提供此内容"), ("en", "does not serve that")):
                answer = await there.get(
                    httpx.URL("https://miyun.test:8601", path=path), headers={"accept-language": language}
                )
                assert answer.status_code == 421 and said in answer.json()["detail"], path
                assert "https://127.0.0.1:8600" in answer.json()["remedy"], path


@pytest.mark.parametrize(
    "raw",
    [
        b"/console/static/..%2flogin",
        b"/console/static/%2e%2e%2flogin",
        b"/console/static/vendor/..%2f..%2flogin",
        b"/oidc/..%2fconsole%2flogin%3f/authorize",
        b"/cas/..%2f..%2fconsole/login",
    ],
)
async def test_no_encoding_of_a_path_leads_to_other_pages(raw: bytes) -> None:
    """They match, and their pages are asked for something that is not there."""
    async with client() as there:
        answer = await there.get(httpx.URL("https://miyun.test:8601", raw_path=raw))
        assert answer.status_code in (303, 404, 421)
        assert "/console/login" not in answer.headers.get("location", "") or "%2f" in answer.headers["location"].lower()
        assert b'name="password"' not in answer.content


async def test_the_pages_and_what_they_are_made_of_are_there() -> None:
    async with client() as there:
        assert (await there.get("/console/static/console.css")).status_code == 200
        back = await there.get("/oidc/ten_a/authorize?client_id=cli_1")
        assert back.status_code == 303
        assert back.headers["location"] == "https://127.0.0.1:8600/oidc/ten_a/authorize?client_id=cli_1"


async def test_the_other_address_serves_as_before() -> None:
    async with client(None) as here:
        assert (await here.get("/console/login")).status_code == 200
        assert (await here.get("/healthz/alive")).status_code == 200


async def test_a_client_may_send_the_browser_with_a_form() -> None:
    """OpenID Connect Core 3.1.2.1. It leads to the page by its address, which the person's own form comes back to."""
    async with client(None) as here:
        sent = {"client_id": "cli_1", "redirect_uri": "https://app.example/?a=1&b=2", "state": "st 4te"}
        answer = await here.post("/oidc/ten_a/authorize", data=sent)
        assert answer.status_code == 303
        path, _, query = answer.headers["location"].partition("?")
        assert path == "/oidc/ten_a/authorize" and dict(parse_qsl(query)) == sent
