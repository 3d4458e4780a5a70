"""Whom the owner of a name lets issue for it (RFC 8659, RFC 8657)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.rooms import rooms_in
from tests.unit.offerings.ssl_certificate.desk import BASE, DIRECTORY, Desk, Holder, csr

from miyun.offerings.ssl_certificate.acme.order.caa import Asked, CaaRecord, permits, relevant
from miyun.offerings.ssl_certificate.acme.order.validation import DnsFailed

ACCOUNT = f"{BASE}/acme/account/acct_1"
US = "ca.example.net"
NAME = "www.example.cn"


def issue(value: str, tag: str = "issue", flags: int = 0) -> CaaRecord:
    return CaaRecord(flags, tag, value)


@pytest.mark.parametrize(
    ("records", "wildcard", "may"),
    [
        ([], False, True),
        ([issue(US)], False, True),
        ([issue("CA.Example.NET")], False, True),
        ([issue(f" {US} ; ")], False, True),
        ([issue("ca1.example.net")], False, False),
        ([issue("ca1.example.net"), issue(US)], False, True),
        ([issue(";")], False, False),
        ([issue("")], False, False),
        ([issue("%%%%%")], False, False),
        ([issue("mailto:a@b.cn", "iodef")], False, True),
        ([issue(US), issue("ca1.example.net", "issuewild")], False, True),
        ([issue(US), issue("ca1.example.net", "issuewild")], True, False),
        ([issue("ca1.example.net"), issue(US, "issuewild")], True, True),
        ([issue("ca1.example.net"), issue(US, "issuewild")], False, False),
        ([issue("ca1.example.net", "issuewild")], False, True),
        ([issue("ca1.example.net")], True, False),
        ([issue(US), issue("Unknown", "tbs", 128)], False, False),
        ([issue(US), issue("Unknown", "tbs")], False, True),
        ([issue(US, "ISSUE", 128)], False, True),
        ([issue(f"{US}; accounturi={ACCOUNT}")], False, True),
        ([issue(f"{US}; accounturi={ACCOUNT}2")], False, False),
        ([issue(f"{US}; validationmethods=http-01,dns-01")], False, True),
        ([issue(f"{US}; validationmethods=http-01")], False, False),
        ([issue(f"{US}; validationmethods=")], False, False),
        ([issue(f"{US}; policy=ev")], False, True),
        ([issue(f"{US}; accounturi")], False, False),
        ([issue(f"{US}; accounturi={ACCOUNT}; accounturi={ACCOUNT}2")], False, False),
    ],
)
def test_what_records_say(records: list[CaaRecord], wildcard: bool, may: bool) -> None:
    assert permits(records, Asked((US,), wildcard, ACCOUNT, "dns-01")) is may


def test_the_nearest_records_count() -> None:
    zone = {"example.cn": [issue(US)], "cn": [issue(";")]}
    asked: list[str] = []

    async def lookup(name: str) -> Sequence[CaaRecord]:
        asked.append(name)
        return zone.get(name, [])

    assert asyncio.run(relevant("a.www.example.cn", lookup)) == ([issue(US)], "example.cn")
    assert asked == ["a.www.example.cn", "www.example.cn", "example.cn"]
    assert asyncio.run(relevant("example.org", lookup)) == ((), "example.org")


class TestServer:
    @pytest.fixture
    def desk(self, tmp_path: Path) -> Desk:
        return Desk(rooms_in(tmp_path), caa_domains=(US,))

    def test_the_directory_names_us(self, desk: Desk) -> None:
        assert desk.ask("GET", DIRECTORY).json["meta"]["caaIdentities"] == [US]

    def test_who_is_forbidden_issues_nothing(self, desk: Desk, holder: Holder) -> None:
        desk.zone.caa_records["example.cn"] = [issue("ca1.example.net")]
        order = holder.order(NAME)
        holder.prove(order)
        found = holder.post(order.headers["location"]).json
        assert found["status"] == "invalid" and found["error"]["type"].endswith(":caa")

    def test_what_cannot_be_asked_is_asked_again_and_then_refused(
        self, desk: Desk, holder: Holder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def caa(name: str) -> list[CaaRecord]:
            raise DnsFailed("no answer")

        monkeypatch.setattr(desk.zone, "caa", caa)
        order = holder.order(NAME)
        holder.prove(order)
        assert holder.post(order.headers["location"]).json["status"] == "pending"
        for _ in range(2):
            desk.clock.advance(seconds=6)
            desk.validate()
        assert holder.post(order.headers["location"]).json["error"]["type"].endswith(":dns")

    def test_it_is_not_relied_upon_for_long(self, desk: Desk, holder: Holder) -> None:
        desk.zone.caa_records["example.cn"] = [issue(US)]
        order = holder.order(NAME)
        holder.prove(order)
        assert holder.post(order.headers["location"]).json["expires"] == "2026-03-02T16:30:00Z"
        desk.clock.advance(hours=8)
        assert holder.post(order.json["finalize"], {"csr": csr(NAME)}).error == "orderNotReady"
        assert holder.obtain(NAME).json["status"] == "valid"
