"""The console's people sign in with a key, and sign again for what weighs heavily, in a real browser."""

from __future__ import annotations

import pytest
from idpyoidc.client.exception import OidcServiceError
from tests.interop.strong_auth.scene import Scene

from miyun.core.operation import Role

pytestmark = pytest.mark.engine


def sign_in_with_password(scene: Scene, role: Role) -> None:
    seat = scene.platform.person(role, scene.tenant)
    scene.page.goto(f"{scene.platform.url}/console/login")
    scene.page.fill("#login", seat.login)
    scene.page.fill("#password", seat.password)
    scene.page.get_by_role("button", name="登录", exact=True).click()
    scene.page.wait_for_url("**/console")


def test_a_key_is_registered_approved_used_to_sign_in_and_asked_again(scene: Scene) -> None:
    page, url = scene.page, scene.platform.url
    sign_in_with_password(scene, Role.TENANT_SECURITY)
    page.goto(f"{url}/console/person-keys")
    scene.shot("person_keys_empty_zh")
    page.click("[data-again]")
    scene.sign_in()
    page.get_by_text("待核准").wait_for()
    scene.shot("person_keys_waiting_zh")
    with scene.platform.session(scene.platform.person(Role.TENANT_SYSTEM, scene.tenant)) as system:
        [waiting] = system.call("account.key.list")["items"]
        system.call("account.key.approve", key_id=waiting["key_id"])
    page.get_by_role("button", name="退出").click()
    page.get_by_role("link", name="以密钥登录").click()
    scene.shot("login_key_zh")
    scene.sign_in()
    page.wait_for_url("**/console")
    page.goto(f"{url}/console/person-keys")
    page.check(f"input[name='role.{Role.TENANT_SYSTEM.value}']")
    page.get_by_role("button", name="保存").click()
    page.get_by_role("heading", name="以密钥确认").wait_for()
    scene.shot("confirm_zh")
    scene.sign_in("87654321")
    page.get_by_text("PIN 错误，还可尝试 4 次").wait_for()
    scene.sign_in()
    page.get_by_role("heading", name="登录密钥").wait_for()
    assert page.is_checked(f"input[name='role.{Role.TENANT_SYSTEM.value}']")
    page.get_by_role("link", name="English").click()
    page.get_by_role("heading", name="Sign-in keys").wait_for()
    scene.shot("person_keys_en")


def test_the_pages_of_logins_tell_who_is_in_and_end_it(scene: Scene) -> None:
    page, site, url = scene.page, scene.site, scene.platform.url
    sign_in_with_password(scene, Role.TENANT_SECURITY)
    page.goto(f"{url}/console/logins/report")
    page.get_by_text("尚无登录记录").wait_for()
    page.goto(f"{url}/console/logins/clients")
    page.fill("#name", "报表系统")
    page.fill("#redirects", "https://report.example.gov.cn/callback")
    page.get_by_role("button", name="登记", exact=True).click()
    assert "client_secret:" in page.inner_text("#secret")
    scene.shot("logins_clients_zh")
    page.goto(site.url)
    scene.sign_in()
    page.wait_for_url(f"{site.url}/callback*")
    page.goto(f"{url}/console/logins/report")
    assert "zhang.san" in page.inner_text("tbody")
    scene.shot("logins_report_zh")
    with page.expect_download() as file:
        page.get_by_role("link", name="导出 CSV").click()
    assert "zhang.san" in file.value.path().read_text("utf-8-sig")
    page.goto(f"{url}/console/preferences?set=lang:en")
    page.goto(f"{url}/console/logins/accounts?sort=account&text=zhang")
    assert "zhang.san" in page.inner_text("tbody")
    scene.shot("logins_accounts_en")
    page.goto(f"{url}/console/logins/sessions")
    scene.shot("logins_sessions_en")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="End", exact=True).click()
    page.get_by_text("Nobody is logged in now").wait_for()
    with pytest.raises(OidcServiceError, match="invalid_grant"):
        site.handler.refresh_access_token(site.sessions[0]["state"])
