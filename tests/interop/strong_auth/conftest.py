from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.agent import key_agent
from tests.interop.strong_auth.relying import WebApplication
from tests.interop.strong_auth.scene import Scene, chromium
from tests.platform import RunningPlatform, spec, unique

from miyun.core.operation import Role
from miyun.wire.spki import sm2_spki
from miyun.wire.x509 import parse_certificate


@pytest.fixture
def scene(platform: RunningPlatform, tmp_path: Path) -> Iterator[Scene]:
    from playwright.sync_api import sync_playwright

    executable = chromium()
    tenant = platform.activate(spec(unique("s")))
    app = platform.application(tenant, "办件系统")
    issued: list[Any] = []

    def certify(point: bytes) -> bytes:
        async def issue(running: Any) -> Any:
            return await running.issuer.issue(
                tenant.id, template="person", subject={"CN": "张三"}, spki=sm2_spki(point), at=running.clock.now()
            )

        issued.append(platform.inside(issue))
        return bytes(issued[0].der)

    port = int(platform.settings.login.agent.rpartition(":")[2])
    with (
        WebApplication() as site,
        key_agent(tmp_path, port=port, origin=platform.url, certify=certify) as agent,
        platform.session(platform.person(Role.TENANT_SECURITY, tenant)) as security,
        platform.client(app) as client,
        sync_playwright() as driver,
    ):
        pem = parse_certificate(issued[0].der).to_pem()
        client.call("strong_auth.account.bind", account="zhang.san", certificate=pem)
        made = security.call(
            "strong_auth.client.register", application=app.id, name="办件系统网页",
            redirects=[f"{site.url}/callback"], logout_redirects=[f"{site.url}/bye"],
        )  # fmt: skip
        site.connect(made["client"]["issuer"], made["client"]["client"], made["secret"], Path(platform.authority))
        browser = driver.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(ignore_https_errors=True, locale="zh-CN")
        yield Scene(platform, tenant, app, agent, site, issued[0].serial, context, context.new_page())
        browser.close()
