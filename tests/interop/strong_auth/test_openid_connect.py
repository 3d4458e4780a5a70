"""A web application with another's client library logs people in, in a real browser, with a key and its PIN."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.agent import KeyAgent
from tests.interop.strong_auth.relying import WebApplication
from tests.platform import App, RunningPlatform, Tenant, code, spec

from miyun.core.operation import Role
from miyun.gm import sm2
from miyun.wire import spki
from miyun.wire.x509 import parse_certificate

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

pytestmark = pytest.mark.engine
SHOTS = os.environ.get("SCREENSHOTS", "")


def chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    if os.environ.get("CI") == "true":
        pytest.fail("chromium is missing")
    pytest.skip("chromium is missing")


@dataclass
class Scene:
    platform: RunningPlatform
    tenant: Tenant
    app: App
    agent: KeyAgent
    site: WebApplication
    serial: int
    context: BrowserContext
    page: Page

    def sign_in(self, pin: str) -> None:
        self.page.wait_for_selector("#key-certificate option[value='login-1']", state="attached")
        self.page.fill("#key-pin", pin)
        self.page.click("form.key button:not([type=button])")

    def shot(self, name: str) -> None:
        if SHOTS:
            self.page.screenshot(path=f"{SHOTS}/{name}.png")


@pytest.fixture(scope="module")
def here() -> Iterator[RunningPlatform]:
    """One whose pages ask for the test's own key agent."""
    from tests.platform import free_port

    with RunningPlatform(environ={"MIYUN_LOGIN__AGENT": f"http://127.0.0.1:{free_port()}"}) as platform:
        yield platform


@pytest.fixture
def scene(here: RunningPlatform) -> Iterator[Scene]:
    from playwright.sync_api import sync_playwright

    executable = chromium()
    tenant = here.activate(spec(code("s")))
    app = here.application(tenant, "办件系统")
    private = sm2.generate_private_key()

    async def issue(platform: Any) -> Any:
        return await platform.issuer.issue(
            tenant.id, template="person", subject={"CN": "张三"}, spki=spki.sm2_spki(sm2.public_key(private)),
            at=platform.clock.now(),
        )  # fmt: skip

    issued = here.inside(issue)
    with here.client(app) as client:
        pem = parse_certificate(issued.der).to_pem()
        client.call("strong_auth.account.bind", account="zhang.san", certificate=pem)
    with WebApplication() as site, here.session(here.person(Role.TENANT_SECURITY, tenant)) as security:
        made = security.call(
            "strong_auth.client.register", application=app.id, name="办件系统网页",
            redirects=[f"{site.url}/callback"], logout_redirects=[f"{site.url}/bye"],
        )  # fmt: skip
        site.connect(made["client"]["issuer"], made["client"]["client"], made["secret"], Path(here.authority))
        port = int(here.settings.login.agent.rpartition(":")[2])
        with KeyAgent(private, issued.der, port=port) as agent, sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
            context = browser.new_context(ignore_https_errors=True, locale="zh-CN")
            yield Scene(here, tenant, app, agent, site, issued.serial, context, context.new_page())
            browser.close()


def test_a_person_logs_in_with_key_and_pin_and_out_again(scene: Scene) -> None:
    page, site = scene.page, scene.site
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.goto(site.url)
    assert page.get_by_role("heading", name="证书登录").is_visible() and "办件系统" in page.inner_text("main")
    scene.shot("sign_on_zh")
    scene.sign_in(scene.agent.pin)
    page.wait_for_url(f"{site.url}/callback*")
    assert page.inner_text("h1") == "welcome zhang.san"
    assert complaints == []
    lines = scene.agent.signed[0].split("\n")
    assert lines[:3] == ["MIYUN-LOGIN-2", scene.tenant.id, scene.app.id], "the key's holder sees what is signed"
    claims = site.sessions[0]["id_token"]
    assert claims["acr"] == "urn:miyun:acr:certificate" and claims["certificate"]["serial"] == f"{scene.serial:X}"
    refreshed = site.handler.refresh_access_token(site.sessions[0]["state"])
    assert refreshed["access_token"] != site.sessions[0]["token"]
    page.goto(site.url)
    assert page.inner_text("h1") == "welcome zhang.san" and len(scene.agent.signed) == 1, "single sign-on"
    page.goto(f"{site.url}/logout")
    page.wait_for_url(f"{site.url}/bye*")
    page.goto(site.url)
    assert page.get_by_role("heading", name="证书登录").is_visible(), "signed out everywhere"


