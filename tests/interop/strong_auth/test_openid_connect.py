"""A web application with another's client library logs people in, in a real browser, with a key and its PIN."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.agent import CONTAINER
from tests.interop.strong_auth.scene import Scene
from tests.platform import free_port

from miyun.core.operation import Role

pytestmark = pytest.mark.engine
EXAMPLE = Path(__file__).parents[3] / "examples" / "sign_on.py"


def test_a_person_logs_in_with_key_and_pin_and_out_again(scene: Scene) -> None:
    page, site = scene.page, scene.site
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.goto(site.url)
    assert page.get_by_role("heading", name="证书登录").is_visible() and "办件系统" in page.inner_text("main")
    lines = page.text_content("form.key pre").split("\n")
    assert lines[0] == "MIYUN-LOGIN-3" and lines[2:5] == [scene.platform.url, scene.tenant.id, scene.app.id]
    scene.shot("sign_on_zh")
    scene.sign_in()
    page.wait_for_url(f"{site.url}/callback*")
    assert page.inner_text("h1") == "welcome zhang.san"
    assert [text for text in complaints if "status of 403" not in text] == [], "but for the agent asking for consent"
    claims = site.sessions[0]["id_token"]
    assert claims["acr"] == "urn:miyun:acr:certificate" and claims["certificate"]["serial"] == f"{scene.serial:X}"
    refreshed = site.handler.refresh_access_token(site.sessions[0]["state"])
    assert refreshed["access_token"] != site.sessions[0]["token"]
    page.goto(site.url)
    assert page.inner_text("h1") == "welcome zhang.san", "single sign-on"
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
    scene.sign_in()
    scene.page.get_by_text("密钥已锁定").wait_for()


def test_a_no_in_the_agents_window_is_heard_and_only_the_last_pin_is_tried(scene: Scene) -> None:
    page, send = scene.page, "form.key button:not([type=button])"
    page.goto(scene.site.url)
    page.wait_for_selector("#key-certificate option[value='login-1']", state="attached")

    def asked(pin: str) -> Any:
        page.fill("#key-pin", pin)
        with page.context.expect_page() as opened:
            page.click(send)
        return opened.value

    asked("000000").click("button[value=no]")
    page.get_by_text("您没有同意本网站使用该证书").wait_for()
    window = asked("111111")  # and another PIN is given before the window is answered
    page.fill("#key-pin", "222222")
    page.click(send)
    window.click("button[value=hour]")
    page.get_by_text("PIN 错误，还可尝试 4 次").wait_for()
    page.wait_for_timeout(1500)  # as long as the first would have taken to ask again
    scene.agent.consented = True
    scene.sign_in("000000")
    page.get_by_text("PIN 错误，还可尝试 3 次").wait_for()


def test_a_revoked_certificate_is_refused_and_its_tokens_end(scene: Scene) -> None:
    page, site = scene.page, scene.site
    page.goto(site.url)
    page.get_by_role("link", name="English").click()
    page.get_by_role("heading", name="Sign in with your key").wait_for()
    scene.shot("sign_on_en")
    scene.sign_in()
    page.wait_for_url(f"{site.url}/callback*")
    with scene.platform.session(scene.platform.person(Role.TENANT_SECURITY, scene.tenant)) as security:
        security.call("certificate.revoke", serial=f"{scene.serial:032x}", reason="key_compromise")
    with pytest.raises(Exception, match=r"(?i)invalid|401|error"):
        site.handler.get_user_info(site.sessions[0]["state"], access_token=site.sessions[0]["token"])
    page.goto(site.url)
    scene.sign_in()
    page.get_by_text("the certificate is revoked").wait_for()
    scene.shot("sign_on_revoked_en")


def test_without_an_agent_the_page_says_what_to_do(scene: Scene) -> None:
    scene.page.goto(scene.site.url)
    scene.page.wait_for_selector(f"#key-certificate option[value='{CONTAINER}']", state="attached")
    scene.agent.stop()
    scene.page.click("[data-again]")
    scene.page.get_by_text("没有连上密码钥匙助手").wait_for()


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
    scene.sign_in()
    scene.page.wait_for_url(f"{service}*")
    ticket = parse_qs(urlsplit(scene.page.url).query)["ticket"][0]
    user, attributes, _ = client.verify_ticket(ticket)
    assert user == "zhang.san" and attributes["certificateSerial"] == f"{scene.serial:X}"
    assert client.verify_ticket(ticket) == (None, {}, None), "a ticket is good once"
    scene.page.goto(client.get_logout_url(service))
    scene.page.get_by_role("button", name="退出").click()
    scene.page.wait_for_url(f"{service}*")


def test_the_example_application_logs_people_in(scene: Scene) -> None:
    port = free_port()
    with scene.platform.session(scene.platform.person(Role.TENANT_SECURITY, scene.tenant)) as security:
        made = security.call(
            "strong_auth.client.register", application=scene.app.id, name="示例",
            redirects=[f"http://127.0.0.1:{port}/callback"],
        )  # fmt: skip
    environ = {
        **os.environ,
        "ISSUER": made["client"]["issuer"],
        "CLIENT_ID": made["client"]["client"],
        "CLIENT_SECRET": made["secret"],
        "CA": str(scene.platform.authority),
        "PORT": str(port),
    }
    process = subprocess.Popen([sys.executable, str(EXAMPLE)], env=environ, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()  # it serves
        scene.page.goto(f"http://127.0.0.1:{port}/")
        scene.sign_in()
        scene.page.get_by_text("Welcome, zhang.san").wait_for()
    finally:
        process.terminate()
        process.wait(60)
