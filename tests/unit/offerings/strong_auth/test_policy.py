"""What an application asks of certificates: which authorities, how far they are looked into, whose account they are."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.standin import call_of
from tests.strong_auth import Browser, Hall, register
from tests.unit.offerings.certificate.outside import Outside
from tests.unit.wire.authority import NOW

from miyun.core.errors import InvalidArgument, NotFound
from miyun.offerings.certificate.trust import messages as t
from miyun.offerings.strong_auth import messages as m
from miyun.offerings.strong_auth.errors import AccountNotActive, CertificateRefused, NotBound
from miyun.offerings.strong_auth.report import messages as r
from miyun.wire.name import Name
from miyun.wire.revoked import Reason, RevokedEntry


class Abroad(Hall):
    """With an authority that is none of ours, on the tenant's trust list `outside`, and one of its certificates."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.rooms.clock.at = NOW
        self.outside = Outside()
        self.trust = self.rooms.certificate.trust
        self.ask(self.trust.create_list, t.CreateList(name="outside"))
        root, self.issuing = (
            self.ask(
                self.trust.add_authority,
                t.AddAuthority(trust_list="outside", certificate=identity.certificate.to_pem(), anchor=anchor),
            ).trust_ca
            for identity, anchor in ((self.outside.root, True), (self.outside.issuing, False))
        )
        self.upload(root, by=self.outside.root, lifetime=timedelta(days=30))
        self.pem = self.outside.leaf.certificate.to_pem()

    def ask(self, verb: Any, request: Any) -> Any:
        return self.do(verb, call_of("ten_a", self.rooms.clock), request)

    def upload(self, authority: str, *revoked: RevokedEntry, **options: Any) -> None:
        crl = self.outside.list(revoked, **options)
        self.ask(self.trust.upload_crl, t.UploadCrl(trust_ca=authority, crl=crl))

    def allow(self, **values: Any) -> m.PolicyView:
        request = m.SetPolicy(application="app_1", **{"lists": ("outside",), **values})
        return self.do(self.service.set_policy, self.call(), request)

    def renew(self, field: str = "CN", *values: str) -> None:
        """The key goes on with another certificate."""
        subject = Name.of(*((field, value) for value in values or ["李四"]))
        self.outside.leaf = self.outside.certify("", serial=78, subject=subject)
        self.pem = self.outside.leaf.certificate.to_pem()

    def enter(self) -> m.LoginResult:
        challenge = self.challenge()
        return self.login(challenge, signature=self.outside.leaf.key.sign(challenge.message))


@pytest.fixture
def abroad(tmp_path: Path) -> Abroad:
    return Abroad(tmp_path)


def test_an_outside_authority_is_trusted_by_the_list_the_application_names(abroad: Abroad) -> None:
    with pytest.raises(CertificateRefused) as refused:
        abroad.bind()
    assert refused.value.reason == "untrusted"
    abroad.allow()
    with pytest.raises(CertificateRefused, match=r"not obtained|no source") as refused:
        abroad.bind()
    assert refused.value.reason == "status_unknown", "nothing says that it is not revoked"
    abroad.upload(abroad.issuing)
    abroad.bind("li")
    assert abroad.enter().revocation == "good"


def test_a_list_out_of_date_lets_people_in_for_as_long_as_the_application_bears_with_it(abroad: Abroad) -> None:
    abroad.allow()
    abroad.upload(abroad.issuing)
    abroad.bind("li")
    session = abroad.enter().session
    abroad.rooms.clock.advance(hours=24)  # the list ended an hour ago
    with pytest.raises(CertificateRefused) as refused:
        abroad.enter()
    assert refused.value.reason == "status_stale"
    abroad.allow(stale_seconds=2 * 3600)
    assert abroad.enter().revocation == "stale"
    abroad.rooms.clock.advance(hours=2)
    with pytest.raises(CertificateRefused, match="out of date"):
        abroad.enter()
    assert not abroad.check(session).active


