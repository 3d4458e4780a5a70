"""Trust lists, verification of signed files and kept evidence in a real browser."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest
from tests.belongings import outside_authority
from tests.e2e.test_console import Visit, browser, visit  # noqa: F401
from tests.e2e.test_filings import shoot
from tests.platform import RunningPlatform, spec, unique

from miyun.core.operation import Role
from miyun.offerings.signature.pdf.operations import _PDF

pytestmark = pytest.mark.engine
DATA = "关于某事的批复".encode()


def file(folder: Path, name: str, octets: bytes) -> str:
    (folder / name).write_bytes(octets)
    return str(folder / name)


def test_a_signed_file_is_verified_and_kept(
    visit: Visit,  # noqa: F811
    platform: RunningPlatform,
    tmp_path: Path,
) -> None:
    tenant = platform.activate(spec(unique("g")))
    application = platform.application(tenant, "公文")
    system = platform.person(Role.TENANT_SYSTEM, tenant)
    security = platform.person(Role.TENANT_SECURITY, tenant)
    with platform.session(security) as client:
        client.call(
            "signature.signer.create",
            name="approval",
            subject={"CN": "审批系统"},
            algorithm="EC-P256",
            applications=[application.id],
        )
    with platform.client(application) as client:
        message = base64.b64decode(
            client.call(
                "signature.cms.sign", signer="approval", content=base64.b64encode(DATA).decode(), timestamp=True
            )["cms"]
        )
        pdf = base64.b64decode(client.call("signature.pdf.sign", signer="approval", pdf=_PDF)["pdf"])
    visit.sign_in(system.login, system.password)

    visit.go("/console/verify")
    shoot(visit, "verify-empty")
    for name, octets, valid, words in (
        ("message.p7s", message, True, ("审批系统", "时间戳")),
        ("message.p7s", message.replace(DATA, DATA[::-1]), False, ("杂凑值不一致",)),
        ("signed.pdf", pdf, True, ("Signature1", "整个文件")),
        ("signed.pdf", pdf.replace(b"/MediaBox[0 0 595", b"/MediaBox[0 0 999"), False, ("杂凑值不一致",)),
        ("note.txt", b"hello", False, ("格式错误",)),
    ):
        visit.go("/console/verify")
        visit.page.set_input_files("#signed", file(tmp_path, name, octets))
        visit.page.click("main form button")
        visit.page.wait_for_load_state()
        text = visit.page.inner_text("main")
        assert ("签名有效" in text) is valid, text
        assert all(word in text for word in words), text
        if folder := os.environ.get("MIYUN_SCREENSHOTS"):  # a page that a form made is not loaded again
            shot = f"verified-{name}-{'good' if valid else 'bad'}.png"
            visit.page.screenshot(path=Path(folder) / shot, full_page=True)

    visit.go("/console/evidence")
    assert "尚无证据" in visit.page.inner_text("main")
    shoot(visit, "evidence-empty")
    visit.page.fill("#name", "批复 2026-001")
    visit.page.set_input_files("#signed", file(tmp_path, "signed.pdf", pdf))
    visit.page.click("main form button")
    visit.page.wait_for_load_state()
    assert visit.path.startswith("/console/evidence/evd_")
    for _ in range(120):
        if visit.page.locator("a[href$='/file']").count():
            break
        visit.page.wait_for_timeout(500)
        visit.page.reload()
    shoot(visit, "evidence-one")
    with visit.page.expect_download() as sent:
        visit.page.click("a[href$='/file']")
    assert sent.value.path().read_bytes().startswith(b"PK")
    visit.go("/console/evidence")
    assert "批复 2026-001" in visit.page.inner_text("main")
    shoot(visit, "evidence")
    with visit.page.expect_download() as sent:
        visit.page.click("a[href$='exports/evidence']")
    assert "批复 2026-001" in sent.value.path().read_text("utf-8-sig")
    visit.is_quiet()


def test_an_outside_authority_is_put_on_a_list(
    visit: Visit,  # noqa: F811
    platform: RunningPlatform,
    tmp_path: Path,
) -> None:
    tenant = platform.activate(spec(unique("h")))
    seat = platform.person(Role.TENANT_SECURITY, tenant)
    pem, crl = outside_authority()
    visit.sign_in(seat.login, seat.password)
    visit.go("/console/trust")
    assert "本平台自有 CA" in visit.page.inner_text("main")
    visit.page.fill("#name", "outside")
    visit.page.fill("#note", "合作单位")
    visit.page.click("main form button")
    visit.page.wait_for_load_state()
    where = visit.path
    assert "尚无 CA" in visit.page.inner_text("main")
    shoot(visit, "trust-list-empty")
    visit.page.set_input_files("#certificate", file(tmp_path, "ca.pem", pem.encode()))
    visit.page.click("form[action$='/add'] button")
    visit.page.wait_for_load_state()
    assert visit.path == where and "Foreign" in visit.page.inner_text("main")
    visit.page.click("summary")
    visit.page.set_input_files("input[name=crl]", file(tmp_path, "ca.crl", crl))
    visit.page.click("form[action$='/crl'] button")
    visit.page.wait_for_load_state()
    assert "第 1 号" in visit.page.inner_text("main")
    shoot(visit, "trust-list")
    visit.go("/console/trust")
    shoot(visit, "trust")
    visit.is_quiet()
