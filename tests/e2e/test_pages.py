"""Every page of the console, looked at by everybody who may, in both languages, on a desk and on a telephone."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.applicants import Holder
from tests.belongings import foreign_authority
from tests.e2e.furnishing import DATA, Furnished, furnish
from tests.e2e.test_console import Visit, browser, visit  # noqa: F401
from tests.platform import BESIDES, RunningPlatform, Tenant, spec, unique

import miyun
from miyun.core.operation import Role
from miyun.edge.console.routes import PATHS

pytestmark = pytest.mark.engine

# axe-core, fetched with the console's assets (deploy/console) and used by nothing but this
AXE = Path(__file__).parents[2] / "build" / "console" / "node_modules" / "axe-core" / "axe.min.js"
INACCESSIBLE = """async () => {
  const rules = {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']};
  return (await axe.run(rules)).violations.map(one => `${one.id}: ${one.nodes[0].html.slice(0, 160)}`);
}"""
DESK, TELEPHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
# What the parties wrote, and records as they are: their text is data from end to end.
DATA_PAGES = re.compile(r"/console(?:$|/(?:contract|performance|dossier|ledger|platform-ledger|onboarding/))")
CHINESE = re.compile("[\u4e00-\u9fff]+")
# Words of a program's: of an enum, a field or an operation. Those that a protocol prescribes are shown as they are.
JOINED = re.compile(r"^[a-z][a-z0-9]*(?:\.[a-z0-9_]+)*_[a-z0-9_.]+$")
WORD = re.compile(r"\b[a-z]{3,}\b")
# Every word of the program's text: a digest that happens to be letters only is none.
WORDS = {word for file in Path(miyun.__file__).parent.rglob("*.py") for word in WORD.findall(file.read_text("utf-8"))}
PRESCRIBED = {"client_id", "client_secret_basic", "client_secret_post", "none"}
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:")
IDENTIFIER = re.compile(r"\b[a-z]{2,4}_[0-9a-z]{16,}\b")
LOOK = """() => {
  const said = [], seen = element => element.checkVisibility ? element.checkVisibility() : true;
  const walker = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, text = node.textContent.trim(), owner = node.parentElement;
    if (text && seen(owner)) {
      said.push([text, owner.closest('code, pre, script') !== null, owner.closest('tbody, dd, h1, option') !== null]);
    }
  }
  const bare = [...document.querySelectorAll('main input:not([type=hidden]), main select, main textarea')]
    .filter(field => !field.labels.length && !field.ariaLabel).map(field => field.name || field.id);
  const mute = [...document.querySelectorAll('main button, main a')].filter(one => !one.textContent.trim());
  const twice = [...document.querySelectorAll('[id]')].map(one => one.id)
    .filter((id, at, all) => all.indexOf(id) !== at);
  return {said, bare, twice, mute: mute.map(one => one.outerHTML), headings: document.querySelectorAll('h1').length};
}"""
WIDER = """async () => {
  await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));  // charts follow the width
  return [document.documentElement.scrollWidth, innerWidth, [...document.querySelectorAll('body *')]
    .filter(one => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest('.scroll'))
    .slice(0, 4).map(one => one.outerHTML.slice(0, 120))];
}"""


def addresses(parameters: dict[str, str]) -> list[str]:
    found = []
    for method, path in PATHS:
        if method != "GET" or path in ("/console/preferences", "/console/performance/{contract:str}/{record:str}"):
            continue
        if "export" in path or "/file" in path or "path:path" in path or not path.startswith("/console"):
            continue  # downloads, and the sign-in pages of applications, which have tests of their own
        if path.startswith("/console/login") and not path.startswith("/console/logins"):
            continue
        for name, value in parameters.items():
            path = path.replace(f"{{{name}}}", value)
        if "{" not in path:
            found.append(path)
    return found


def faults(page: Any, language: str, path: str, data: tuple[str, ...]) -> list[str]:
    """What is wrong with the page that the browser shows."""
    found: list[str] = []
    looked = page.evaluate(LOOK)
    for text, verbatim, is_data in looked["said"]:
        if verbatim:
            continue
        rest = text
        for word in data:
            rest = rest.replace(word, "")
        if language == "en" and not DATA_PAGES.match(path) and CHINESE.search(rest):
            found.append(f"not English: {text}")
        if not DATA_PAGES.match(path):
            if text not in PRESCRIBED and (JOINED.match(rest) or (language == "zh" and rest in WORDS)):
                found.append(f"a program's word: {text}")
            if IDENTIFIER.search(text) and not is_data:
                found.append(f"a bare identifier: {text}")
        if STAMP.search(text):
            found.append(f"a machine's time: {text}")
    found += [f"no label: {name}" for name in looked["bare"]]
    found += [f"id twice: {name}" for name in looked["twice"]]
    found += [f"says nothing: {element}" for element in looked["mute"]]
    if looked["headings"] != 1:
        found.append(f"{looked['headings']} first headings")
    page.set_viewport_size(TELEPHONE)
    width, inner, wide = page.evaluate(WIDER)
    if width > inner:
        found.append(f"{width} px wide on a telephone: {wide}")
    return found


def inaccessible(page: Any) -> list[str]:
    """What keeps people who see, hear or move otherwise from using the page: WCAG 2.2 A and AA, as programs tell."""
    if not AXE.is_file() and os.environ.get("CI") != "true":
        return []  # no npm on this machine
    page.evaluate(AXE.read_text("utf-8"))
    return [f"not accessible: {fault}" for fault in page.evaluate(INACCESSIBLE)]


def look(visit: Visit, paths: list[str], who: str, data: tuple[str, ...] = DATA) -> list[str]:  # noqa: F811
    """All faults of all pages that answer, in both languages."""
    found = []
    folder = os.environ.get("MIYUN_SCREENSHOTS")
    for language in ("zh", "en"):
        visit.speak(language)
        for path in paths:
            visit.page.set_viewport_size(DESK)
            status = visit.go(path)
            refused = status == 403
            complaints = [said for said in visit.complaints if not (refused and "403" in said)]
            visit.complaints.clear()
            found += [f"{who} {language} {path}: {said}" for said in complaints]
            if status not in (200, 403):
                found.append(f"{who} {language} {path}: status {status}")
                continue
            if folder:
                name = f"{who}-{language}-{path.removeprefix('/console').strip('/').replace('/', '-') or 'home'}"
                visit.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
            if language == "zh":
                found += [f"{who} {path}: {fault}" for fault in inaccessible(visit.page)]
            found += [f"{who} {language} {path}: {fault}" for fault in faults(visit.page, language, path, data)]
            if folder:
                visit.page.screenshot(path=Path(folder) / f"{name}-390.png", full_page=True)
    return found


def links(visit: Visit) -> list[str]:  # noqa: F811
    return [str(link.get_attribute("href")) for link in visit.page.locator("nav.side a").all()]


@pytest.fixture(scope="module")
def furnished(platform: RunningPlatform) -> Furnished:
    return furnish(platform)


@pytest.fixture(scope="module")
def bare(platform: RunningPlatform) -> Tenant:
    """Nothing was done yet, and neither USB keys nor SSL certificates were bought."""
    contract = spec(unique("g"))
    lines = [line for line in contract.entitlements if line.offering not in BESIDES]
    return platform.activate(replace(contract, entitlements=lines))


@pytest.mark.parametrize("role", [Role.TENANT_SYSTEM, Role.TENANT_SECURITY, Role.TENANT_AUDIT, Role.TENANT_DEVELOPER])
def test_every_page_is_fit_to_be_read(
    visit: Visit,  # noqa: F811
    platform: RunningPlatform,
    furnished: Furnished,
    role: Role,
) -> None:
    seat = platform.person(role, furnished.tenant)
    visit.sign_in(seat.login, seat.password)
    paths = addresses(furnished.parameters) if role is Role.TENANT_SECURITY else links(visit)
    assert look(visit, paths, role.rpartition(".")[2]) == []
    assert visit.elsewhere == []


@pytest.mark.parametrize("preference", ["theme:contrast", "size:large"])
def test_other_ways_to_look_are_accessible_too(
    visit: Visit,  # noqa: F811
    platform: RunningPlatform,
    furnished: Furnished,
    preference: str,
) -> None:
    """Colours and sizes come from the style sheet alone: some pages stand for all."""
    seat = platform.person(Role.TENANT_SECURITY, furnished.tenant)
    visit.sign_in(seat.login, seat.password)
    visit.go(f"/console/preferences?set={preference}")
    for path in ("/console", "/console/catalogue", "/console/filings", "/console/logins/clients", "/console/grants"):
        visit.page.set_viewport_size(DESK)
        assert visit.go(path) == 200
        assert inaccessible(visit.page) == [], path
        assert faults(visit.page, "zh", path, DATA) == [], path


def test_pages_for_those_who_are_not_signed_in(visit: Visit, furnished: Furnished) -> None:  # noqa: F811
    tenant = furnished.tenant.id
    for language in ("zh", "en"):
        visit.speak(language)
        for path, status in (
            ("/console/login", 200),
            (f"/oidc/{tenant}/end_session", 200),
            (f"/cas/{tenant}/logout", 200),
            (f"/cas/{tenant}/login", 403),
            (f"/oidc/{tenant}/authorize?response_type=code&client_id=nobody", 400),
        ):
            visit.page.set_viewport_size(DESK)
            assert visit.go(path) == status, path
            assert inaccessible(visit.page) == [], path
            assert faults(visit.page, language, path, ()) == [], path
            assert visit.page.locator("main a[href='/console']").count() == 0, "an application's people have no console"
    assert visit.elsewhere == []


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


def test_a_refused_form_comes_back_as_it_was_filled_in(
    visit: Visit,  # noqa: F811
    platform: RunningPlatform,
    bare: Tenant,
) -> None:
    seat = platform.person(Role.TENANT_SECURITY, bare)
    visit.sign_in(seat.login, seat.password)
    visit.go("/console/templates")
    page = visit.page
    form = "form[method=post][action='/console/templates']"
    page.select_option("#base", "device")
    for name, value in (("template", "gateway"), ("name_zh", "网关"), ("name_en", "Gateway"), ("max_days", "99999")):
        page.fill(f"#{name}", value)
    page.check("[name='family.sm2']")
    page.click(f"{form} button")
    page.wait_for_load_state()
    visit.complaints.clear()  # the browser notes the refusal
    assert page.input_value("#name_zh") == "网关" and page.input_value("#base") == "device"
    assert page.is_checked("[name='family.sm2']")
    assert page.get_attribute("#max_days", "aria-invalid") == "true"
    assert "最多有效天数" in page.get_by_role("alert").inner_text()
    page.fill("#max_days", "90")
    page.click(f"{form} button")
    page.wait_for_load_state()
    row = page.locator("tbody tr", has_text="网关")
    assert "SM2" in row.inner_text() and "90" in row.inner_text()
    page.once("dialog", lambda dialog: dialog.accept())
    row.locator("button").click()
    page.wait_for_load_state()
    assert page.locator("tbody tr", has_text="网关").count() == 0
    visit.is_quiet()


def test_a_ca_outside_is_registered_and_dropped(visit: Visit, platform: RunningPlatform, bare: Tenant) -> None:  # noqa: F811
    seat = platform.person(Role.TENANT_SECURITY, bare)
    visit.sign_in(seat.login, seat.password)
    visit.go("/console/outside-cas")
    page = visit.page
    page.fill("#name", "某电子认证机构")
    page.fill("#certificates", foreign_authority())
    page.check("[name='template.organisation']")
    page.click("form[method=post][action='/console/outside-cas'] button")
    page.wait_for_load_state()
    row = page.locator("tbody tr", has_text="某电子认证机构")
    assert "机构证书" in row.inner_text()
    visit.go("/console/filings")
    assert "某电子认证机构" in page.inner_text("#outside")
    visit.go("/console/outside-cas")
    page.once("dialog", lambda dialog: dialog.accept())
    row.locator("button").click()
    page.wait_for_load_state()
    assert row.count() == 0
    visit.is_quiet()


def test_what_an_application_asks_of_certificates_is_set(
    visit: Visit,  # noqa: F811
    platform: RunningPlatform,
    bare: Tenant,
) -> None:
    app = platform.application(bare, "办件系统")
    seat = platform.person(Role.TENANT_SECURITY, bare)
    visit.sign_in(seat.login, seat.password)
    visit.go("/console/logins/policies")
    visit.page.click(f"a[href$='{app.id}']")
    visit.page.wait_for_load_state()
    visit.page.select_option("#level", "ocsp")
    visit.page.fill("#hours", "12")
    visit.page.select_option("#account_field", "UID")
    visit.page.click("main form button")
    visit.page.wait_for_load_state()
    with platform.session(seat) as client:
        policy = client.call("strong_auth.policy.get", application=app.id)
    assert (policy["level"], policy["stale_seconds"], policy["account_field"]) == ("ocsp", 12 * 3600, "UID")
    assert "12 小时内" in visit.page.inner_text("main dl")
    visit.is_quiet()


def test_a_client_is_registered_with_its_own_certificates(
    visit: Visit,  # noqa: F811
    platform: RunningPlatform,
    bare: Tenant,
) -> None:
    app = platform.application(bare, "统计系统")
    seat = platform.person(Role.TENANT_SECURITY, bare)
    visit.sign_in(seat.login, seat.password)
    visit.go("/console/logins/clients")
    page = visit.page
    page.select_option("#application", app.id)
    page.fill("#name", "统计")
    page.fill("#redirects", "https://stat.example.gov.cn/callback")
    page.select_option("#auth", "self_signed_tls_client_auth")
    page.click("main details summary")
    page.fill("#tls_client_certificates", foreign_authority() + foreign_authority())
    page.click("form[method=post][action='/console/logins/clients'] button")
    page.wait_for_load_state()
    with platform.session(seat) as client:
        [made] = client.call("strong_auth.client.list", application=app.id)["items"]
    assert made["auth"] == "self_signed_tls_client_auth" and len(made["tls_client_auth_value"].split()) == 2
    assert "self_signed_tls_client_auth" in page.locator("tbody tr", has_text="统计").inner_text()
    visit.is_quiet()


def test_a_signer_is_made_renewed_and_retired(visit: Visit, platform: RunningPlatform, bare: Tenant) -> None:  # noqa: F811
    seat = platform.person(Role.TENANT_SECURITY, bare)
    visit.sign_in(seat.login, seat.password)
    visit.go("/console/signers")
    page = visit.page
    page.fill("#name", "approvals")
    page.fill("#subject", "CN=审批专用，O=某局")
    page.click("form[method=post][action='/console/signers'] button")
    page.wait_for_load_state()
    assert "审批专用" in page.inner_text("main") and "启用" in page.inner_text("h1")
    first = page.locator("a[href^='/console/certificates/']").inner_text()
    page.check("[name=revoke_old]")
    page.click("form[action$=renew] button")
    page.wait_for_load_state()
    assert page.locator("a[href^='/console/certificates/']").inner_text() != first
    page.on("dialog", lambda dialog: dialog.accept())
    for verb, state in (("disable", "停用"), ("enable", "启用"), ("retire", "已退役")):
        page.click(f"form[action$={verb}] button")
        page.wait_for_load_state()
        assert state in page.inner_text("h1")
    assert page.locator("main form").count() == 0
    visit.go(f"/console/certificates/{first}")
    assert "已吊销" in page.inner_text("h1")
    visit.is_quiet()


def test_a_certificate_gets_a_new_key_from_its_page(
    visit: Visit,  # noqa: F811
    platform: RunningPlatform,
    furnished: Furnished,
) -> None:
    seat = platform.person(Role.TENANT_SYSTEM, furnished.tenant)
    visit.sign_in(seat.login, seat.password)
    address = f"/console/certificates/{furnished.parameters['serial:str']}"
    visit.go(address)
    assert visit.page.get_attribute("nav.side a[href='/console/certificates']", "aria-current") == "true"
    visit.page.click("details summary")
    visit.page.fill("#csr", Holder("某人").csr())
    visit.page.click("form[action$=rekey] button")
    visit.page.wait_for_load_state()
    text = visit.page.inner_text("main")
    assert visit.path.startswith("/console/filings/apl_") and "换密钥" in text and "待审核" in text
    assert furnished.parameters["serial:str"] in text
    visit.is_quiet()
