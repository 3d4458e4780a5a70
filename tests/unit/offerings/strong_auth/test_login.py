"""Certificate login: what lets a person in, and everything that must not."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from tests.strong_auth import Hall

from miyun.core.challenge import CHALLENGE_LIFETIME, ChallengeInvalid
from miyun.core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from miyun.core.operation import Call, Principal, Role
from miyun.gm import sm2
from miyun.offerings.certificate.issuance import Order, subject_of
from miyun.offerings.strong_auth import messages as m
from miyun.offerings.strong_auth.errors import (
    AccountNotActive,
    CertificateRefused,
    LoginFailed,
    TooManyChallenges,
)
from miyun.offerings.strong_auth.report import messages as r
from miyun.wire import spki
from miyun.wire.x509 import parse_certificate


@pytest.fixture
def hall(tmp_path: Path) -> Hall:
    return Hall(tmp_path)


def test_a_bound_certificate_opens_a_session(hall: Hall) -> None:
    hall.bind()
    result = hall.login(hall.challenge())
    assert (result.account, result.revocation) == ("zhang", "good")
    view = hall.check(result.session)
    assert view.active and view.account == "zhang"


def test_an_account_is_named_by_certificates_of_its_own_tenant_only(hall: Hall) -> None:
    """Our own authorities issue to every tenant, and each chooses its names."""
    rule = m.SetPolicy(application="app_1", account_field="CN")
    hall.do(hall.service.set_policy, hall.security(), rule)
    private = sm2.generate_private_key()
    issued = hall.do(
        hall.rooms.issuer.issue,
        "ten_b",
        template="person",
        subject={"CN": "zhang"},
        spki=spki.sm2_spki(sm2.public_key(private)),
        at=hall.rooms.clock.now(),
    )
    pem, challenge = parse_certificate(issued.der).to_pem(), hall.challenge()
    with pytest.raises(CertificateRefused) as refused:
        hall.login(challenge, pem=pem, signature=sm2.sign(private, challenge.message))
    assert refused.value.reason == "another_tenant"
    assert hall.login(hall.challenge()).account == "zhang"
    challenge = hall.challenge()
    hall.bind("guest", pem)  # by its fingerprint, somebody says whose it is
    assert hall.login(challenge, pem=pem, signature=sm2.sign(private, challenge.message)).account == "guest"


def test_a_challenge_works_once(hall: Hall) -> None:
    hall.bind()
    challenge = hall.challenge()
    hall.login(challenge)
    with pytest.raises(ChallengeInvalid):
        hall.login(challenge)


def test_a_wrong_signature_uses_the_challenge_up(hall: Hall) -> None:
    hall.bind()
    challenge = hall.challenge()
    with pytest.raises(LoginFailed):
        hall.login(challenge, signature=sm2.sign(hall.private, b"something else"))
    with pytest.raises(ChallengeInvalid):
        hall.login(challenge)


def test_a_challenge_expires(hall: Hall) -> None:
    hall.bind()
    challenge = hall.challenge()
    hall.rooms.clock.advance(seconds=121)
    with pytest.raises(ChallengeInvalid):
        hall.login(challenge)


def test_no_challenge_lives_longer_because_the_clock_was_set_back(hall: Hall) -> None:
    hall.bind()
    challenge = hall.challenge()
    hall.rooms.step_clock(-60)
    with pytest.raises(ChallengeInvalid):
        hall.login(challenge)


@pytest.mark.parametrize(("tenant", "application"), [("ten_b", "app_1"), ("ten_a", "app_2")])
def test_a_challenge_belongs_to_its_application(hall: Hall, tenant: str, application: str) -> None:
    hall.bind()
    challenge = hall.challenge()
    with pytest.raises(ChallengeInvalid):
        hall.login(challenge, call=hall.call(tenant, application))


def test_the_signed_message_names_tenant_and_application(hall: Hall) -> None:
    lines = hall.challenge().message.decode().splitlines()
    assert lines[:3] == ["MIYUN-LOGIN-1", "ten_a", "app_1"]


def test_a_certificate_without_account_is_refused(hall: Hall) -> None:
    with pytest.raises(CertificateRefused):
        hall.login(hall.challenge())


def test_a_revoked_certificate_is_refused_and_its_session_ends(hall: Hall) -> None:
    hall.bind()
    session = hall.login(hall.challenge()).session
    hall.do(hall.rooms.issuer.revoke, hall.serial, "key_compromise", hall.rooms.clock.now())
    assert not hall.check(session).active
    with pytest.raises(CertificateRefused, match="revoked"):
        hall.login(hall.challenge())


def test_an_expired_certificate_is_refused(hall: Hall) -> None:
    hall.bind()
    hall.rooms.clock.advance(days=365 * 11)
    with pytest.raises(CertificateRefused, match=r"expired|untrusted"):
        hall.login(hall.challenge())


def test_a_tls_server_certificate_is_not_a_login_certificate(hall: Hall) -> None:
    issued = hall.do(
        hall.rooms.issuer.issue,
        "ten_a",
        template="tls_server",
        subject={"CN": "www.example.gov.cn"},
        spki=spki.sm2_spki(sm2.public_key(sm2.generate_private_key())),
        names=["www.example.gov.cn"],
        at=hall.rooms.clock.now(),
    )
    with pytest.raises(CertificateRefused, match=r"purpose|key_usage"):
        hall.bind(pem=parse_certificate(issued.der).to_pem())


def test_a_suspended_account_is_refused_and_can_be_resumed(hall: Hall) -> None:
    account = hall.bind()
    hall.do(hall.service.suspend_account, hall.call(), m.AccountRef(account_id=account.id))
    with pytest.raises(AccountNotActive):
        hall.login(hall.challenge())
    with pytest.raises(FailedPrecondition):
        hall.do(hall.service.suspend_account, hall.call(), m.AccountRef(account_id=account.id))
    hall.do(hall.service.resume_account, hall.call(), m.AccountRef(account_id=account.id))
    assert hall.login(hall.challenge()).account == "zhang"


def test_one_certificate_has_one_account_in_an_application(hall: Hall) -> None:
    hall.bind("zhang")
    with pytest.raises(AlreadyExists):
        hall.bind("li")


def test_another_tenant_cannot_touch_the_account(hall: Hall) -> None:
    account = hall.bind()
    for verb in (hall.service.suspend_account, hall.service.resume_account, hall.service.unbind_account):
        with pytest.raises(NotFound):
            hall.do(verb, hall.call("ten_b"), m.AccountRef(account_id=account.id))
    listed = hall.do(hall.service.reports.accounts, hall.call("ten_b"), r.ListAccounts())
    assert listed.items == []


def test_a_session_ends_when_idle_and_when_ended(hall: Hall) -> None:
    hall.bind()
    session = hall.login(hall.challenge()).session
    hall.rooms.clock.advance(minutes=20)
    assert hall.check(session).active
    hall.rooms.clock.advance(minutes=20)
    assert hall.check(session).active
    hall.rooms.clock.advance(minutes=31)
    assert not hall.check(session).active
    session = hall.login(hall.challenge()).session
    hall.do(hall.service.end_session, hall.call(), m.SessionToken(session=session))
    assert not hall.check(session).active


def test_sessions_are_forgotten_with_the_report_of_their_time(hall: Hall) -> None:
    hall.bind()
    opened = hall.rooms.clock.now()
    hall.login(hall.challenge())

    def kept() -> int:
        hall.do(hall.service.sweep)
        return len(hall.service.opened("ten_a", opened, opened + timedelta(days=1)))

    hall.rooms.clock.advance(days=400)
    assert kept() == 1, "the evidence of a year's contract has it"
    hall.rooms.clock.advance(days=1)
    assert kept() == 0


def test_the_token_itself_is_not_in_the_database(hall: Hall, tmp_path: Path) -> None:
    hall.bind()
    session = hall.login(hall.challenge()).session
    hall.rooms.database.close()
    for file in tmp_path.glob("test.db*"):
        assert session.encode() not in file.read_bytes()


def test_open_challenges_are_bounded(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("miyun.offerings.strong_auth.service.OPEN_CHALLENGES", 3)
    for _ in range(3):
        hall.challenge()
    with pytest.raises(TooManyChallenges):
        hall.challenge()
    hall.rooms.clock.advance(seconds=int(CHALLENGE_LIFETIME / timedelta(seconds=1)) + 1)
    hall.challenge()


@pytest.mark.parametrize(
    "text", ["x" * 80, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" + " " * 20]
)
def test_what_is_no_certificate_is_named(hall: Hall, text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        hall.bind(pem=text)
    assert caught.value.field == "certificate"


@pytest.mark.parametrize(("tenant", "application"), [("ten_b", "app_1"), ("ten_a", "app_2")])
def test_people_bind_accounts_only_to_an_application_of_their_own(hall: Hall, tenant: str, application: str) -> None:
    principal = Principal("usr_1", Role.TENANT_SECURITY, "li", tenant=tenant)
    call = Call(principal, "req_1", hall.rooms.clock.now(), "zh", tenant=tenant, instance="ins_1")
    request = m.BindAccount(account="zhang", certificate=hall.pem, application=application)
    with pytest.raises(NotFound):
        hall.do(hall.service.bind_account, call, request)


@pytest.mark.parametrize("verb", ["suspend_account", "unbind_account"])
def test_a_session_ends_with_the_account_it_was_opened_for(hall: Hall, verb: str) -> None:
    account = hall.bind()
    session = hall.login(hall.challenge()).session
    hall.do(getattr(hall.service, verb), hall.call(), m.AccountRef(account_id=account.id))
    assert not hall.check(session).active


def test_the_encryption_certificate_of_a_pair_logs_nobody_in(hall: Hall) -> None:
    """Its private key may be held by a key management centre too (GM/T 0034): it proves nothing of a person."""
    key = sm2.generate_private_key()
    order = Order(
        tenant="ten_a",
        template="person",
        subject=subject_of({"CN": "zhang"}),
        spki=spki.sm2_spki(sm2.public_key(sm2.generate_private_key())),
        encryption_spki=spki.sm2_spki(sm2.public_key(key)),
    )
    _, twin = hall.do(hall.rooms.certificate.issuance.issue, order, hall.rooms.clock.now())
    with pytest.raises(CertificateRefused):
        hall.bind(pem=parse_certificate(twin.der).to_pem())