def test_five_wrong_pins_lock_the_key_and_the_page_says_so(scene: Scene) -> None:
    scene.page.goto(scene.site.url)
    for left in (4, 3, 2, 1):
        scene.sign_in("000000")
        scene.page.get_by_text(f"PIN 错误，还可尝试 {left} 次").wait_for()
    scene.shot("sign_on_wrong_pin_zh")
    scene.sign_in("000000")
    scene.page.get_by_text("密钥已锁定").wait_for()
    scene.sign_in(scene.agent.pin)
    scene.page.get_by_text("密钥已锁定").wait_for()
    assert scene.agent.signed == []


def test_a_revoked_certificate_is_refused_and_its_tokens_end(scene: Scene) -> None:
    page, site = scene.page, scene.site
    page.goto(site.url)
    page.get_by_role("link", name="English").click()
    page.get_by_role("heading", name="Sign in with your key").wait_for()
    scene.shot("sign_on_en")
    scene.sign_in(scene.agent.pin)
    page.wait_for_url(f"{site.url}/callback*")
    with scene.platform.session(scene.platform.person(Role.TENANT_SECURITY, scene.tenant)) as security:
        security.call("certificate.revoke", serial=f"{scene.serial:032x}", reason="key_compromise")
    with pytest.raises(Exception, match=r"(?i)invalid|401|error"):
        site.handler.get_user_info(site.sessions[0]["state"], access_token=site.sessions[0]["token"])
    page.goto(site.url)
    scene.sign_in(scene.agent.pin)
    page.get_by_text("not accepted: revoked").wait_for()
    scene.shot("sign_on_revoked_en")


def test_without_an_agent_the_page_says_what_to_do(scene: Scene) -> None:
    scene.page.goto(scene.site.url)
    scene.page.wait_for_selector("#key-certificate option[value='login-1']", state="attached")
    scene.agent.__exit__()
    scene.page.click("[data-again]")
    scene.page.get_by_text("未找到密钥代理程序").wait_for()
    scene.agent.__enter__()


def test_an_older_application_logs_people_in_by_cas(scene: Scene) -> None:
    """With python-cas, unmodified."""
    import cas
    import requests

    service = f"{scene.site.url}/old"
    with scene.platform.session(scene.platform.person(Role.TENANT_SECURITY, scene.tenant)) as security:
        security.call(
            "strong_auth.client.register", application=scene.app.id, name="旧系统", protocol="cas", redirects=[service]
        )
    session = requests.Session()
    session.trust_env = False
    session.verify = str(scene.platform.authority)
    client = cas.CASClient(
        version="3",
        service_url=service,
        server_url=f"{scene.platform.url}/cas/{scene.tenant.id}/",
        session=session,
        verify_ssl_certificate=str(scene.platform.authority),
    )
    scene.page.goto(client.get_login_url())
    scene.sign_in(scene.agent.pin)
    scene.page.wait_for_url(f"{service}*")
    ticket = parse_qs(urlsplit(scene.page.url).query)["ticket"][0]
    user, attributes, _ = client.verify_ticket(ticket)
    assert user == "zhang.san" and attributes["certificateSerial"] == f"{scene.serial:X}"
    assert client.verify_ticket(ticket) == (None, {}, None), "a ticket is good once"
    scene.page.goto(client.get_logout_url(service))
    scene.page.get_by_role("button", name="退出").click()
    scene.page.wait_for_url(f"{service}*")
