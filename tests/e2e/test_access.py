"""What applications are given, in the console: shown once, withdrawn at once; and the supplier's people let in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from tests.e2e.test_console import Visit, browser, visit  # noqa: F401
from tests.platform import RunningPlatform, Tenant, spec, unique

from miyun.client import Client, MiyunError
from miyun.core.clock import SHANGHAI
from miyun.core.operation import Role

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def tenant(platform: RunningPlatform) -> Tenant:
    return platform.activate(spec(unique("w")))


def submit(visit: Visit, selector: str) -> None:  # noqa: F811
    visit.page.click(selector)
    visit.page.wait_for_load_state()


def test_an_access_key_is_shown_once_and_dies_when_it_is_revoked(
    visit: Visit,  # noqa: F811
    platform: RunningPlatform,
    tenant: Tenant,
) -> None:
    seat, page = platform.person(Role.TENANT_DEVELOPER, tenant), visit.page
    page.on("dialog", lambda dialog: dialog.accept())
    visit.sign_in(seat.login, seat.password)
    visit.go("/console/access")
    assert "先接入一个应用" in page.inner_text("main")
    app = platform.application(tenant, "办件系统")
    visit.go("/console/access")
    submit(visit, "form[method=post][action='/console/access'] button")
    assert "只显示这一次" in page.get_by_role("alert").inner_text()
    access_key, secret_key = page.inner_text("#ak"), page.inner_text("#sk")
    with Client(platform.url, access_key, secret_key, verify=platform.trust) as client:
        assert client.call("tenant.connection.check")["tenant"] == tenant.id
        visit.go(f"/console/access?application={app.id}&state=active")
        assert secret_key not in page.content(), "it was shown once"
        row = page.locator("tbody tr", has_text=access_key)
        assert "有效" in row.inner_text() and "未使用" not in row.inner_text()
        row.locator("button").click()
        page.wait_for_load_state()
        with pytest.raises(MiyunError) as refused:
            client.call("tenant.connection.check")
        assert refused.value.code == "CredentialExpired"
    row = page.locator("tbody tr", has_text=access_key)
    assert "已吊销" in row.inner_text() and row.locator("button").count() == 0
    visit.is_quiet()


def test_a_form_is_sent_once_however_often_its_button_is_pressed(
    visit: Visit,  # noqa: F811
    platform: RunningPlatform,
    tenant: Tenant,
) -> None:
    platform.application(tenant, "双击系统")
    seat = platform.person(Role.TENANT_SYSTEM, tenant)
    visit.sign_in(seat.login, seat.password)
    visit.go("/console/access")
    sent = visit.page.evaluate("""() => {
      const form = document.querySelector("form[method=post][action='/console/access']");
      const press = () => form.dispatchEvent(new Event('submit', {bubbles: true, cancelable: true}));
      return [press(), press()];
    }""")
    assert sent == [True, False]
    visit.is_quiet()


def test_a_date_that_has_gone_is_said_at_its_field(visit: Visit, platform: RunningPlatform, tenant: Tenant) -> None:  # noqa: F811
    platform.application(tenant, "过期系统")
    seat, page = platform.person(Role.TENANT_SYSTEM, tenant), visit.page
    visit.sign_in(seat.login, seat.password)
    visit.go("/console/access")
    page.fill("#expires_at", "2020-01-01")
    submit(visit, "form[method=post][action='/console/access'] button")
    visit.complaints.clear()  # the browser notes the refusal
    assert (
        page.get_attribute("#expires_at", "aria-invalid") == "true" and page.input_value("#expires_at") == "2020-01-01"
    )
    visit.is_quiet()


def test_an_application_is_bound_gets_a_credential_and_loses_both(
    visit: Visit,  # noqa: F811
    platform: RunningPlatform,
    tenant: Tenant,
) -> None:
    seat, page = platform.person(Role.TENANT_SYSTEM, tenant), visit.page
    page.on("dialog", lambda dialog: dialog.accept())
    with platform.session(seat) as client:
        app = client.call("tenant.application.create", name="时间系统")["application"]
    visit.sign_in(seat.login, seat.password)
    visit.go(f"/console/access/bindings?application={app}")
    assert "尚无接入" in page.inner_text("tbody") or "没有符合条件" in page.inner_text("tbody")
    page.select_option("#instance", tenant.instances["timestamp"])
    submit(visit, "form[method=post][action='/console/access/bindings'] button")
    assert "时间戳" in page.locator("tbody tr", has_text="时间系统").inner_text()
    visit.go("/console/access/credentials")
    page.select_option("#for", label="时间系统 · 时间戳")
    submit(visit, "form[method=get][action='/console/access/credentials']:has(#for) button")
    assert page.locator("[name='may.kms.key.create']").count() == 0, "what administers is not for programs"
    page.check("[name='may.timestamp.status']")
    submit(visit, "form[method=post][action='/console/access/credentials'] button")
    basic = (page.inner_text("#username"), page.inner_text("#secret"))
    with httpx.Client(base_url=platform.url, verify=platform.trust, auth=basic) as client:
        address = "/v1/timestamp/status"
        assert client.get(address).status_code == 200
        visit.go("/console/access/credentials")
        assert basic[1] not in page.content(), "it was shown once"
        assert "未使用" not in page.locator("tbody tr", has_text=basic[0]).inner_text()
        visit.go(f"/console/access/bindings?application={app}")
        submit(visit, "tbody tr button")
        assert client.get(address).status_code == 401
    visit.go("/console/access/credentials")
    assert "已吊销" in page.locator("tbody tr", has_text=basic[0]).inner_text()
    visit.is_quiet()


def test_an_application_is_disabled_by_one_administrator_and_enabled_by_another(
    visit: Visit,  # noqa: F811
    platform: RunningPlatform,
    tenant: Tenant,
) -> None:
    platform.application(tenant, "停用系统")
    page = visit.page
    page.on("dialog", lambda dialog: dialog.accept())
    row = page.locator("tbody tr", has_text="停用系统")
    for role, state, then in (
        (Role.TENANT_SYSTEM, "停用", 0),
        (Role.TENANT_SECURITY, "启用", 1),
    ):
        visit.context.clear_cookies()
        seat = platform.person(role, tenant)
        visit.sign_in(seat.login, seat.password)
        visit.go("/console/onboarding?text=停用")
        row.locator("button").click()
        page.wait_for_load_state()
        visit.go("/console/onboarding?text=停用")
        assert row.locator(".tag").inner_text() == state and row.locator("button").count() == then
    visit.is_quiet()


def test_the_suppliers_people_are_let_in_for_a_time_and_put_out_early(
    visit: Visit,  # noqa: F811
    platform: RunningPlatform,
    tenant: Tenant,
) -> None:
    staff = platform.person(Role.SUPPLIER_STAFF, who="access")
    seat, page = platform.person(Role.TENANT_SECURITY, tenant), visit.page
    page.on("dialog", lambda dialog: dialog.accept())
    visit.sign_in(seat.login, seat.password)
    visit.go("/console/grants")
    assert "不能进入" in page.inner_text("tbody")
    ends = (datetime.now(UTC) + timedelta(hours=2)).astimezone(SHANGHAI)
    page.fill("#staff", "nobody-of-that-name")
    page.fill("#purpose", "检查时间戳服务")
    page.fill("#ends_at", ends.strftime("%Y-%m-%dT%H:%M"))
    submit(visit, "form[method=post][action='/console/grants'] button")
    visit.complaints.clear()  # the browser notes the refusal
    assert page.get_attribute("#staff", "aria-invalid") == "true" and page.input_value("#purpose") == "检查时间戳服务"
    page.fill("#staff", staff.login)
    submit(visit, "form[method=post][action='/console/grants'] button")
    row = page.locator("tbody tr", has_text=staff.login)
    assert "生效中" in row.inner_text() and ends.strftime("%Y-%m-%d %H:%M:00") in row.inner_text()
    with platform.session(staff, tenant=tenant.id) as inside:
        assert inside.call("tenant.application.list")["items"]
        row.locator("button").click()
        page.wait_for_load_state()
        with pytest.raises(MiyunError) as refused:
            inside.call("tenant.application.list")
        assert refused.value.code == "GrantRequired"
    assert "已撤销" in row.inner_text() and row.locator("button").count() == 0
    visit.is_quiet()
