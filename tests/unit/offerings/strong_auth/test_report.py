"""The lists: who logged in and who did not, whose account is which, who is in now."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.strong_auth import Browser, Hall, register

from miyun.core.errors import InvalidArgument, NotFound
from miyun.gm import sm2
from miyun.offerings.strong_auth.errors import CertificateRefused, LoginFailed
from miyun.offerings.strong_auth.report import messages as r
from miyun.offerings.strong_auth.report.model import FAILURES
from miyun.offerings.strong_auth.report.service import TooManyFailures


@pytest.fixture
def hall(tmp_path: Path) -> Hall:
    hall = Hall(tmp_path)
    hall.bind()
    return hall


def report(hall: Hall, tenant: str = "ten_a", **asked: Any) -> r.Report:
    return hall.do(hall.service.reports.report, hall.security(tenant), r.AskReport(**asked))


def fail(hall: Hall) -> None:
    with pytest.raises(LoginFailed):
        hall.login(hall.challenge(), signature=sm2.sign(hall.private, b"something else"))


def test_every_login_is_told_with_its_certificate_and_how_it_was_checked(hall: Hall) -> None:
    hall.login(hall.challenge())
    [item] = report(hall).items
    assert (item.account, item.outcome, item.revocation, item.method) == ("zhang", "ok", "good", "api")
    assert item.serial == f"{hall.serial:X}" and "zhang" in item.subject
    assert not report(hall, "ten_b").items


def test_failures_are_told_with_their_reason(hall: Hall) -> None:
    fail(hall)
    hall.do(hall.rooms.issuer.revoke, hall.serial, "key_compromise", hall.rooms.clock.now())
    with pytest.raises(CertificateRefused):
        hall.login(hall.challenge())
    assert [item.outcome for item in report(hall, sort="at").items] == ["LoginFailed", "CertificateRefused"]
    assert report(hall, outcome="ok").items == []


def test_a_login_by_the_browsers_session_is_told_apart(hall: Hall) -> None:
    client, browser = register(hall), Browser(hall)
    browser.log_in(client.query())
    hall.rooms.clock.advance(seconds=1)
    browser.go_on(client.query())
    again, first = report(hall).items
    assert first.signed and not again.signed
    assert first.client == again.client == client.view.client and first.method == "oidc"


def test_the_report_pages_and_sorts(hall: Hall) -> None:
    for number in range(5):
        hall.rooms.clock.advance(seconds=number + 1)
        hall.login(hall.challenge())
        fail(hall)
    whole = [item.outcome for item in report(hall, sort="outcome", limit=100).items]
    assert whole == sorted(whole) and len(whole) == 10
    seen: list[Any] = []
    cursor = None
    while True:
        page = report(hall, sort="-at", limit=3, cursor=cursor)
        seen += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(seen) == 10 and [i.at for i in seen] == sorted((i.at for i in seen), reverse=True)
    with pytest.raises(InvalidArgument):
        report(hall, sort="nonsense")
    now = hall.rooms.clock.now()
    assert len(report(hall, start=now, end=now + timedelta(seconds=1)).items) == 2


def test_the_report_is_taken_away_as_a_file(hall: Hall) -> None:
    hall.login(hall.challenge())

    async def read() -> bytes:
        file = await hall.service.reports.export_report(hall.security(), r.ExportReport(format="csv"))
        return b"".join([chunk async for chunk in file.chunks])

    text = asyncio.run(read()).decode("utf-8-sig")
    assert text.splitlines()[0].startswith("时间,应用") and "zhang" in text.splitlines()[1]


def test_accounts_are_found_sorted_and_exported(hall: Hall) -> None:
    for name in ("wang", "li"):
        hall.bind(name, hall.certificate(sm2.generate_private_key())[0])

    def listed(**asked: Any) -> list[str]:
        found = hall.do(hall.service.reports.accounts, hall.call(), r.ListAccounts(**asked))
        return [item.account for item in found.items]

    assert listed() == ["zhang", "wang", "li"] and listed(sort="account") == ["li", "wang", "zhang"]
    assert listed(text="wan") == ["wang"] and listed(text=f"{hall.serial:x}") == ["zhang"]
    assert hall.do(hall.service.reports.accounts, hall.call("ten_b"), r.ListAccounts()).items == []


def test_an_open_session_is_listed_and_can_be_ended(hall: Hall) -> None:
    token = hall.login(hall.challenge()).session

    def open_ones(tenant: str = "ten_a") -> list[r.OpenSession]:
        return hall.do(hall.service.reports.sessions, hall.security(tenant), r.ListSessions()).items

    [session] = open_ones()
    assert session.account == "zhang" and token not in repr(session)
    assert not hall.check(session.session_id).active, "its name opens nothing"
    assert open_ones("ten_b") == []
    request = r.SessionRef(session_id=session.session_id)
    with pytest.raises(NotFound):
        hall.do(hall.service.reports.end, hall.security("ten_b"), request)
    assert hall.check(token).active
    hall.do(hall.service.reports.end, hall.security(), request)
    assert not hall.check(token).active and open_ones() == []


def test_an_idle_session_is_not_open(hall: Hall) -> None:
    hall.login(hall.challenge())
    hall.rooms.clock.advance(minutes=31)
    assert hall.do(hall.service.reports.sessions, hall.security(), r.ListSessions()).items == []


def test_an_address_that_fails_too_often_has_to_wait(hall: Hall) -> None:
    client, browser = register(hall), Browser(hall)
    query = client.query()
    call = hall.public()
    call.peer = "203.0.113.7"
    hall.public = lambda: _from(call, hall)  # type: ignore[method-assign]
    for _ in range(FAILURES):
        with pytest.raises(LoginFailed):
            browser.sign(query, browser.visit(query), signature=sm2.sign(hall.private, b"something else"))
    with pytest.raises(TooManyFailures):
        browser.sign(query, browser.visit(query))
    call.peer = "203.0.113.8"
    browser.sign(query, browser.visit(query))
    call.peer = "203.0.113.7"
    hall.rooms.clock.advance(minutes=16)
    another = Browser(hall)
    another.sign(query, another.visit(query))


def _from(call: Any, hall: Hall) -> Any:
    fresh = type(call)(call.principal, "req_1", hall.rooms.clock.now(), "zh", peer=call.peer)
    return fresh


def test_the_dossier_has_the_logins_of_the_period(hall: Hall) -> None:
    from miyun.offerings.strong_auth.evidence import evidence

    hall.login(hall.challenge())
    now = hall.rooms.clock.now()
    made = hall.do(evidence, hall.service, tenant="ten_a", instance="ins_1", start=now, end=now + timedelta(seconds=1))
    assert any(b"zhang" in item.content for item in made)
