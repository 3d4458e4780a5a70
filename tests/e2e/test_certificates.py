"""Certificates in a real browser: found, sorted, taken away, suspended and revoked; the authorities' lists."""

from __future__ import annotations

import base64

import pytest
from tests.e2e.test_console import Visit, browser, visit  # noqa: F401
from tests.e2e.test_filings import shoot
from tests.platform import RunningPlatform, spec, unique

from miyun.core.operation import Role
from miyun.gm import sm2
from miyun.wire.spki import sm2_spki

pytestmark = pytest.mark.engine


def test_certificates_are_found_sorted_and_revoked(visit: Visit, platform: RunningPlatform) -> None:  # noqa: F811
    tenant = platform.activate(spec(unique("c")))
    seat = platform.person(Role.TENANT_SECURITY, tenant)
    visit.context.clear_cookies()
    visit.sign_in(seat.login, seat.password)
    assert visit.go("/console/certificates") == 200
    assert "尚无证书" in visit.page.inner_text("main")
    shoot(visit, "certificates-empty")
    word = unique("w")
    items = [
        {
            "subject": {"CN": f"网关{number:02d}-{word}", "O": "示例局"},
            "names": [f"gw{number}.example.cn"],
            "public_key": base64.b64encode(sm2_spki(sm2.public_key(sm2.generate_private_key()))).decode(),
        }
        for number in range(60)
    ]
    made = platform.session(seat).call("certificate.batch.issue", template="device", items=items)
    assert made["issued"] == 60

    visit.go("/console/certificates?sort=subject")
    rows = visit.page.locator("tbody tr")
    assert rows.count() == 50 and "网关00" in rows.first.inner_text()
    assert visit.page.locator("th[aria-sort=ascending]").count() == 1
    shoot(visit, "certificates")
    visit.page.click("text=下一页")
    visit.page.wait_for_load_state()
    assert rows.count() == 10 and "网关59" in rows.last.inner_text()
    visit.page.fill("#text", f"07-{word}")
    visit.page.click("form[role=search] button")
    visit.page.wait_for_load_state()
    assert rows.count() == 1
    with visit.page.expect_download() as download:
        visit.page.click("text=导出 CSV")
    text = download.value.path().read_text("utf-8-sig")
    assert len(text.splitlines()) == 2 and f"网关07-{word}" in text

    rows.first.locator("a").click()
    visit.page.wait_for_load_state()
    assert "有效" in visit.page.inner_text("h1")
    visit.page.click("button:text('冻结')")
    visit.page.wait_for_load_state()
    assert "已冻结" in visit.page.inner_text("h1")
    visit.page.click("button:text('恢复')")
    visit.page.wait_for_load_state()
    shoot(visit, "certificate")
    visit.page.on("dialog", lambda dialog: dialog.accept())
    visit.page.select_option("#reason", "superseded")
    visit.page.click("button:text('吊销')")
    visit.page.wait_for_load_state()
    assert "已吊销" in visit.page.inner_text("h1") and "已被取代" in visit.page.inner_text("main")
    assert visit.page.locator("button:text('吊销')").count() == 0

    assert visit.go("/console/authorities") == 200
    assert "Miyun SM2 Issuing CA" in visit.page.inner_text("main")
    assert visit.page.locator("main form").count() == 0, "only the platform's administrator sets shards"
    shoot(visit, "authorities")


def test_the_platforms_administrator_spreads_lists(visit: Visit, platform: RunningPlatform) -> None:  # noqa: F811
    seat = platform.administrator(Role.PLATFORM_SYSTEM)
    visit.context.clear_cookies()
    visit.sign_in(seat.login, seat.password)
    visit.go("/console/authorities")
    visit.page.check("form[action$=rsa-issuing] input[name=deltas]")
    visit.page.click("form[action$=rsa-issuing] button")
    visit.page.wait_for_load_state()
    assert "含增量列表" in visit.page.inner_text("main")
    shoot(visit, "authorities-platform")
