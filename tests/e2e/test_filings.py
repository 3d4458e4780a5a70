"""Applications for certificates and key recovery in a real browser, by the people they take."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.applicants import Holder
from tests.belongings import Belongings, certified_abroad
from tests.e2e.test_console import Visit, browser, visit  # noqa: F401
from tests.platform import RunningPlatform, spec, unique

from miyun.core.operation import Role
from miyun.wire.x509 import load_certificates

pytestmark = pytest.mark.engine


def shoot(visit: Visit, name: str) -> None:  # noqa: F811
    """For whoever looks at the pages: MIYUN_SCREENSHOTS names a folder."""
    if folder := os.environ.get("MIYUN_SCREENSHOTS"):
        for language in ("zh", "en"):
            visit.speak(language)
            visit.page.reload()
            visit.page.screenshot(path=Path(folder) / f"{name}-{language}.png", full_page=True)
        visit.speak("zh")
        visit.page.reload()


def test_a_pair_is_applied_for_reviewed_and_its_key_recovered(
    visit: Visit,  # noqa: F811
    platform: RunningPlatform,
) -> None:
    tenant = platform.activate(spec(unique("f")))
    holder = Holder(unique("张三"))
    people = {role: platform.person(role, tenant) for role in (Role.TENANT_SECURITY, Role.TENANT_SYSTEM)}
    second = platform.person(Role.TENANT_SECURITY, tenant, who="second")

    def enter(role: Role) -> None:
        visit.context.clear_cookies()
        visit.sign_in(people[role].login, people[role].password)

    enter(Role.TENANT_SYSTEM)
    assert visit.go("/console/filings") == 200
    assert "尚无申请" in visit.page.inner_text("main")
    shoot(visit, "filings-empty")
    visit.page.fill("#csr", "not a request")
    visit.page.click("main form[method=post] button")
    visit.page.wait_for_load_state()
    assert "证书请求" in visit.page.get_by_role("alert").inner_text()
    assert visit.page.input_value("#csr") == "not a request"
    visit.complaints.clear()  # the browser notes the refusal
    visit.go("/console/filings")
    visit.page.select_option("#pair", "escrow")
    visit.page.fill("#csr", holder.csr())
    visit.page.fill("#on_behalf_of", holder.name)
    visit.page.click("main form[method=post] button")
    visit.page.wait_for_load_state()
    filing = visit.path
    assert "待审核" in visit.page.inner_text("main") and filing.startswith("/console/filings/apl_")
    assert visit.page.locator("form[action$=approve]").count() == 0

    enter(Role.TENANT_SECURITY)
    visit.go(filing)
    shoot(visit, "filing-review")
    visit.page.fill("#note", "已核对身份证件")
    visit.page.click("form[action$=approve] button")
    visit.page.wait_for_load_state()
    text = visit.page.inner_text("main")
    assert "已签发" in text and "已核对身份证件" in text
    shoot(visit, "filing-issued")
    for form in ("p7b", "chain", "enveloped_key"):
        with visit.page.expect_download() as sent:
            visit.page.click(f"a[href$='/file/{form}']")
        assert sent.value.path().read_bytes()
    visit.go("/console/filings")
    assert holder.name in visit.page.inner_text("main")
    shoot(visit, "filings")
    with visit.page.expect_download() as sent:
        visit.page.click("a[href$='exports/filings']")
    assert holder.name in sent.value.path().read_text("utf-8-sig")

    renewed = Holder(holder.name)
    with platform.session(people[Role.TENANT_SYSTEM]) as client:
        again = client.call("certificate.application.apply", template="person", csr=renewed.csr())
    with platform.session(people[Role.TENANT_SECURITY]) as client:
        client.call("certificate.application.approve", application=again["application"])
        receiver = bytes(client.call("certificate.application.file", application=again["application"])).decode()
    assert load_certificates(receiver)
    visit.go("/console/recoveries")
    visit.page.fill("#why", "智能密码钥匙损坏")
    visit.page.fill("#receiver", receiver)
    visit.page.click("form[action='/console/recoveries'][method=post] button")
    visit.page.wait_for_load_state()
    assert visit.page.locator("form[action$=approve], form[action$=authorise]").count() == 0
    enter(Role.TENANT_SYSTEM)
    visit.go("/console/recoveries")
    visit.page.click("form[action$=authorise] button")
    visit.page.wait_for_load_state()
    shoot(visit, "recoveries")
    with platform.session(second) as client:
        [asked] = client.call("certificate.recovery.list")["items"]
        client.call("certificate.recovery.approve", recovery=asked["recovery"])
    enter(Role.TENANT_SECURITY)
    visit.go("/console/recoveries")
    with visit.page.expect_download() as sent:
        visit.page.click("form[action$=collect] button")
    assert len(renewed.open(sent.value.path().read_bytes())) == 32
    visit.go("/console/recoveries")
    assert visit.page.locator("form[action$=collect]").count() == 0 and "已领取" in visit.page.inner_text("main")
    visit.is_quiet()


def test_an_ending_certificate_is_renewed_and_a_ca_outside_answers(
    visit: Visit,  # noqa: F811
    platform: RunningPlatform,
) -> None:
    tenant = platform.activate(spec(unique("f")))
    security, system = (platform.person(role, tenant) for role in (Role.TENANT_SECURITY, Role.TENANT_SYSTEM))
    with ExitStack() as clients:
        owner = Belongings(platform, tenant, platform.application(tenant, "办件"), clients)
        outside, csr, delivered = certified_abroad(owner)
        with platform.session(system) as client:
            short = client.call("certificate.application.apply", template="person", csr=Holder("短期").csr(), days=5)
        with platform.session(security) as client:
            client.call("certificate.application.approve", application=short["application"])
    visit.sign_in(system.login, system.password)
    visit.go("/console/filings")
    assert "三十天内到期" in visit.page.inner_text("main")
    shoot(visit, "filings-expiring")
    visit.page.click("form[action='/console/renewals'] button")
    visit.page.wait_for_load_state()
    assert "更新" in visit.page.inner_text("main") and visit.path.startswith("/console/filings/apl_")
    visit.go("/console/filings")
    visit.page.select_option("#outside", outside)
    visit.page.fill("#csr", csr)
    visit.page.click("form[action='/console/filings'][method=post] button")
    visit.page.wait_for_load_state()
    filing = visit.path
    visit.context.clear_cookies()
    visit.sign_in(security.login, security.password)
    visit.go(filing)
    visit.page.click("form[action$=approve] button")
    visit.page.wait_for_load_state()
    assert "已送外部机构" in visit.page.inner_text("main")
    shoot(visit, "filing-outside")
    visit.page.fill("#certificate", delivered)
    visit.page.click("form[action$=deliver] button")
    visit.page.wait_for_load_state()
    assert "已签发" in visit.page.inner_text("main")
    with visit.page.expect_download() as sent:
        visit.page.click("a[href$='/file/chain']")
    assert len(load_certificates(sent.value.path().read_text())) == 2
    visit.is_quiet()


def test_a_table_of_people_is_handed_in_and_reviewed_row_by_row(
    visit: Visit,  # noqa: F811
    platform: RunningPlatform,
    tmp_path: Path,
) -> None:
    tenant = platform.activate(spec(unique("b")))
    applicant = platform.person(Role.TENANT_SYSTEM, tenant)
    reviewer = platform.person(Role.TENANT_SECURITY, tenant)
    holders = [Holder(unique("某人")) for number in range(4)]
    table = tmp_path / "名册.csv"
    lines = ["编号,证书请求", *(f'{n},"{holder.csr()}"' for n, holder in enumerate(holders, 1)), "5,AAAA"]
    table.write_bytes("\r\n".join(lines).encode("gb18030"))

    visit.context.clear_cookies()
    visit.sign_in(applicant.login, applicant.password)
    assert visit.go("/console/filing-batches") == 200
    assert "尚无批次" in visit.page.inner_text("main")
    shoot(visit, "filing-batches-empty")
    visit.page.select_option("#template", "person")
    visit.page.set_input_files("#table", table)
    visit.page.fill("#note", "新入职人员")
    visit.page.click("form[enctype] button")
    visit.page.wait_for_load_state()
    text = visit.page.inner_text("main")
    assert "未能办理的行" in text and holders[3].name in text and "待审核" in text
    visit.go("/console/filing-batches")
    visit.page.click("tbody a")
    visit.page.wait_for_load_state()
    batch = visit.path
    assert visit.page.locator("main input[type=checkbox]").count() == 0, "the applicant decides nothing"

    visit.context.clear_cookies()
    visit.sign_in(reviewer.login, reviewer.password)
    visit.go(batch)
    shoot(visit, "filing-batch-review")
    visit.page.locator("tr", has_text=holders[1].name).locator("input[type=checkbox]").check()
    visit.page.fill("#reason", "已离职")
    visit.page.fill("#note", "核对名册")
    visit.page.get_by_role("button", name="审核并签发").click()
    visit.page.wait_for_load_state()
    text = visit.page.inner_text("main")
    assert text.count("已签发") >= 3 and "已离职" in text and "已办结" in text
    shoot(visit, "filing-batch-done")
    with visit.page.expect_download() as made:
        visit.page.click("a[href$='results/csv']")
    results = made.value.path().read_text("utf-8-sig")
    assert holders[0].name in results and results.count("已离职") == 1
