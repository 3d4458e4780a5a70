"""The console in a real browser: signing in, every page in both languages, and no request to anybody else."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from tests.platform import DIGEST, RunningPlatform, Tenant, spec, unique

from miyun.core.operation import Role
from miyun.edge.assembly import registry
from miyun.edge.console.navigation import GROUPS
from miyun.edge.console.routes import PATHS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.engine

NEEDS = {link.href: link.needs for group in GROUPS for link in group.links}
PASSWORD = "a password of one's own"
OPERATIONS = registry().operations
CHINESE = re.compile("[\u4e00-\u9fff]")


def program() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    if os.environ.get("CI") == "true":
        pytest.fail("chromium is missing")
    pytest.skip("chromium is missing")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    arguments = [
        "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
        "--disable-dev-shm-usage", "--no-first-run", "--no-proxy-server",
    ]  # fmt: skip
    executable = program()
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=executable, args=arguments)
        yield opened
        opened.close()


@dataclass
class Visit:
    """A browser window that notes what it asks for and what it complains about."""

    platform: RunningPlatform
    context: BrowserContext
    page: Page = field(init=False)
    elsewhere: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page = self.context.new_page()
        own = urlsplit(self.platform.url).netloc
        self.page.on(
            "request",
            lambda request: (
                self.elsewhere.append(request.url)
                if urlsplit(request.url).netloc != own and not request.url.startswith(("data:", "blob:"))
                else None
            ),
        )
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def go(self, path: str) -> int:
        answer = self.page.goto(self.platform.url + path)
        assert answer is not None
        return answer.status

    @property
    def path(self) -> str:
        return urlsplit(self.page.url).path

    def speak(self, language: str) -> None:
        self.context.add_cookies([{"name": "miyun-lang", "value": language, "url": self.platform.url, "secure": True}])

    def sign_in(self, login: str, password: str) -> None:
        self.go("/console/login")
        self.page.fill("#login", login)
        self.page.fill("#password", password)
        self.page.click("main button")
        self.page.wait_for_load_state()

    def first_sign_in(self, login: str, first: str) -> None:
        self.sign_in(login, first)
        assert self.path == "/console/password"
        self.page.fill("#current", first)
        self.page.fill("#new", PASSWORD)
        self.page.click("main button")
        self.page.wait_for_load_state()

    def is_quiet(self) -> None:
        assert self.elsewhere == []
        assert self.complaints == []


@pytest.fixture
def visit(browser: Browser, platform: RunningPlatform) -> Iterator[Visit]:
    context = browser.new_context(ignore_https_errors=True, locale="zh-CN")
    try:
        yield Visit(platform, context)
    finally:
        context.close()


@pytest.fixture(scope="module")
def lived_in(platform: RunningPlatform) -> Tenant:
    """A tenant with something on every page; its administrators still have their one-time passwords."""
    tenant = platform.activate(spec(unique("c")))
    app = platform.application(tenant, "办件系统")
    with platform.client(app) as client:
        client.call("timestamp.issue", digest=DIGEST, hash_algorithm="SM3")
    platform.as_system(tenant, "onboarding.start", name="交易平台")
    return tenant


def test_a_first_password_opens_nothing_but_its_change(visit: Visit, platform: RunningPlatform) -> None:
    tenant = platform.activate(spec(unique("c")))
    login = f"system@{tenant.code}"
    assert visit.go("/console") == 200 and visit.path == "/console/login"  # not signed in
    visit.sign_in(login, "not the password")
    assert visit.path == "/console/login" and visit.page.get_by_role("alert").is_visible()
    visit.complaints.clear()  # the browser notes the refused form
    visit.sign_in(login, tenant.logins[login])
    for path in ("/console", "/console/keys", "/console/people"):
        visit.go(path)
        assert visit.path == "/console/password"
    visit.page.fill("#current", tenant.logins[login])
    visit.page.fill("#new", PASSWORD)
    visit.page.click("main button")
    visit.page.wait_for_load_state()
    assert visit.path == "/console"
    cookies = {cookie["name"]: cookie for cookie in visit.context.cookies()}  # type: ignore[typeddict-item]
    session = cookies["__Host-miyun-session"]
    assert session["httpOnly"] and session["secure"] and session["sameSite"] == "Strict"  # type: ignore[typeddict-item]
    visit.page.click("header form button")  # sign out
    visit.page.wait_for_load_state()
    assert visit.go("/console") == 200 and visit.path == "/console/login"
    visit.is_quiet()


def addresses(tenant: Tenant, known: dict[str, str]) -> list[str]:
    """Every GET page with its parameters filled in."""
    found = []
    for method, path in PATHS:
        if method != "GET" or path == "/console/preferences" or path.startswith("/console/login"):
            continue
        if path.endswith(("/export", "/file")):  # a download, no page
            continue
        for name, value in known.items():
            path = path.replace(f"{{{name}}}", value)
        if "{" not in path:
            found.append(path)
    return found


@pytest.mark.parametrize("role", [Role.TENANT_SYSTEM, Role.TENANT_SECURITY, Role.TENANT_AUDIT])
def test_every_page_answers_in_both_languages(
    visit: Visit, platform: RunningPlatform, lived_in: Tenant, role: Role
) -> None:
    name = role.rpartition(".")[2]
    seat = platform.person(role, lived_in)
    visit.sign_in(seat.login, seat.password)
    with platform.session(seat) as client:
        known = {"application:str": client.call("tenant.application.list")["items"][0]["application"]}
        known["person:str"] = seat.id
        if role is Role.TENANT_SECURITY:
            known["key:str"] = client.call("kms.key.list")["items"][0]["key"]
        if role is Role.TENANT_AUDIT:
            known["seq:str"] = str(client.call("audit.records")["items"][0]["seq"])
    served = 0
    for language in ("zh", "en"):
        visit.speak(language)
        for path in addresses(lived_in, known):
            needs = NEEDS.get(path) or ("audit.any_proof" if path.startswith("/console/platform-ledger/") else "")
            if path.startswith("/console/ledger/"):
                needs = "audit.proof"
            allowed = not needs or role in OPERATIONS[needs].roles
            status = visit.go(path)
            assert status == (200 if allowed else 403), f"{name}: {path}"
            if not allowed:
                visit.complaints.clear()  # the browser notes every refusal
                continue
            served += 1
            text = visit.page.inner_text("main")
            assert len(text) > 20, path
            assert visit.page.get_attribute("html", "lang") == ("zh-CN" if language == "zh" else "en")
            heading = visit.page.locator("h1, h2").first.inner_text()
            assert bool(CHINESE.search(visit.page.title())) == (language == "zh"), f"{path}: {visit.page.title()}"
            assert heading
            assert not re.search(r"Traceback|Undefined|\{\{|None\b.*None\b|jinja", text), f"{path}: {text}"
            assert visit.page.locator(".rehearsal").is_visible(), "what is rehearsed says so on every page"
            assert visit.complaints == [], f"{path}: {visit.complaints}"
    assert served >= 2 * 8
    visit.is_quiet()


def test_every_link_of_the_navigation_leads_somewhere(visit: Visit, platform: RunningPlatform) -> None:
    for role in (Role.PLATFORM_SYSTEM, Role.PLATFORM_SECURITY, Role.PLATFORM_AUDIT):
        seat = platform.person(role)
        visit.sign_in(seat.login, seat.password)
        links = [link.get_attribute("href") for link in visit.page.locator("nav.side a").all()]
        assert links
        for link in links:
            assert link and visit.go(link) == 200, f"{role}: {link}"
        visit.page.click("header form button")
        visit.page.wait_for_load_state()
    visit.is_quiet()


def test_the_overview_shows_what_was_bought_and_used(visit: Visit, platform: RunningPlatform, lived_in: Tenant) -> None:
    seat = platform.person(Role.TENANT_SYSTEM, lived_in)
    visit.sign_in(seat.login, seat.password)
    text = visit.page.inner_text("main")
    for word in ("时间戳", "签名验签", "应用接入", "强身份认证"):
        assert word in text
    assert "10000" in text.replace(",", "").replace(" ", "")
    visit.is_quiet()


def test_the_wizard_ends_with_a_command_for_each_service(visit: Visit, platform: RunningPlatform) -> None:
    tenant = platform.activate(spec(unique("c")))
    seat = platform.person(Role.TENANT_SYSTEM, tenant)
    visit.sign_in(seat.login, seat.password)
    visit.go("/console/onboarding")
    visit.page.fill("input[name=name]", "交易平台")
    visit.page.click("main form button[type=submit], main form button:not([type])")
    visit.page.wait_for_load_state()
    text = visit.page.inner_text("main")
    assert text.count("curl ") >= 4
    assert "ak_" in text
    visit.is_quiet()


def test_the_reference_page_needs_nobody_else(visit: Visit) -> None:
    assert visit.go("/reference") == 200
    visit.page.wait_for_load_state("networkidle")
    assert "timestamp" in visit.page.inner_text("body")
    visit.is_quiet()


def test_a_step_is_recorded_on_a_paper_and_a_click_is_none(visit: Visit, platform: RunningPlatform) -> None:
    tenant = platform.activate(spec(unique("d")))
    seat = platform.person(Role.TENANT_SYSTEM, tenant)
    visit.sign_in(seat.login, seat.password)
    visit.go("/console/performance")

    def send(scan: bytes) -> None:
        visit.go("/console/performance")
        visit.page.select_option("[name=what]", label="支付中期款 · 甲方确认")
        visit.page.fill("[name=done_on]", "2026-03-02")
        visit.page.fill("[name=paper]", "甲方确认函（盖章）")
        visit.page.fill("[name=arrived_at]", "2026-03-02T10:00")
        visit.page.set_input_files("[name=scan]", {"name": "a.pdf", "mimeType": "application/pdf", "buffer": scan})
        visit.page.click("form[enctype] button")
        visit.page.wait_for_load_state()

    send(b"no paper at all")
    assert "扫描件" in visit.page.inner_text("main")
    visit.complaints.clear()  # the browser notes the refusal
    send(b"%PDF-1.7\n" + bytes(200_000))
    assert visit.path == "/console/performance"
    text = visit.page.inner_text("main")
    assert "甲方确认函（盖章）" in text and "有效" in text
    with platform.session(seat) as client:
        [record] = client.call("performance.list", contract=tenant.contract)["items"]
    assert (record["step"], record["state"], record["arrived_at"]) == ("confirmation", "stands", "2026-03-02T02:00:00Z")
    visit.speak("en")
    visit.go("/console")
    assert "Pay instalment 1" in visit.page.inner_text("main")
    visit.is_quiet()
