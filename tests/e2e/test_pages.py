"""The console's pages, seen by everybody who may."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.e2e.test_console import Visit, browser, visit  # noqa: F401
from tests.platform import BESIDES, RunningPlatform, Tenant, code, spec

from miyun.core.operation import Role

pytestmark = pytest.mark.engine


def links(visit: Visit) -> list[str]:  # noqa: F811
    return [str(link.get_attribute("href")) for link in visit.page.locator("nav.side a").all()]


@pytest.fixture(scope="module")
def bare(platform: RunningPlatform) -> Tenant:
    """Nothing was done yet, and neither USB keys nor SSL certificates were bought."""
    contract = spec(code("g"))
    lines = [line for line in contract.entitlements if line.offering not in BESIDES]
    return platform.activate(replace(contract, entitlements=lines))


def test_no_click_leads_to_a_refusal(visit: Visit, platform: RunningPlatform, bare: Tenant) -> None:  # noqa: F811
    for role in (Role.TENANT_SYSTEM, Role.TENANT_SECURITY, Role.TENANT_AUDIT, Role.TENANT_DEVELOPER):
        visit.context.clear_cookies()
        seat = platform.person(role, bare)
        visit.sign_in(seat.login, seat.password)
        found = links(visit)
        assert "/console/certificates" in found and "/console/usbkeys" not in found
        for path in found:
            assert visit.go(path) == 200, f"{role}: {path}"
    visit.is_quiet()


def test_what_the_contract_lacks_says_how_to_get_it(visit: Visit, platform: RunningPlatform, bare: Tenant) -> None:  # noqa: F811
    seat = platform.person(Role.TENANT_SYSTEM, bare)
    visit.sign_in(seat.login, seat.password)
    visit.page.click("nav.side .others a[href='/console/services/usbkey']")
    visit.page.wait_for_load_state()
    text = visit.page.inner_text("main")
    assert "不在合同内" in text and "补充协议" in text
    assert visit.go("/console/usbkeys") == 403  # who has the address of old
    assert "补充协议" in visit.page.inner_text("main")
    assert visit.go("/console/services/signature") == 200
    assert "可用" in visit.page.inner_text("h1") and "补充协议" not in visit.page.inner_text("main")


def test_another_role_is_named_to_who_may_not(visit: Visit, platform: RunningPlatform, bare: Tenant) -> None:  # noqa: F811
    seat = platform.person(Role.TENANT_DEVELOPER, bare)
    visit.sign_in(seat.login, seat.password)
    assert visit.go("/console/ledger") == 403
    text = visit.page.inner_text("main")
    assert "租户审计管理员" in text and "audit.records" not in text


def test_staff_see_a_tenant_once_they_have_entered_it(visit: Visit, platform: RunningPlatform, bare: Tenant) -> None:  # noqa: F811
    staff = platform.person(Role.SUPPLIER_STAFF, who="pages")
    visit.sign_in(staff.login, staff.password)
    assert "/console/certificates" not in links(visit)
    with platform.session(platform.person(Role.TENANT_SECURITY, bare)) as security:
        ends = datetime.now(UTC) + timedelta(hours=1)
        security.call("tenant.grant.create", staff=staff.login, purpose="检查证书服务", ends_at=ends)
    visit.go("/console")
    visit.page.click("form[action='/console/enter'] button")
    visit.page.wait_for_load_state()
    found = links(visit)
    assert {"/console/certificates", "/console/evidence"} <= set(found)
    for path in found:
        assert visit.go(path) == 200, path
    visit.is_quiet()
