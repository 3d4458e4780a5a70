"""Logging in by the certificate of the connection: the same questions are asked as after a signature."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.strong_auth import Browser, Hall, Relying, answered, register

from miyun.core.challenge import ChallengeInvalid
from miyun.core.errors import MiyunError
from miyun.offerings.certificate.model import RevocationReason
from miyun.offerings.strong_auth import messages as m
from miyun.offerings.strong_auth.errors import AccountNotActive, CertificateNotGiven, CertificateRefused, NotBound
from miyun.offerings.strong_auth.report import messages as r
from miyun.wire.x509 import parse_certificate


@pytest.fixture
def hall(tmp_path: Path) -> Hall:
    return Hall(tmp_path)


@pytest.fixture
def browser(hall: Hall) -> Browser:
    return Browser(hall)


@pytest.fixture
def client(hall: Hall) -> Relying:
    return register(hall)


def certify(hall: Hall, name: str = "zhang", template: str = "person", tenant: str = "ten_a", **more: Any) -> bytes:
    """A certificate that browsers can hold: of an ECDSA key."""
    spki = ec.generate_private_key(ec.SECP256R1()).public_key()
    issued = hall.do(
        hall.rooms.issuer.issue,
        tenant,
        template=template,
        subject={"CN": name},
        spki=spki.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        at=hall.rooms.clock.now(),
        **more,
    )
    return bytes(issued.der)


@pytest.fixture
def certificate(hall: Hall) -> bytes:
    der = certify(hall)
    hall.bind("zhang", base64.b64encode(der).decode())
    return der


def refused(browser: Browser, client: Relying, certificate: bytes | None, error: type[MiyunError]) -> Any:
    query = client.query()
    with pytest.raises(error) as caught:
        browser.connect(query, browser.visit(query), certificate)
    assert browser.sso == ""
    return caught.value


@pytest.mark.parametrize("protocol", ["oidc", "cas"])
def test_the_connections_certificate_is_as_good_as_a_signature(
    hall: Hall, browser: Browser, certificate: bytes, protocol: str
) -> None:
    service = "https://old.example.gov.cn/"
    client = register(hall, protocol=protocol, **({"redirects": (service,)} if protocol == "cas" else {}))
    query = client.query() if protocol == "oidc" else f"service={service}"
    back = answered(browser.connect(query, browser.visit(query, protocol), certificate, protocol).redirect)
    assert back["code" if protocol == "oidc" else "ticket"]
    [attempt] = hall.do(hall.service.reports.report, hall.security(), r.AskReport()).items
    assert (attempt.method, attempt.outcome, attempt.account, attempt.signed) == ("mutual_tls", "ok", "zhang", True)
    [session] = hall.do(hall.service.reports.sessions, hall.security(), r.ListSessions()).items
    assert session.method == "mutual_tls"
    again = browser.go_on(query, protocol)
    assert answered(again.redirect).keys() == back.keys(), "single sign-on afterwards"


def test_tokens_tell_who_it_is(hall: Hall, browser: Browser, client: Relying, certificate: bytes) -> None:
    query = client.query()
    code = answered(browser.connect(query, browser.visit(query), certificate).redirect)["code"]
    _, tokens = client.redeem(code)
    status, info = client.call("userinfo", access_token=tokens["access_token"])
    serial = parse_certificate(certificate).serial
    assert status == 200 and info["sub"] == "zhang" and info["certificate"]["serial"] == f"{serial:X}"


@pytest.mark.parametrize("given", [None, b""])
def test_without_a_certificate_nobody_comes_in(browser: Browser, client: Relying, given: bytes | None) -> None:
    """None: at the address that asks for none, whatever the form says."""
    refused(browser, client, given, CertificateNotGiven)


def test_octets_that_are_no_certificate_are_refused(browser: Browser, client: Relying) -> None:
    assert refused(browser, client, b"\x30\x03\x02\x01\x01", CertificateRefused).reason == "unreadable"


def test_a_revoked_certificate_is_refused_and_noted(
    hall: Hall, browser: Browser, client: Relying, certificate: bytes
) -> None:
    serial = parse_certificate(certificate).serial
    hall.do(hall.rooms.issuer.revoke, serial, RevocationReason.KEY_COMPROMISE, hall.rooms.clock.now())
    assert refused(browser, client, certificate, CertificateRefused).reason == "revoked"
    [attempt] = hall.do(hall.service.reports.report, hall.security(), r.AskReport()).items
    assert (attempt.method, attempt.outcome) == ("mutual_tls", "CertificateRefused")


def test_an_expired_certificate_is_refused(hall: Hall, browser: Browser, client: Relying) -> None:
    der = certify(hall, days=1)
    hall.bind("short", base64.b64encode(der).decode())
    hall.rooms.clock.advance(seconds=86_500)
    assert refused(browser, client, der, CertificateRefused).reason == "expired"


def test_one_of_no_authority_of_the_lists_is_refused(browser: Browser, client: Relying) -> None:
    from tests.unit.wire.authority import ECDSA, pki

    assert refused(browser, client, pki(ECDSA).leaf.certificate.der, CertificateRefused).reason == "untrusted"


def test_a_certificate_for_something_else_is_refused(hall: Hall, browser: Browser, client: Relying) -> None:
    der = certify(hall, "www.example.gov.cn", "tls_server", names=("www.example.gov.cn",))
    assert refused(browser, client, der, CertificateRefused).reason == "purpose"


def test_a_good_certificate_of_nobody_here_is_refused(hall: Hall, browser: Browser, client: Relying) -> None:
    refused(browser, client, certify(hall, "somebody"), NotBound)


def test_a_suspended_account_is_refused(hall: Hall, browser: Browser, client: Relying) -> None:
    der = certify(hall)
    view = hall.bind("zhang", base64.b64encode(der).decode())
    hall.do(hall.service.suspend_account, hall.call(), m.AccountRef(account_id=view.id))
    refused(browser, client, der, AccountNotActive)


def test_it_begins_at_the_page_that_this_browser_was_shown(
    hall: Hall, browser: Browser, client: Relying, certificate: bytes
) -> None:
    """A page elsewhere that posts the form finds no challenge for this browser's cookie."""
    query = client.query()
    page = browser.visit(query)
    for changed in ({"challenge": ""}, {"challenge": "x.y"}, {"browser": ""}, {"browser": "another"}):
        with pytest.raises(ChallengeInvalid):
            browser.connect(query, page, certificate, **changed)
    with pytest.raises(ChallengeInvalid):
        browser.connect(register(hall).query(), page, certificate)
    hall.rooms.clock.advance(seconds=121)
    with pytest.raises(ChallengeInvalid):
        browser.connect(query, page, certificate)


def test_a_page_is_good_for_one_login(browser: Browser, client: Relying, certificate: bytes) -> None:
    query = client.query()
    page = browser.visit(query)
    browser.connect(query, page, certificate)
    with pytest.raises(ChallengeInvalid):
        browser.connect(query, page, certificate)
