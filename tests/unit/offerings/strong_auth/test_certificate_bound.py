"""RFC 8705: clients that authenticate by their certificate, and tokens bound to it."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.strong_auth import Browser, Hall, Relying, register
from tests.unit.offerings.strong_auth.test_mutual import certify
from tests.unit.wire.authority import ECDSA, LEAF_EXTENSIONS, NOW, RSA, SM2, key, make

from miyun.core.errors import FailedPrecondition, InvalidArgument
from miyun.offerings.certificate.model import RevocationReason
from miyun.offerings.strong_auth.sso import messages as sso
from miyun.wire import x509
from miyun.wire.algorithm import SignatureAlgorithm
from miyun.wire.x509 import parse_certificate

BOUND = {"tls_client_certificate_bound_access_tokens": True}


@pytest.fixture
def hall(tmp_path: Path) -> Hall:
    hall = Hall(tmp_path)
    hall.bind()
    return hall


def by_name(hall: Hall, field: str, value: str, **more: Any) -> Relying:
    return register(hall, auth="tls_client_auth", tls_client_auth_field=field, tls_client_auth_value=value, **more)


def code(client: Relying) -> str:
    """Of a browser that nobody is signed in at."""
    return Browser(client.hall).log_in(client.query())["code"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("subject_dn", ""),
        ("subject_dn", "in capitals"),  # RFC 5280 7.1: case does not count
        ("san_dns", "APP.example.gov.cn"),
        ("san_ip", "10.0.0.7"),
    ],
)
def test_a_client_is_known_by_one_name_of_its_certificate(hall: Hall, field: str, value: str) -> None:
    certificate = application(hall)
    if field == "subject_dn":
        value = subject(certificate).upper() if value else subject(certificate)
    client = by_name(hall, field, value)
    assert client.secret is None
    client.certificate = certificate
    status, tokens = client.redeem(code(client))
    assert status == 200, tokens
    assert client.refresh(tokens["refresh_token"])[0] == 200
    assert client.call("introspect", token=tokens["access_token"])[0] == 200
    assert client.call("revoke", token=tokens["access_token"])[0] == 200
    other = by_name(hall, "san_dns", "other.example.gov.cn")
    other.certificate = client.certificate
    status, answer = other.redeem(code(other))
    assert (status, answer["error"]) == (401, "invalid_client") and "not that of this client" in answer[
        "error_description"
    ]


def subject(certificate: bytes) -> str:
    return str(parse_certificate(certificate).subject)


def robot(hall: Hall) -> tuple[Relying, bytes]:
    """A client with its certificate, which it does not show yet."""
    certificate = certify(hall, "robot")
    return by_name(hall, "subject_dn", subject(certificate)), certificate


def application(hall: Hall) -> bytes:
    """Of a device: the names of one are DNS names and addresses."""
    return certify(hall, "app.example.gov.cn", "device", names=("app.example.gov.cn", "10.0.0.7"))


@pytest.mark.parametrize("endpoint", ["token", "introspect", "revoke"])
def test_without_its_certificate_it_is_nobody(hall: Hall, endpoint: str) -> None:
    client, own = robot(hall)
    given = code(client)
    for certificate in (None, b"", b"\x30\x00"):
        client.certificate = certificate
        if endpoint == "token":
            status, answer = client.redeem(given)
        else:
            status, answer = client.call(endpoint, token="a token that nobody has")
        assert (status, answer["error"]) == (401, "invalid_client")
        assert "mtls_endpoint_aliases" in answer["error_description"]
    client.certificate = own
    assert client.redeem(given)[0] == 200, "and its code is still there"


def test_a_secret_does_not_stand_in_for_the_certificate(hall: Hall) -> None:
    client, own = robot(hall)
    client.secret = ""
    assert client.redeem(code(client))[0] == 401
    with pytest.raises(FailedPrecondition):
        hall.do(hall.service.sso.clients.renew_secret, hall.security(), sso.ClientRef(client=client.view.client))
    holder = register(hall)
    holder.certificate, holder.secret = own, None
    assert holder.redeem(code(holder))[1]["error"] == "invalid_client", "nor the other way round"


def test_a_revoked_certificate_is_no_clients_any_more(hall: Hall) -> None:
    client, client.certificate = robot(hall)
    _, tokens = client.redeem(code(client))
    serial = parse_certificate(client.certificate).serial
    hall.do(hall.rooms.issuer.revoke, serial, RevocationReason.KEY_COMPROMISE, hall.rooms.clock.now())
    status, answer = client.refresh(tokens["refresh_token"])
    assert (status, answer["error"]) == (401, "invalid_client") and "revoked" in answer["error_description"]


def test_an_authority_of_another_tenants_list_counts_for_nothing(hall: Hall) -> None:
    from tests.unit.wire.authority import ECDSA, pki

    leaf = pki(ECDSA).leaf.certificate
    client = by_name(hall, "subject_dn", str(leaf.subject))
    client.certificate = leaf.der
    status, answer = client.redeem(code(client))
    assert status == 401 and "untrusted" in answer["error_description"]


def own_certificate(number: int = 1, algorithm: SignatureAlgorithm = ECDSA, **term: Any) -> x509.Certificate:
    """That nobody but its holder vouches for."""
    return make("robot", *LEAF_EXTENSIONS, key=key(algorithm, number), **term).certificate


def pinned(hall: Hall, *certificates: x509.Certificate, **more: Any) -> Relying:
    texts = tuple(certificate.to_pem() for certificate in certificates)
    return register(hall, auth="self_signed_tls_client_auth", tls_client_certificates=texts, **more)


@pytest.mark.parametrize("algorithm", [ECDSA, SM2, RSA])
def test_a_client_is_known_by_a_certificate_of_its_own(hall: Hall, algorithm: SignatureAlgorithm) -> None:
    hall.rooms.clock.at = NOW
    now, following = own_certificate(1, algorithm), own_certificate(2, algorithm)
    client = pinned(hall, now, following, **BOUND)
    assert client.secret is None and client.view.tls_client_auth_field == "x5t#S256"
    given = code(client)
    for certificate, said in (
        (None, "mtls_endpoint_aliases"),
        (own_certificate(3, algorithm).der, "not that of this client"),
    ):
        client.certificate = certificate
        status, answer = client.redeem(given)
        assert (status, answer["error"]) == (401, "invalid_client") and said in answer["error_description"]
    client.certificate = now.der
    status, tokens = client.redeem(given)
    assert status == 200, tokens
    assert client.call("introspect", token=tokens["access_token"])[1]["cnf"]
    client.certificate = following.der
    assert client.refresh(tokens["refresh_token"])[1]["error"] == "invalid_grant", "the token is bound to the first"
    assert client.redeem(code(client))[0] == 200


def test_a_certificate_of_its_own_ends_as_it_says(hall: Hall) -> None:
    hall.rooms.clock.at = NOW
    certificate = own_certificate(not_after=NOW + timedelta(minutes=5))
    client = pinned(hall, certificate)
    client.certificate = certificate.der
    _, tokens = client.redeem(code(client))
    hall.rooms.clock.advance(minutes=5)
    status, answer = client.refresh(tokens["refresh_token"])
    assert status == 401 and "expired" in answer["error_description"]


def test_one_of_its_own_is_no_name_and_no_authoritys(hall: Hall) -> None:
    """A client of `tls_client_auth` is not known by a certificate that it made itself."""
    certificate = own_certificate()
    client = by_name(hall, "subject_dn", str(certificate.subject))
    client.certificate = certificate.der
    assert client.redeem(code(client))[0] == 401


@pytest.mark.parametrize(
    "values",
    [
        {"auth": "self_signed_tls_client_auth"},
        {"tls_client_certificates": ("x" * 64,), "auth": "self_signed_tls_client_auth"},
        {"auth": "client_secret_basic", "own": True},
        {"auth": "self_signed_tls_client_auth", "own": True, "ended": True},
        {"auth": "self_signed_tls_client_auth", "own": True, "protocol": "cas"},
        {"auth": "self_signed_tls_client_auth", "own": True, "tls_client_auth_field": "san_dns"},
    ],
)
def test_what_does_not_go_with_it_is_refused(hall: Hall, values: dict[str, Any]) -> None:
    hall.rooms.clock.at = NOW
    term = {"not_after": NOW} if values.pop("ended", False) else {}
    if values.pop("own", False):
        values["tls_client_certificates"] = (own_certificate(**term).to_pem(),)
    with pytest.raises(InvalidArgument):
        register(hall, **values)


def test_a_name_that_we_certified_for_another_tenant_is_not_the_clients(hall: Hall) -> None:
    """Our own authorities issue to every tenant, and each chooses its names."""
    client, own = robot(hall)
    client.certificate = certify(hall, "robot", tenant="ten_b")
    assert subject(client.certificate) == subject(own)
    given = code(client)
    status, answer = client.redeem(given)
    assert (status, answer["error"]) == (401, "invalid_client") and "another_tenant" in answer["error_description"]
    client.certificate = own
    assert client.redeem(given)[0] == 200


@pytest.mark.parametrize("auth", ["none", "client_secret_basic"])
def test_bound_tokens_are_worth_something_over_one_certificate_only(hall: Hall, auth: str) -> None:
    client = register(hall, auth=auth, **BOUND)
    mine, other = certify(hall, "mine"), certify(hall, "other")
    client.certificate = mine
    status, tokens = client.redeem(code(client))
    assert status == 200, tokens
    access, refresh = tokens["access_token"], tokens["refresh_token"]
    assert client.call("userinfo", access_token=access)[0] == 200
    for certificate in (other, b"", None):
        client.certificate = certificate
        status, answer = client.call("userinfo", access_token=access)
        assert (status, answer["error"]) == (401, "invalid_token")
        status, answer = client.refresh(refresh)
        assert (status, answer["error"]) == (400, "invalid_grant")
    client.certificate = mine
    status, renewed = client.refresh(refresh)
    assert status == 200, "who came with another certificate has used nothing up"
    assert client.call("userinfo", access_token=renewed["access_token"])[0] == 200


def test_who_asks_about_a_bound_token_learns_what_it_is_bound_to(hall: Hall) -> None:
    client = register(hall, **BOUND)
    client.certificate = certify(hall, "mine")
    _, tokens = client.redeem(code(client))
    back_end = register(hall)
    _, known = back_end.call("introspect", token=tokens["access_token"])
    expected = base64.urlsafe_b64encode(hashlib.sha256(client.certificate).digest()).rstrip(b"=").decode()
    assert known["active"] and known["cnf"] == {"x5t#S256": expected}
    _, plain = back_end.redeem(code(back_end))
    assert "cnf" not in back_end.call("introspect", token=plain["access_token"])[1]


def test_a_client_with_bound_tokens_gets_none_at_the_other_address(hall: Hall) -> None:
    client = register(hall, **BOUND)
    given = code(client)
    for certificate in (None, b""):
        client.certificate = certificate
        status, answer = client.redeem(given)
        assert (status, answer["error"]) == (400, "invalid_request")
        assert "mtls_endpoint_aliases" in answer["error_description"]
    client.certificate = certify(hall, "mine")
    assert client.redeem(given)[0] == 200


def test_bound_tokens_end_with_the_certificate(hall: Hall) -> None:
    client = register(hall, **BOUND)
    client.certificate = certify(hall, "mine")
    _, tokens = client.redeem(code(client))
    serial = parse_certificate(client.certificate).serial
    hall.do(hall.rooms.issuer.revoke, serial, RevocationReason.KEY_COMPROMISE, hall.rooms.clock.now())
    assert client.call("userinfo", access_token=tokens["access_token"])[0] == 401
    assert client.refresh(tokens["refresh_token"])[1]["error"] == "invalid_grant"
    assert client.redeem(code(client))[1]["error"] == "invalid_request"


def test_the_documents_say_where_certificates_are_asked_for(hall: Hall) -> None:
    register(hall)
    document = json.loads(hall.do(hall.service.sso.metadata, hall.public(), sso.Published(tenant="ten_a")).body)
    aliases = document["mtls_endpoint_aliases"]
    assert aliases["token_endpoint"] == "https://login.test:8601/oidc/ten_a/token"
    assert aliases.keys() == {
        "token_endpoint", "revocation_endpoint", "introspection_endpoint", "userinfo_endpoint",
    }  # fmt: skip
    assert document["tls_client_certificate_bound_access_tokens"] is True
    assert "tls_client_auth" in document["token_endpoint_auth_methods_supported"]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"auth": "tls_client_auth"}, "tls_client_auth_field"),
        ({"auth": "tls_client_auth", "tls_client_auth_field": "san_dns"}, "tls_client_auth_value"),
        ({"tls_client_auth_field": "san_dns", "tls_client_auth_value": "a.example"}, "tls_client_auth_value"),
        (
            {"auth": "tls_client_auth", "tls_client_auth_field": "subject_dn", "tls_client_auth_value": "zhang"},
            "tls_client_auth_value",
        ),
        (
            {"auth": "tls_client_auth", "tls_client_auth_field": "san_ip", "tls_client_auth_value": "a.example"},
            "tls_client_auth_value",
        ),
        ({"protocol": "cas", **BOUND}, "tls_client_certificate_bound_access_tokens"),
    ],
)
def test_a_registration_that_makes_no_sense_is_refused(hall: Hall, values: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        register(hall, **values)
    assert caught.value.field == field
