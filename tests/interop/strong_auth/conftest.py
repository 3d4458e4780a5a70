from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.agent import key_agent
from tests.interop.strong_auth.relying import WebApplication
from tests.interop.strong_auth.scene import Scene, chromium
from tests.platform import RunningPlatform, code, free_port, spec

from miyun.core.operation import Role
from miyun.wire.spki import sm2_spki
from miyun.wire.x509 import parse_certificate


@pytest.fixture(scope="session")
def here() -> Iterator[RunningPlatform]:
    """One whose pages ask for the test's own key agent."""
    with RunningPlatform(environ={"MIYUN_LOGIN__AGENT": f"http://127.0.0.1:{free_port()}"}) as platform:
        yield platform


@pytest.fixture
def scene(here: RunningPlatform, tmp_path: Path) -> Iterator[Scene]:
    from playwright.sync_api import sync_playwright

    executable = chromium()
    tenant = here.activate(spec(code("s")))
    app = here.application(tenant, "办件系统")
    issued: list[Any] = []

    def certify(point: bytes) -> bytes:
        async def issue(platform: Any) -> Any:
            return await platform.issuer.issue(
                tenant.id, template="person", subject={"CN": "张三"}, spki=sm2_spki(point), at=platform.clock.now()
            )

        issued.append(here.inside(issue))
        return bytes(issued[0].der)

    port = int(here.settings.login.agent.rpartition(":")[2])
    with (
        WebApplication() as site,
        key_agent(tmp_path, port=port, origin=here.url, certify=certify) as agent,
        here.session(here.person(Role.TENANT_SECURITY, tenant)) as security,
        here.client(app) as client,
        sync_playwright() as driver,
    ):
        pem = parse_certificate(issued[0].der).to_pem()
        client.call("strong_auth.account.bind", account="zhang.san", certificate=pem)
        made = security.call(
            "strong_auth.client.register", application=app.id, name="办件系统网页",
            redirects=[f"{site.url}/callback"], logout_redirects=[f"{site.url}/bye"],
        )  # fmt: skip
        site.connect(made["client"]["issuer"], made["client"]["client"], made["secret"], Path(here.authority))
        browser = driver.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(ignore_https_errors=True, locale="zh-CN")
        yield Scene(here, tenant, app, agent, site, issued[0].serial, context, context.new_page())
        browser.close()
