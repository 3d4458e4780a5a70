"""CAS: a service that is registered gets a ticket, and a ticket says once who came."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from lxml import etree
from tests.strong_auth import Browser, Hall, answered, register

from miyun.core.errors import NotFound
from miyun.core.operation import Reply
from miyun.offerings.strong_auth.sso import messages as sso
from miyun.offerings.strong_auth.sso.errors import ClientRefused, ServiceUnknown, SignOnRefused

SERVICE = "https://old.example.gov.cn/app?page=1"
QUERY = "service=" + quote(SERVICE, safe="")
CAS = {"cas": "http://www.yale.edu/tp/cas"}


@pytest.fixture
def hall(tmp_path: Path) -> Hall:
    hall = Hall(tmp_path)
    hall.bind()
    register(hall, protocol="cas", redirects=(SERVICE,))
    return hall


@pytest.fixture
def browser(hall: Hall) -> Browser:
    return Browser(hall)


def validate(hall: Hall, ticket: str, service: str = SERVICE, version: int = 3, **more: str) -> Any:
    """The answer's XML, or its text for version 1."""
    query = urlencode({"service": service, "ticket": ticket, **more})
    request = sso.ValidateTicket(tenant="ten_a", query=query, version=version)  # type: ignore[arg-type]
    try:
        reply: Reply = hall.do(hall.service.sso.cas.validate, hall.public(), request)
    except ClientRefused as refused:
        reply = refused.reply
    assert reply.status == 200
    return reply.body.decode() if version == 1 else etree.fromstring(reply.body)


def code_of(document: Any) -> str:
    return document.find("cas:authenticationFailure", CAS).get("code")


def test_a_ticket_says_who_came(hall: Hall, browser: Browser) -> None:
    ticket = browser.log_in(QUERY, "cas")["ticket"]
    document = validate(hall, ticket)
    assert document.findtext("cas:authenticationSuccess/cas:user", None, CAS) == "zhang"
    attributes = document.find("cas:authenticationSuccess/cas:attributes", CAS)
    assert attributes.findtext("cas:certificateSerial", None, CAS) == f"{hall.serial:X}"
    assert attributes.findtext("cas:isFromNewLogin", None, CAS) == "true"


def test_the_ticket_is_added_to_the_services_own_query(browser: Browser) -> None:
    assert browser.sign(QUERY, browser.visit(QUERY, "cas"), "cas").redirect.startswith(SERVICE + "&ticket=ST-")


def test_older_versions_have_their_own_answers(hall: Hall, browser: Browser) -> None:
    assert validate(hall, browser.log_in(QUERY, "cas")["ticket"], version=1) == "yes\nzhang\n"
    assert validate(hall, "ST-unknown", version=1) == "no\n\n"
    second = validate(hall, answered(browser.go_on(QUERY, "cas").redirect)["ticket"], version=2)
    assert second.find("cas:authenticationSuccess/cas:attributes", CAS) is None


def test_a_ticket_is_used_up_whatever_comes_of_it(hall: Hall, browser: Browser) -> None:
    ticket = browser.log_in(QUERY, "cas")["ticket"]
    assert code_of(validate(hall, ticket, "https://old.example.gov.cn/other")) == "INVALID_SERVICE"
    assert code_of(validate(hall, ticket)) == "INVALID_TICKET"


def test_a_service_that_was_disabled_meanwhile_learns_nothing(hall: Hall, browser: Browser) -> None:
    ticket = browser.log_in(QUERY, "cas")["ticket"]
    [client] = hall.do(hall.service.sso.clients.list, hall.security(), sso.ListClients()).items
    hall.do(hall.service.sso.clients.disable, hall.security(), sso.ClientRef(client=client.client))
    assert code_of(validate(hall, ticket)) == "INVALID_TICKET"


def test_a_query_of_too_many_fields_gets_the_protocols_own_refusal(hall: Hall, browser: Browser) -> None:
    many = {f"field{number}": "" for number in range(65)}
    assert code_of(validate(hall, "ST-unknown", **many)) == "INVALID_REQUEST"
    assert validate(hall, "ST-unknown", version=1, **many) == "no\n\n"
    query = QUERY + "&" + urlencode(many)
    with pytest.raises(SignOnRefused):
        browser.visit(query, "cas")
    with pytest.raises(SignOnRefused):
        hall.do(hall.service.sso.logout, hall.public(), sso.Logout(protocol="cas", tenant="ten_a", query=query))


def test_a_ticket_expires(hall: Hall, browser: Browser) -> None:
    ticket = browser.log_in(QUERY, "cas")["ticket"]
    hall.rooms.clock.advance(seconds=61)
    assert code_of(validate(hall, ticket)) == "INVALID_TICKET"


def test_an_incomplete_request_is_named_so(hall: Hall) -> None:
    assert code_of(validate(hall, "")) == "INVALID_REQUEST"


@pytest.mark.parametrize(
    "service", ["https://old.example.gov.cn/app", SERVICE + "&x=1", "https://evil.example/", "", SERVICE.upper()]
)
def test_only_a_registered_service_is_served(browser: Browser, service: str) -> None:
    with pytest.raises(ServiceUnknown):
        browser.visit("service=" + quote(service, safe=""), "cas")


def test_renew_asks_for_a_signature_and_gateway_for_none(hall: Hall, browser: Browser) -> None:
    assert browser.visit(QUERY + "&gateway=true", "cas").redirect == SERVICE
    browser.log_in(QUERY, "cas")
    assert browser.visit(QUERY, "cas").known and not browser.visit(QUERY + "&renew=true", "cas").known
    hall.rooms.clock.advance(seconds=30)
    ticket = answered(browser.go_on(QUERY, "cas").redirect)["ticket"]
    assert code_of(validate(hall, ticket, renew="true")) == "INVALID_TICKET", "nobody signed for this login"


def test_a_revoked_certificate_spoils_the_ticket(hall: Hall, browser: Browser) -> None:
    ticket = browser.log_in(QUERY, "cas")["ticket"]
    hall.do(hall.rooms.issuer.revoke, hall.serial, "key_compromise", hall.rooms.clock.now())
    assert code_of(validate(hall, ticket)) == "INVALID_TICKET"


def test_logging_out_returns_to_a_registered_service_only(hall: Hall, browser: Browser) -> None:
    browser.log_in(QUERY, "cas")

    def end(query: str, **values: Any) -> sso.LogoutDone:
        request = sso.Logout(protocol="cas", tenant="ten_a", query=query, **values)
        return hall.do(hall.service.sso.logout, hall.public(), request)

    assert end(QUERY, sso=browser.sso).confirm
    assert end(QUERY, sso=browser.sso, confirmed=True).redirect == SERVICE
    assert not browser.visit(QUERY, "cas").known
    assert end("service=https://evil.example/").redirect == ""


def test_a_ticket_is_its_tenants(hall: Hall, browser: Browser) -> None:
    ticket = browser.log_in(QUERY, "cas")["ticket"]
    request = sso.ValidateTicket(tenant="ten_b", query=urlencode({"service": SERVICE, "ticket": ticket}))
    with pytest.raises(ClientRefused, match="not known"):
        hall.do(hall.service.sso.cas.validate, hall.public(), request)
    with pytest.raises(NotFound):
        register(hall, protocol="cas", application="app_b")
