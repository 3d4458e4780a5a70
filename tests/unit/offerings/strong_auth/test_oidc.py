"""OpenID Connect: who gets a code, who gets tokens, and everything that must end them."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from authlib.oidc.discovery import OpenIDProviderMetadata
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from joserfc import jwt
from joserfc.jwk import KeySet
from tests.standin import START
from tests.strong_auth import CALLBACK, Browser, Hall, Relying, answered, register

from miyun.core.challenge import ChallengeInvalid
from miyun.core.errors import InvalidArgument, NotEntitled, NotFound
from miyun.core.ports import Custody
from miyun.gm import sm2
from miyun.offerings.strong_auth import messages as m
from miyun.offerings.strong_auth.errors import (
    AccountNotActive,
    CertificateRefused,
    LoginFailed,
)
from miyun.offerings.strong_auth.report import messages as r
from miyun.offerings.strong_auth.sso import messages as sso
from miyun.offerings.strong_auth.sso.errors import AnotherAccount, SessionUnknown, SignOnRefused
from miyun.offerings.strong_auth.sso.model import SigningKey, published, signing
from miyun.wire import pem
from miyun.wire.x509 import parse_certificate

ISSUER = "https://login.test/oidc/ten_a"


@pytest.fixture
def hall(tmp_path: Path) -> Hall:
    hall = Hall(tmp_path)
    hall.bind()
    return hall


@pytest.fixture
def browser(hall: Hall) -> Browser:
    return Browser(hall)


@pytest.fixture
def client(hall: Hall) -> Relying:
    return register(hall)


def claims_of(hall: Hall, token: str) -> dict[str, Any]:
    keys = json.loads(hall.do(hall.service.sso.key_set, hall.public(), sso.Published(tenant="ten_a")).body)
    return jwt.decode(token, KeySet.import_key_set(keys), algorithms=["ES256", "RS256"]).claims


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_a_signature_becomes_a_code_and_the_code_tokens(hall: Hall, browser: Browser, algorithm: str) -> None:
    client = register(hall, algorithm=algorithm)
    back = browser.log_in(client.query())
    assert back["state"] == "st4te" and back["iss"] == ISSUER
    status, tokens = client.redeem(back["code"])
    assert status == 200, tokens
    claims = claims_of(hall, tokens["id_token"])
    assert claims["iss"] == ISSUER and claims["aud"] == client.view.client and claims["sub"] == "zhang"
    assert claims["nonce"] == "n0nce" and claims["acr"] == "urn:miyun:acr:certificate" and claims["amr"] == ["pop"]
    assert claims["auth_time"] == int(hall.rooms.clock.now().timestamp())
    assert claims["certificate"]["serial"] == f"{hall.serial:X}"
    status, info = client.call("userinfo", access_token=tokens["access_token"])
    assert status == 200 and info["sub"] == "zhang"


def test_an_sm2_token_verifies_by_its_published_key(hall: Hall, browser: Browser) -> None:
    client = register(hall, algorithm="SM2SM3")
    _, tokens = client.redeem(browser.log_in(client.query())["code"])
    head, body, value = tokens["id_token"].split(".")
    header = json.loads(base64.urlsafe_b64decode(head + "=="))
    document = hall.do(hall.service.sso.key_set_sm2, hall.public(), sso.Published(tenant="ten_a"))
    [key] = json.loads(document.body)["keys"]
    assert header == {"alg": "SM2SM3", "kid": key["kid"], "typ": "JWT"} and key["crv"] == "SM2"
    point = b"\x04" + base64.urlsafe_b64decode(key["x"] + "=") + base64.urlsafe_b64decode(key["y"] + "=")
    raw = base64.urlsafe_b64decode(value + "==")
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    sm2.verify(point, f"{head}.{body}".encode(), der)
    others = json.loads(hall.do(hall.service.sso.key_set, hall.public(), sso.Published(tenant="ten_a")).body)
    assert others == {"keys": []}, "a library that does not know the curve would refuse the whole set"


def test_a_code_works_once_and_its_second_use_takes_the_tokens_back(browser: Browser, client: Relying) -> None:
    code = browser.log_in(client.query())["code"]
    _, tokens = client.redeem(code)
    assert client.redeem(code) == (400, {"error": "invalid_grant", "error_description": "Invalid 'code' in request."})
    assert client.call("userinfo", access_token=tokens["access_token"])[0] == 401
    assert client.refresh(tokens["refresh_token"])[1]["error"] == "invalid_grant"


def test_a_refresh_token_is_exchanged_and_its_second_use_ends_all(browser: Browser, client: Relying) -> None:
    _, first = client.redeem(browser.log_in(client.query())["code"])
    status, second = client.refresh(first["refresh_token"])
    assert status == 200 and second["refresh_token"] != first["refresh_token"]
    assert claims_of(client.hall, second["id_token"]).get("nonce") is None
    assert client.refresh(first["refresh_token"])[1]["error"] == "invalid_grant"
    assert client.refresh(second["refresh_token"])[1]["error"] == "invalid_grant", "the thief's and the owner's both"
    assert client.call("introspect", token=second["access_token"])[1] == {"active": False}


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"code_verifier": "x" * 50}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_request"),
        ({"redirect_uri": "https://app.example.gov.cn/other"}, "invalid_grant"),
    ],
)
def test_a_stolen_code_is_worth_nothing(browser: Browser, client: Relying, changed: dict[str, str], error: str) -> None:
    code = browser.log_in(client.query())["code"]
    status, answer = client.redeem(code, **changed)
    assert (status, answer["error"]) == (400, error)


def test_a_code_is_for_its_own_client(hall: Hall, browser: Browser, client: Relying) -> None:
    code = browser.log_in(client.query())["code"]
    other = register(hall)
    other.verifier = client.verifier
    assert other.redeem(code)[1]["error"] == "invalid_grant"
    client.secret = "not the secret"
    assert client.redeem(code)[0] == 401


def test_a_code_expires(hall: Hall, browser: Browser, client: Relying) -> None:
    code = browser.log_in(client.query())["code"]
    hall.rooms.clock.advance(seconds=61)
    assert client.redeem(code)[1]["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "cli_unknown"},
        {"redirect_uri": CALLBACK + "/"},
        {"redirect_uri": CALLBACK.upper()},
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": None},
    ],
)
def test_nobody_is_sent_to_an_address_that_is_not_registered(
    browser: Browser, client: Relying, changed: dict[str, Any]
) -> None:
    with pytest.raises(SignOnRefused):
        browser.visit(client.query(**changed))


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": ""}, "invalid_request"),
        ({"nonce": "n" * 513}, "invalid_request"),
        ({"nonce": "n\0"}, "invalid_request"),
        ({"id_token_hint": "e30.e30."}, "invalid_request"),
        ({"request": "e30.e30."}, "request_not_supported"),
        ({"request_uri": "https://evil.example/request"}, "request_uri_not_supported"),
    ],
)
def test_what_is_wrong_otherwise_is_told_to_the_client(
    browser: Browser, client: Relying, changed: dict[str, Any], error: str
) -> None:
    back = browser.visit(client.query(**changed)).redirect
    assert back.startswith(CALLBACK + "?") and answered(back)["error"] == error and answered(back)["state"] == "st4te"
    assert answered(back)["iss"] == ISSUER, "a refusal tells whose it is, as a code does (RFC 9207)"


def test_a_client_may_say_who_has_to_log_in(hall: Hall, browser: Browser, client: Relying) -> None:
    _, tokens = client.redeem(browser.log_in(client.query())["code"])
    hall.rooms.clock.advance(minutes=11)  # an ID token that has ended says it as well
    hint = {"id_token_hint": tokens["id_token"]}
    assert browser.visit(client.query(**hint)).known
    assert "code" in browser.log_in(client.query(**hint, prompt="login"))
    another = sm2.generate_private_key()
    pem, _ = hall.certificate(another)
    hall.bind("li", pem)
    query = client.query(**hint)
    elsewhere = Browser(hall, "browser-cookie-of-another")
    page = elsewhere.visit(query)
    with pytest.raises(AnotherAccount):
        elsewhere.sign(query, page, certificate=pem, signature=sm2.sign(another, page.message.encode()))
    query = client.query()
    page = elsewhere.visit(query)
    elsewhere.sign(query, page, certificate=pem, signature=sm2.sign(another, page.message.encode()))
    assert elsewhere.visit(client.query()).known and not elsewhere.visit(client.query(**hint)).known
    assert answered(elsewhere.visit(client.query(**hint, prompt="none")).redirect)["error"] == "login_required"
    with pytest.raises(AnotherAccount):
        elsewhere.go_on(client.query(**hint))


def test_who_has_to_log_in_is_said_by_the_clients_own_token(hall: Hall, browser: Browser, client: Relying) -> None:
    other = register(hall)
    _, tokens = other.redeem(browser.log_in(other.query())["code"])
    back = browser.visit(client.query(id_token_hint=tokens["id_token"])).redirect
    assert answered(back)["error"] == "invalid_request"


@pytest.mark.parametrize("custody", [None, *Custody])
def test_a_token_tells_where_the_key_is_kept_if_that_is_known(
    hall: Hall, browser: Browser, client: Relying, custody: Custody | None
) -> None:
    if custody is not None:
        hall.kept[parse_certificate(pem.decode(hall.pem, pem.CERTIFICATE)).fingerprint.hex()] = custody
    _, tokens = client.redeem(browser.log_in(client.query())["code"])
    assert claims_of(hall, tokens["id_token"])["amr"] == ["pop", *([custody.value] if custody else [])]
    _, refreshed = client.refresh(tokens["refresh_token"])
    assert claims_of(hall, refreshed["id_token"])["amr"] == claims_of(hall, tokens["id_token"])["amr"]


def test_a_scope_that_is_said_often_is_kept_once(browser: Browser, client: Relying) -> None:
    _, tokens = client.redeem(browser.log_in(client.query(scope="openid " * 100 + "profile"))["code"])
    assert tokens["scope"] == "openid profile"


def test_a_public_client_needs_pkce(hall: Hall, browser: Browser) -> None:
    client = register(hall, auth="none")
    assert client.secret is None
    back = browser.visit(client.query(code_challenge=None, code_challenge_method=None)).redirect
    assert answered(back)["error"] == "invalid_request"
    status, tokens = client.redeem(browser.log_in(client.query())["code"])
    assert status == 200 and tokens["id_token"]
    assert client.call("introspect", token=tokens["access_token"])[0] == 401, "it cannot prove who it is"


def test_a_challenge_is_good_once(browser: Browser, client: Relying) -> None:
    query = client.query()
    page = browser.visit(query)
    browser.sign(query, page)
    with pytest.raises(ChallengeInvalid):
        browser.sign(query, page)


def test_a_challenge_is_good_for_one_browser_one_client_and_two_minutes(hall: Hall, browser: Browser) -> None:
    client, other = register(hall), register(hall)
    query = client.query()
    page = browser.visit(query)
    with pytest.raises(ChallengeInvalid):
        browser.sign(other.query(), page)
    for changed in ({"browser": "another"}, {"browser": ""}, {"challenge": "x.y"}):
        with pytest.raises(ChallengeInvalid):
            browser.sign(query, page, **changed)
    forged = page.challenge.partition(".")[0] + "." + base64.urlsafe_b64encode(bytes(32)).rstrip(b"=").decode()
    with pytest.raises(ChallengeInvalid):
        browser.sign(query, page, challenge=forged)
    hall.rooms.clock.advance(seconds=120)
    with pytest.raises(ChallengeInvalid):
        browser.sign(query, page)


def test_a_clock_set_back_lengthens_no_challenge(hall: Hall, browser: Browser, client: Relying) -> None:
    query = client.query()
    page = browser.visit(query)
    hall.rooms.clock.advance(seconds=-60)
    with pytest.raises(ChallengeInvalid):
        browser.sign(query, page)


def test_a_wrong_signature_opens_nothing(hall: Hall, browser: Browser, client: Relying) -> None:
    query = client.query()
    page = browser.visit(query)
    with pytest.raises(LoginFailed):
        browser.sign(query, page, signature=sm2.sign(hall.private, b"something else"))


def test_an_unknown_account_and_a_suspended_one_are_refused(hall: Hall, browser: Browser, client: Relying) -> None:
    stranger, _ = hall.certificate(private := sm2.generate_private_key())
    query = client.query()
    page = browser.visit(query)
    with pytest.raises(CertificateRefused, match="not bound"):
        browser.sign(query, page, certificate=stranger, signature=sm2.sign(private, page.message.encode()))
    hall.do(hall.service.suspend_account, hall.call(), m.AccountRef(account_id=account_id(hall)))
    with pytest.raises(AccountNotActive):
        browser.sign(query, browser.visit(query))


def account_id(hall: Hall) -> str:
    return hall.do(hall.service.reports.accounts, hall.call(), r.ListAccounts()).items[0].id


def test_the_browser_is_known_at_the_next_client(hall: Hall, browser: Browser, client: Relying) -> None:
    browser.log_in(client.query())
    hall.rooms.clock.advance(minutes=5)
    other = register(hall)
    assert browser.visit(other.query()).known
    _, tokens = other.redeem(answered(browser.go_on(other.query()).redirect)["code"])
    claims = claims_of(hall, tokens["id_token"])
    assert claims["auth_time"] == claims["iat"] - 300, "when it was really signed"
    for asked in ({"prompt": "login"}, {"max_age": "299"}):
        assert not browser.visit(other.query(**asked)).known
        with pytest.raises(SessionUnknown):
            browser.go_on(other.query(**asked))
    assert browser.visit(other.query(prompt="none")).known


def test_an_idle_browser_has_to_sign_again(hall: Hall, browser: Browser, client: Relying) -> None:
    browser.log_in(client.query())
    hall.rooms.clock.advance(minutes=31)
    assert not browser.visit(client.query()).known


def test_a_revoked_certificate_ends_everything(hall: Hall, browser: Browser, client: Relying) -> None:
    _, tokens = client.redeem(browser.log_in(client.query())["code"])
    code = answered(browser.go_on(client.query()).redirect)["code"]
    hall.do(hall.rooms.issuer.revoke, hall.serial, "key_compromise", hall.rooms.clock.now())
    assert client.call("userinfo", access_token=tokens["access_token"])[0] == 401
    assert client.refresh(tokens["refresh_token"])[1]["error"] == "invalid_grant"
    assert client.redeem(code)[1]["error"] == "invalid_grant", "nor is a code that was out already"
    query = client.query()
    page = browser.visit(query)
    assert not page.known
    with pytest.raises(CertificateRefused, match="revoked"):
        browser.sign(query, page)


def test_a_suspended_account_loses_its_tokens(hall: Hall, browser: Browser, client: Relying) -> None:
    _, tokens = client.redeem(browser.log_in(client.query())["code"])
    hall.do(hall.service.suspend_account, hall.call(), m.AccountRef(account_id=account_id(hall)))
    assert client.call("introspect", token=tokens["access_token"])[1] == {"active": False}


def test_no_token_outlives_its_session(hall: Hall, browser: Browser, client: Relying) -> None:
    _, tokens = client.redeem(browser.log_in(client.query())["code"])
    for _ in range(17):  # in use all along
        hall.rooms.clock.advance(minutes=28)
        status, answer = client.refresh(tokens["refresh_token"])
        assert status == 200, answer
        tokens = answer
    assert tokens["expires_in"] <= 4 * 60
    hall.rooms.clock.advance(minutes=5)
    assert client.refresh(tokens["refresh_token"])[1]["error"] == "invalid_grant"


def test_an_application_without_the_service_lets_nobody_in(hall: Hall, browser: Browser) -> None:
    client = register(hall, application="app_2")
    query = client.query()
    with pytest.raises(NotEntitled):
        browser.sign(query, browser.visit(query))


def test_another_tenants_issuer_knows_neither_client_nor_token(hall: Hall, browser: Browser, client: Relying) -> None:
    with pytest.raises(SignOnRefused):
        browser.visit(client.query(), tenant="ten_b")
    code = browser.log_in(client.query())["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    assert client.call("token", tenant="ten_b", code_verifier=client.verifier, **form)[1]["error"] == "invalid_client"
    with pytest.raises(NotFound):
        hall.do(hall.service.sso.clients.get, hall.security("ten_b"), sso.ClientRef(client=client.view.client))
    with pytest.raises(NotFound):
        hall.do(hall.service.sso.metadata, hall.public(), sso.Published(tenant="ten_b"))


def test_a_disabled_client_logs_nobody_in(hall: Hall, browser: Browser, client: Relying) -> None:
    code = browser.log_in(client.query())["code"]
    hall.do(hall.service.sso.clients.disable, hall.security(), sso.ClientRef(client=client.view.client))
    assert client.redeem(code)[1]["error"] == "invalid_client"
    with pytest.raises(SignOnRefused):
        browser.visit(client.query())


def test_signing_out_ends_every_session_of_the_browser(hall: Hall, browser: Browser) -> None:
    client = register(hall, logout_redirects=("https://app.example.gov.cn/bye",))
    _, tokens = client.redeem(browser.log_in(client.query())["code"])
    query = f"id_token_hint={tokens['id_token']}&post_logout_redirect_uri=https://app.example.gov.cn/bye&state=s"

    def end(**values: Any) -> sso.LogoutDone:
        request = sso.Logout(protocol="oidc", tenant="ten_a", **values)
        return hall.do(hall.service.sso.logout, hall.public(), request)

    assert end(query="", sso=browser.sso).confirm, "a link on any page would sign people out"
    assert client.call("introspect", token=tokens["access_token"])[1]["active"]
    with pytest.raises(SignOnRefused):
        end(query="id_token_hint=" + tokens["id_token"][:-8] + "AAAAAAAA", sso=browser.sso)
    hall.rooms.clock.advance(minutes=20)  # the hint may have expired
    assert end(query=query, sso=browser.sso).redirect == "https://app.example.gov.cn/bye?state=s"
    assert client.call("introspect", token=tokens["access_token"])[1] == {"active": False}
    assert not browser.visit(client.query()).known
    elsewhere = query.replace("example.gov.cn/bye", "example.gov.cn/other")
    assert end(query=elsewhere, sso="").redirect == ""


def test_revoking_a_refresh_token_ends_its_access_tokens(browser: Browser, client: Relying) -> None:
    _, tokens = client.redeem(browser.log_in(client.query())["code"])
    assert client.call("revoke", token=tokens["refresh_token"]) == (200, {})
    assert client.call("introspect", token=tokens["access_token"])[1] == {"active": False}
    assert client.call("revoke", token="no such token") == (200, {})


@pytest.mark.parametrize(
    "url",
    [
        "http://app.example.gov.cn/callback",
        "https://app.example.gov.cn/*",
        "https://app.example.gov.cn/#fragment",
        "https://user@app.example.gov.cn/",
        "https://app.example.gov.cn/a b",
        "javascript:alert(1)",
        "https:///callback",
        "https://[::1/callback",
        "https://例.example/",
    ],
)
def test_only_plain_https_addresses_are_registered(hall: Hall, url: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        register(hall, redirects=(url,))
    assert refused.value.field == "redirects"


def test_a_program_on_the_persons_own_machine_may_use_http(hall: Hall) -> None:
    assert register(hall, redirects=("http://127.0.0.1:8080/callback",)).view.redirects


def test_a_new_signing_key_is_published_before_it_signs_and_the_old_one_after() -> None:
    start = START
    old, new = (
        SigningKey("ten_a", "ES256", kid, kid, b"", start + timedelta(days=d)) for kid, d in (("1", 0), ("2", 90))
    )
    made = new.created_at
    assert signing([old], start) is old and published([old], made) == [old]
    assert signing([old, new], made + timedelta(hours=23)) is old
    assert published([old, new], made) == [old, new]
    assert signing([old, new], made + timedelta(hours=24)) is new
    assert published([old, new], made + timedelta(hours=47)) == [old, new]
    assert published([old, new], made + timedelta(hours=48)) == [new]


def test_keys_are_rotated_when_they_are_due(hall: Hall, browser: Browser, client: Relying) -> None:
    def kids() -> list[str]:
        document = hall.do(hall.service.sso.key_set, hall.public(), sso.Published(tenant="ten_a"))
        return [key["kid"] for key in json.loads(document.body)["keys"]]

    first = kids()
    hall.rooms.clock.advance(days=90)
    hall.do(hall.service.rotate_signing_keys)
    hall.do(hall.service.rotate_signing_keys)
    assert len(kids()) == 2 and kids()[0] == first[0]
    hall.rooms.clock.advance(hours=49)
    assert first[0] not in kids()


def test_the_metadata_holds_by_authlibs_own_check(hall: Hall, client: Relying) -> None:
    reply = hall.do(hall.service.sso.metadata, hall.public(), sso.Published(tenant="ten_a"))
    document = json.loads(reply.body)
    OpenIDProviderMetadata(document).validate()
    assert document["issuer"] == ISSUER and document["code_challenge_methods_supported"] == ["S256"]


def test_clients_are_told_when_a_session_ends(hall: Hall, browser: Browser) -> None:
    address = "https://app.example.gov.cn/backchannel"
    client, silent = register(hall, backchannel=address), register(hall)
    _, tokens = client.redeem(browser.log_in(client.query())["code"])
    silent.redeem(answered(browser.go_on(silent.query()).redirect)["code"])
    hall.do(hall.service.tell_clients)
    assert hall.told == []
    request = sso.Logout(protocol="oidc", tenant="ten_a", query="", sso=browser.sso, confirmed=True)
    hall.do(hall.service.sso.logout, hall.public(), request)
    hall.answers = 503
    hall.do(hall.service.tell_clients)
    hall.answers = 200
    hall.do(hall.service.tell_clients)
    hall.do(hall.service.tell_clients)
    assert [url for url, _ in hall.told] == [address] * 2, "again until it is taken, and then no more"
    token = parse_qs(hall.told[1][1].decode())["logout_token"][0]
    claims = claims_of(hall, token)
    assert claims["aud"] == client.view.client and claims["sid"] == claims_of(hall, tokens["id_token"])["sid"]
    assert list(claims["events"]) == ["http://schemas.openid.net/event/backchannel-logout"] and "nonce" not in claims


def test_clients_are_told_of_a_session_that_has_run_its_time(hall: Hall, browser: Browser) -> None:
    client = register(hall, backchannel="https://app.example.gov.cn/backchannel")
    client.redeem(browser.log_in(client.query())["code"])
    hall.rooms.clock.advance(hours=7)
    hall.do(hall.service.sweep)
    hall.do(hall.service.tell_clients)
    assert hall.told == [], "idle here, but its people may be at work there"
    hall.rooms.clock.advance(hours=1)
    for _ in range(2):
        hall.do(hall.service.sweep)
        hall.do(hall.service.tell_clients)
    assert len(hall.told) == 1


def test_who_does_not_answer_keeps_nobody_waiting(hall: Hall, browser: Browser) -> None:
    dead, alive = (f"https://{name}.example.gov.cn/backchannel" for name in ("dead", "alive"))
    first, second = register(hall, backchannel=dead), register(hall, backchannel=alive)
    browser.log_in(first.query())
    for _ in range(3):
        browser.go_on(first.query())
    browser.go_on(second.query())
    hall.silent.add(dead)
    hall.do(hall.service.suspend_account, hall.call(), m.AccountRef(account_id=account_id(hall)))
    hall.do(hall.service.tell_clients)
    assert sorted(url for url, _ in hall.told) == [alive, dead], "once a round, whatever waits for it"
    hall.silent.clear()
    hall.do(hall.service.tell_clients)
    assert [url for url, _ in hall.told[2:]] == [dead] * 4


def test_a_client_that_does_not_answer_is_given_up_after_an_hour(hall: Hall, browser: Browser) -> None:
    client = register(hall, backchannel="https://app.example.gov.cn/backchannel")
    client.redeem(browser.log_in(client.query())["code"])
    hall.do(hall.service.suspend_account, hall.call(), m.AccountRef(account_id=account_id(hall)))
    hall.rooms.clock.advance(minutes=61)
    hall.do(hall.service.tell_clients)
    assert hall.told == []