def test_a_revocation_of_the_outside_authority_ends_sessions_with_the_list_that_says_so(abroad: Abroad) -> None:
    abroad.allow()
    abroad.upload(abroad.issuing)
    abroad.bind("li")
    session = abroad.enter().session
    assert abroad.check(session).active
    entry = RevokedEntry(77, NOW - timedelta(minutes=1), Reason.KEY_COMPROMISE)
    abroad.upload(abroad.issuing, entry, number=2, at=NOW)
    assert not abroad.check(session).active
    with pytest.raises(CertificateRefused) as refused:
        abroad.enter()
    assert refused.value.reason == "revoked"


def test_where_only_the_chain_is_asked_for_nothing_is_said_of_revocation(abroad: Abroad) -> None:
    abroad.allow(level="chain")
    abroad.bind("li")
    assert abroad.enter().revocation == "unchecked"


def test_a_policy_is_of_one_application_and_names_lists_that_are_there(abroad: Abroad) -> None:
    abroad.allow()
    with pytest.raises(CertificateRefused):
        abroad.do(
            abroad.service.bind_account, abroad.call("ten_b"), m.BindAccount(account="li", certificate=abroad.pem)
        )
    with pytest.raises(InvalidArgument) as refused:
        abroad.allow(lists=("insid",))
    assert refused.value.field == "lists"
    with pytest.raises(NotFound):
        abroad.do(abroad.service.set_policy, abroad.security("ten_b"), m.SetPolicy(application="app_1"))


def test_the_certificate_may_name_the_account_itself(abroad: Abroad) -> None:
    abroad.allow(level="chain")
    with pytest.raises(NotBound):
        abroad.enter()
    abroad.allow(level="chain", account_field="CN")
    assert abroad.enter().account == "李四"
    [kept] = abroad.do(abroad.service.reports.accounts, abroad.call(), r.ListAccounts()).items
    assert kept.account == "李四", "it can be suspended like any other"
    abroad.do(abroad.service.unbind_account, abroad.call(), m.AccountRef(account_id=kept.id))
    abroad.allow(level="chain", account_field="UID")
    with pytest.raises(CertificateRefused) as refused:
        abroad.enter()
    assert refused.value.reason == "account_field"


def test_who_is_suspended_does_not_come_back_with_another_certificate(abroad: Abroad) -> None:
    abroad.allow(level="chain", account_field="CN")
    abroad.enter()
    [kept] = abroad.do(abroad.service.reports.accounts, abroad.call(), r.ListAccounts()).items
    abroad.do(abroad.service.suspend_account, abroad.call(), m.AccountRef(account_id=kept.id))
    abroad.renew()
    with pytest.raises(AccountNotActive):
        abroad.enter()
    abroad.do(abroad.service.resume_account, abroad.call(), m.AccountRef(account_id=kept.id))
    assert abroad.enter().account == "李四"


@pytest.mark.parametrize("values", [("张三", "李四"), ("李" * 129,), ("root\nli",)], ids=["two", "long", "lines"])
def test_a_name_that_is_no_accounts_is_not_cut_to_one(abroad: Abroad, values: tuple[str, ...]) -> None:
    abroad.allow(level="chain", account_field="UID")
    abroad.renew("UID", *values)
    with pytest.raises(CertificateRefused) as refused:
        abroad.enter()
    assert refused.value.reason == "account_field"


def test_opening_the_page_keeps_no_account(abroad: Abroad) -> None:
    client = register(abroad)
    abroad.allow(level="chain", account_field="CN")
    browser = Browser(abroad)
    query = client.query()
    page = browser.visit(query)
    browser.sign(query, page, signature=abroad.outside.leaf.key.sign(page.message.encode()))
    [kept] = abroad.do(abroad.service.reports.accounts, abroad.call(), r.ListAccounts()).items
    abroad.do(abroad.service.unbind_account, abroad.call(), m.AccountRef(account_id=kept.id))
    assert browser.visit(client.query()).known
    assert not abroad.do(abroad.service.reports.accounts, abroad.call(), r.ListAccounts()).items


def test_the_policy_is_shown_as_it_was_set(abroad: Abroad) -> None:
    assert abroad.do(abroad.service.get_policy, abroad.call(), m.PolicyRef(application="app_1")).level == "revocation"
    set_so = abroad.allow(level="ocsp", stale_seconds=60, account_field="serialNumber")
    assert abroad.do(abroad.service.get_policy, abroad.call(), m.PolicyRef(application="app_1")) == set_so
