"""People in the console: one administrator makes an account, another empowers it, and neither can use it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from tests.e2e.furnishing import furnish
from tests.e2e.test_console import PASSWORD, Visit, browser, visit  # noqa: F401
from tests.e2e.test_pages import DESK, faults, look
from tests.platform import RunningPlatform, Seat, spec, unique

from miyun.core.operation import Role

pytestmark = pytest.mark.engine

HALF = re.compile("[2-9a-zA-Z]{10}")


def as_seat(visit: Visit, seat: Seat) -> None:  # noqa: F811
    visit.context.clear_cookies()
    visit.sign_in(seat.login, seat.password)
    assert visit.path == "/console"


def submit(visit: Visit, verb: str) -> None:  # noqa: F811
    visit.page.click(f"form:has([name=verb][value={verb}]) button")
    visit.page.wait_for_load_state()


def half(visit: Visit, language: str = "zh") -> str:  # noqa: F811
    """What the page shows once: neither its address nor looking again has it."""
    page = visit.page
    once = "只显示这一次" if language == "zh" else "shown this once"
    assert once in page.get_by_role("alert").inner_text()
    text = page.inner_text("#half")
    assert HALF.fullmatch(text) and text not in page.url
    page.set_viewport_size(DESK)
    folder, name = os.environ.get("MIYUN_SCREENSHOTS"), f"half-{language}-{visit.path.strip('/').replace('/', '-')}"
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
    assert faults(page, language, visit.path, ("李四",)) == []
    if folder:
        page.screenshot(path=Path(folder) / f"{name}-390.png", full_page=True)
    page.set_viewport_size(DESK)
    return text


def test_two_administrators_make_a_third_who_signs_in(visit: Visit, platform: RunningPlatform) -> None:  # noqa: F811
    tenant = platform.activate(spec(unique("p")))
    system = platform.person(Role.TENANT_SYSTEM, tenant)
    security = platform.person(Role.TENANT_SECURITY, tenant)
    page, login = visit.page, f"lisi@{tenant.code}"
    page.on("dialog", lambda dialog: dialog.accept())

    as_seat(visit, system)
    visit.go("/console/people")
    page.fill("#login", "system")  # taken
    page.fill("#name", "李四")
    page.click("form[method=post][action='/console/people'] button")
    page.wait_for_load_state()
    visit.complaints.clear()  # the browser notes the refusal
    assert page.get_by_role("alert").is_visible() and page.input_value("#name") == "李四"
    page.fill("#login", "lisi")
    page.click("form[method=post][action='/console/people'] button")
    page.wait_for_load_state()
    first = half(visit)
    assert page.locator("select#roles").count() == 0, "who makes an account does not empower it"
    visit.go("/console/people")
    row = page.locator("tbody tr", has_text=login)
    assert "李四" in row.inner_text() and "待指定角色" in row.inner_text()
    row.locator("a").click()
    page.wait_for_load_state()
    address = visit.path
    assert first not in page.content(), "the half was shown once"

    as_seat(visit, security)
    visit.go(address)
    offered = page.locator("select#roles option").all_inner_texts()
    assert "租户系统管理员、租户应用开发" in offered or "租户应用开发、租户系统管理员" in offered
    assert not any("安全" in label and "、" in label for label in offered), "no such two roles for one person"
    page.select_option("#roles", label="租户安全管理员")
    submit(visit, "assign")
    second = half(visit)
    assert second != first and first not in page.content()
    visit.go(address)
    assert second not in page.content() and "在用" in page.inner_text("h1")

    visit.context.clear_cookies()
    visit.sign_in(login, f"{first}-{first}")
    assert visit.path == "/console/login", "one half is not enough"
    visit.complaints.clear()
    visit.first_sign_in(login, f"{first}-{second}")
    assert visit.path == "/console" and "租户安全管理员" in page.inner_text("header")
    visit.go(address)
    assert "您本人" in page.inner_text("main") and page.locator("select#roles").count() == 0
    assert page.locator("tbody tr", has_text="当前会话").count() == 1
    submit(visit, "end_sessions")
    assert visit.path == "/console/login"
    visit.sign_in(login, PASSWORD)
    assert visit.path == "/console"

    as_seat(visit, system)
    visit.go(address)
    visit.speak("en")
    submit(visit, "reset")
    first = half(visit, "en")
    assert "resetting" in page.inner_text("h1")
    as_seat(visit, security)
    visit.go(address)
    visit.speak("en")
    submit(visit, "confirm")
    second = half(visit, "en")
    visit.context.clear_cookies()
    visit.first_sign_in(login, f"{first}-{second}")
    assert visit.path == "/console"

    as_seat(visit, system)
    visit.go(address)
    submit(visit, "disable")
    assert "停用" in page.inner_text("h1") and page.locator("[name=verb]").count() == 0
    visit.go("/console/people?state=disabled")
    assert page.locator("tbody tr").count() == 1
    as_seat(visit, security)
    visit.go(address)
    submit(visit, "enable")
    assert "在用" in page.inner_text("h1")
    with platform.session(security) as client:
        [person] = client.call("account.person.list", text="lisi")["items"]
    assert person["roles"] == ["tenant.security"] and person["state"] == "active"
    visit.is_quiet()


def test_the_last_administrator_stays(visit: Visit, platform: RunningPlatform) -> None:  # noqa: F811
    tenant = platform.activate(spec(unique("p")))
    auditor = platform.person(Role.TENANT_AUDIT, tenant)
    as_seat(visit, platform.person(Role.TENANT_SYSTEM, tenant))
    visit.page.on("dialog", lambda dialog: dialog.accept())
    visit.go(f"/console/people/{auditor.id}")
    submit(visit, "disable")
    visit.complaints.clear()  # the browser notes the refusal
    assert "最后一名" in visit.page.get_by_role("alert").inner_text()
    assert "在用" in visit.page.inner_text("h1")
    visit.is_quiet()


def test_the_platform_s_own_people_are_fit_to_be_read(visit: Visit, platform: RunningPlatform) -> None:  # noqa: F811
    for role in (Role.PLATFORM_SYSTEM, Role.PLATFORM_SECURITY, Role.PLATFORM_AUDIT):
        seat = platform.person(role)
        as_seat(visit, seat)
        other = platform.person(Role.SUPPLIER_STAFF, who="people")
        paths = ["/console/people", f"/console/people/{other.id}", f"/console/people/{seat.id}"]
        assert look(visit, paths, role, ("平台系统管理员", "平台安全管理员", "平台审计管理员", "某人", "新人")) == []
        assert visit.elsewhere == []


def test_anybody_is_found_where_a_person_is_wanted(visit: Visit, platform: RunningPlatform) -> None:  # noqa: F811
    """More people than a page lists, and without a script: they are looked for, not leafed through."""
    furnished = furnish(platform)
    seat, page = platform.person(Role.TENANT_SYSTEM, furnished.tenant), visit.page
    login = unique("zz-last")
    with platform.session(seat) as system:
        person = system.call("account.person.create", login=login, name="最后一人")["person"]["person"]
        key = system.call("usbkey.key.list", state="personalised")["items"][0]["usbkey"]
    with platform.session(platform.person(Role.TENANT_SECURITY, furnished.tenant)) as security:
        security.call("account.person.assign_roles", person=person, roles=["tenant.developer"])
    visit.sign_in(seat.login, seat.password)
    visit.go("/console/filings")
    page.click("summary:has-text('先查找此人')")
    page.fill("#find", "最后")
    page.click("form:has(#find) button")
    page.wait_for_load_state()
    page.click(".found a")
    page.wait_for_load_state()
    assert page.input_value("#on_behalf_of") == f"最后一人 {login}@{furnished.tenant.code}"
    visit.go(f"/console/usbkeys/{key}")
    page.fill("#find", "nobody of that name")
    page.click("form:has(#find) button")
    page.wait_for_load_state()
    assert "可直接填写姓名" in page.inner_text(".found")
    page.fill("#find", login)
    page.click("form:has(#find) button")
    page.wait_for_load_state()
    page.click(".found button")
    page.wait_for_load_state()
    assert "最后一人" in page.inner_text("main dl") and "已发放" in page.inner_text("h1")
    visit.is_quiet()
