"""Certificates of servers in a real browser: endpoints, orders at outside CAs, keys for ACME clients."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.test_console import CHINESE, Visit, browser
from tests.outside_ca import OutsideAuthority, csr, new_key
from tests.platform import RunningPlatform, Tenant, spec, unique

from miyun.core.operation import Role

pytestmark = pytest.mark.engine
__all__ = ["browser"]
PAGES = ("/console/acme", "/console/ssl-orders", "/console/endpoints")


@pytest.fixture(scope="module")
def tenant(platform: RunningPlatform) -> Tenant:
    tenant = platform.activate(spec(unique("s")))
    platform.application(tenant, "门户网站")
    return tenant


@pytest.fixture
def visit(browser: object, platform: RunningPlatform, tenant: Tenant) -> Iterator[Visit]:
    context = browser.new_context(ignore_https_errors=True, locale="zh-CN")  # type: ignore[attr-defined]
    try:
        visit = Visit(platform, context)
        seat = platform.person(Role.TENANT_SYSTEM, tenant)
        visit.sign_in(seat.login, seat.password)
        yield visit
    finally:
        context.close()


def look(visit: Visit, path: str, name: str) -> str:
    """The page's text, in English in the end; both languages are looked at."""
    for language in ("zh", "en"):
        visit.speak(language)
        assert visit.go(path) == 200, visit.platform.logs()
        text = visit.page.inner_text("main")
        assert bool(CHINESE.search(visit.page.title())) == (language == "zh"), visit.page.title()
        if folder := os.environ.get("SCREENSHOTS"):
            visit.page.screenshot(path=str(Path(folder) / f"{name}-{language}.png"), full_page=True)
    return text


def test_a_tenant_goes_from_nothing_to_a_certificate(visit: Visit, platform: RunningPlatform) -> None:
    for path in PAGES:
        assert "None yet" in look(visit, path, f"empty{path.replace('/', '-')}")

    visit.page.fill("#host", "www.example.cn")
    visit.page.fill("#note", "portal")
    visit.page.click("text=Watch >> nth=-1")
    visit.page.wait_for_load_state()
    assert visit.path.startswith("/console/endpoints/endp_")
    look(visit, visit.path, "endpoint")
    assert "www.example.cn:443" in look(visit, "/console/endpoints", "endpoints")

    visit.go("/console/acme")
    visit.page.fill("#name", "web server")
    visit.page.click("button:has-text('Issue')")
    visit.page.wait_for_load_state()
    shown = visit.page.inner_text("main")
    assert "--eab-hmac-key" in shown and "--eab-kid eab_" in shown
    if folder := os.environ.get("SCREENSHOTS"):
        visit.page.screenshot(path=str(Path(folder) / "acme-made.png"), full_page=True)
    assert "--eab-hmac-key" not in look(visit, "/console/acme", "acme"), "the MAC key is shown once"

    key, authority = new_key(), OutsideAuthority()
    visit.go("/console/ssl-orders")
    visit.page.fill("#paper_ca", "CFCA")
    visit.page.select_option("#level", "ov")
    visit.page.fill("#csr", csr(key, "www.example.cn"))
    visit.page.click("button:has-text('Order')")
    visit.page.wait_for_load_state()
    order = visit.path
    assert order.startswith("/console/ssl-orders/ord_")
    visit.page.fill("#reference", "2026-7")
    visit.page.click("button:has-text('Record')")
    visit.page.wait_for_load_state()
    visit.page.fill("#certificates", authority.issue(key, "www.example.cn"))
    visit.page.click("button:has-text('Check and upload')")
    visit.page.wait_for_load_state()
    visit.page.fill("#place", "www-1")
    visit.page.click("button:has-text('Record')")
    visit.page.wait_for_load_state()
    text = look(visit, order, "order")
    assert "deployed" in text and "2026-7" in text and "BEGIN CERTIFICATE-----" in text
    assert "CFCA" in look(visit, "/console/ssl-orders", "orders")
    visit.is_quiet()


def test_a_certificate_of_another_key_is_refused_with_the_reason(visit: Visit) -> None:
    visit.speak("en")
    visit.go("/console/ssl-orders")
    visit.page.fill("#paper_ca", "CFCA")
    visit.page.fill("#csr", csr(new_key(), "www.example.cn"))
    visit.page.click("button:has-text('Order')")
    visit.page.wait_for_load_state()
    visit.page.fill("#certificates", OutsideAuthority().issue(new_key(), "www.example.cn"))
    visit.page.click("button:has-text('Check and upload')")
    visit.page.wait_for_load_state()
    assert "its key is not that of the request" in visit.page.inner_text("main")
