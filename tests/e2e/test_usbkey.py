"""A USB key's life for real: the operator's commands, the key agent, a browser, an application that is not ours."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.agent import agent_of
from tests.interop.strong_auth.relying import WebApplication
from tests.interop.strong_auth.scene import SHOTS, chromium
from tests.platform import App, RunningPlatform, Tenant, spec, unique
from tests.token_process import AUTHENTICATION_KEY, TokenProcess

from miyun.core.operation import Role
from miyun.hsm.skf import Library, connected
from miyun.wire.x509 import parse_certificate

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.engine
PIN = "13572468"


@dataclass
class Scene:
    platform: RunningPlatform
    tenant: Tenant
    app: App
    token: TokenProcess
    folder: Path

    def miyun(self, *arguments: str, role: Role = Role.TENANT_SYSTEM) -> str:
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MIYUN_")},
            "MIYUN_TOKENS": str(self.token.tokens),
            "MIYUN_URL": self.platform.url,
            "MIYUN_AUTHORITY": str(self.platform.authority),
            "MIYUN_SESSION": self.platform.person(role, self.tenant).token,
            "MIYUN_LANG": "en",
        }
        done = subprocess.run(
            [sys.executable, "-m", "miyun.edge.cli", *arguments],
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def ask(self, operation: str, *, role: Role = Role.TENANT_SYSTEM, **values: Any) -> Any:
        with self.platform.session(self.platform.person(role, self.tenant)) as client:
            return client.call(operation, **values)

    def personalised(self) -> str:
        """The key's id, once its certificates are written."""
        [made] = self.ask("usbkey.key.register", items=[{"serial": "E2E-1", "label": "一号"}])["items"]
        usbkey = str(made["usbkey"])
        for name, content in (("authkey", AUTHENTICATION_KEY.hex()), ("pin", PIN)):
            (self.folder / name).write_text(content)
        said = self.miyun(
            "usbkey", "personalise", usbkey, "--auth-key", str(self.folder / "authkey"),
            "--pin-file", str(self.folder / "pin"), "--subject", "CN=李四,O=某局",
            role=Role.TENANT_SECURITY,
        )  # fmt: skip
        filed = self.ask("usbkey.key.get", usbkey=usbkey)["key"]["application"]
        assert filed in said
        second = self.platform.person(Role.TENANT_SECURITY, self.tenant, who="second")
        with self.platform.session(second) as reviewer:
            assert reviewer.call("certificate.application.approve", application=filed)["state"] == "issued"
        said = self.miyun("usbkey", "write", usbkey, "--pin-file", str(self.folder / "pin"), role=Role.TENANT_SECURITY)
        assert "李四" in said
        return usbkey

    def certificate(self, usbkey: str) -> str:
        with connected(Library(), self.token.name) as token:
            container = token.open_application("MIYUN").open_container(usbkey)
            return parse_certificate(container.certificate() or b"").to_pem()


@pytest.fixture
def scene(platform: RunningPlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A software token is plugged in, and the agent runs and allows the platform's pages."""
    tenant = platform.activate(spec(unique("u")))
    app = platform.application(tenant, "办件系统")
    port = int(platform.settings.login.agent.rpartition(":")[2])
    with TokenProcess(serial="E2E-1") as token:
        monkeypatch.setenv("MIYUN_TOKENS", str(token.tokens))
        with agent_of(token, tmp_path, port=port, origin=platform.url):
            yield Scene(platform, tenant, app, token, tmp_path)


def sign_in(page: Page, usbkey: str, pin: str) -> None:
    page.wait_for_selector(f"#key-certificate option[value='{usbkey}']", state="attached")
    page.fill("#key-pin", pin)
    page.click("form.key button:not([type=button])")


def test_a_key_from_stock_to_loss_logs_its_holder_in_and_locks_and_opens(scene: Scene) -> None:
    from playwright.sync_api import sync_playwright

    executable = chromium()
    usbkey = scene.personalised()
    scene.ask("usbkey.key.hand_out", usbkey=usbkey, holder="李四")
    with scene.platform.client(scene.app) as client:
        client.call("strong_auth.account.bind", account="li.si", certificate=scene.certificate(usbkey))
    with WebApplication() as site, sync_playwright() as driver:
        made = scene.ask(
            "strong_auth.client.register",
            role=Role.TENANT_SECURITY,
            application=scene.app.id,
            name="办件系统网页",
            redirects=[f"{site.url}/callback"],
            logout_redirects=[f"{site.url}/bye"],
        )
        site.connect(made["client"]["issuer"], made["client"]["client"], made["secret"], scene.platform.authority)
        browser = driver.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(ignore_https_errors=True, locale="zh-CN")
        page = context.new_page()

        # the agent asks its user, on a page of its own, before it does anything with the certificate
        page.goto(site.url)
        with context.expect_page() as opened:
            sign_in(page, usbkey, PIN)
        consent = opened.value
        consent.get_by_text("允许此网站使用您的证书吗？").wait_for()
        assert scene.platform.url in consent.inner_text("main") and "李四" in consent.inner_text("main")
        if SHOTS:
            consent.screenshot(path=f"{SHOTS}/agent_consent_zh.png")
        consent.get_by_role("button", name="允许 1 小时").click()
        page.wait_for_url(f"{site.url}/callback*")
        assert page.inner_text("h1") == "welcome li.si"
        affected = scene.ask("usbkey.key.affected", usbkey=usbkey)
        assert {use["kind"] for use in affected["uses"]} >= {"account"}

        # five wrong PINs lock the key, and the page says so
        other = browser.new_context(ignore_https_errors=True, locale="zh-CN").new_page()
        other.goto(site.url)
        for left in (4, 3, 2, 1):
            sign_in(other, usbkey, "00000000")
            other.get_by_text(f"PIN 错误，还可尝试 {left} 次").wait_for()
        sign_in(other, usbkey, "00000000")
        other.get_by_text("密钥已锁定").wait_for()

        # unlocked from afar, by two people
        challenge = scene.miyun("usbkey", "challenge")
        asked = scene.ask(
            "usbkey.approval.ask", usbkey=usbkey, kind="unlock", reason="输错 PIN", token_challenge=challenge
        )
        approval = asked["approval"]
        scene.ask("usbkey.approval.approve", role=Role.TENANT_SECURITY, approval=approval)
        (scene.folder / "pin").write_text("24681357")
        scene.miyun("usbkey", "unlock", "--approval", approval, "--pin-file", str(scene.folder / "pin"))
        sign_in(other, usbkey, "24681357")
        other.wait_for_url(f"{site.url}/callback*")

        # lost: whoever has it is refused, though the PIN is right
        scene.ask("usbkey.key.lose", usbkey=usbkey, note="电话挂失")
        third = browser.new_context(ignore_https_errors=True, locale="en").new_page()
        third.goto(site.url)
        sign_in(third, usbkey, "24681357")
        third.get_by_text("certificate is revoked").wait_for()
        browser.close()
    said = (scene.folder / "agent.log").read_text()
    assert "SOF_Login" in said and PIN not in said
