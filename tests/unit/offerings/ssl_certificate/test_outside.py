"""Orders at outside CAs by hand: the certificate that comes in is the one that was ordered, or it is not taken."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.outside_ca import OutsideAuthority, csr, new_key
from tests.standin import call_of
from tests.unit.offerings.ssl_certificate.desk import OTHER_TENANT, TENANT, Desk

from miyun.core.errors import InvalidArgument, NotFound
from miyun.core.outbound import OutboundFailed
from miyun.offerings.ssl_certificate.errors import CertificateDoesNotFit, WrongOrderState
from miyun.offerings.ssl_certificate.outside import messages as m

NAMES = ("www.example.cn", "mail.example.cn")


class Client:
    def __init__(self, desk: Desk, tenant: str = TENANT) -> None:
        self.desk, self.tenant = desk, tenant

    def __call__(self, verb: str, request: Any) -> Any:
        method = getattr(self.desk.outside, verb)
        return asyncio.run(method(call_of(self.tenant, self.desk.clock), request))


@pytest.fixture
def client(desk: Desk) -> Client:
    return Client(desk)


@pytest.fixture
def authority(desk: Desk) -> OutsideAuthority:
    return OutsideAuthority(desk.clock.now())


KEY = new_key()


@pytest.fixture
def order(client: Client) -> str:
    request = m.CreateOrder(csr=csr(KEY, *NAMES), ca="某 CA", way="paper", level="ov")
    return str(client("create", request).order)


def upload(client: Client, order: str, certificates: str, **more: Any) -> Any:
    return client("upload", m.UploadOrder(order=order, certificates=certificates, **more))


def state(client: Client, order: str) -> str:
    return str(client("get", m.OrderRef(order=order)).summary.state)


def test_an_order_goes_its_way(desk: Desk, client: Client, authority: OutsideAuthority, order: str) -> None:
    assert client("submit", m.SubmitOrder(order=order, reference="2026-7")).state == "submitted"
    issued = upload(client, order, authority.issue(KEY, *NAMES))
    assert issued.state == "issued" and issued.not_after is not None and issued.names == sorted(NAMES)
    detail = client("get", m.OrderRef(order=order))
    assert detail.certificates.count("BEGIN CERTIFICATE") == 2 and "REQUEST" in detail.csr
    assert client("deployed", m.DeployedOrder(order=order, place="www-1")).deployed_to == "www-1"
    desk.clock.advance(days=91)
    asyncio.run(desk.flow.run_due())
    assert state(client, order) == "expired"


def test_a_renewed_certificate_says_so(client: Client, authority: OutsideAuthority, order: str) -> None:
    upload(client, order, authority.issue(KEY, *NAMES))
    request = m.CreateOrder(csr=csr(KEY, *NAMES), ca="某 CA", way="paper", replaces=order)
    renewal = client("create", request).order
    assert state(client, order) == "issued"
    upload(client, renewal, authority.issue(KEY, *NAMES))
    assert state(client, order) == "renewed"


@pytest.mark.parametrize(
    ("certificates", "reason"),
    [
        (lambda ca: ca.issue(new_key(), *NAMES), "key"),
        (lambda ca: ca.issue(KEY, NAMES[0]), "lacks the names"),
        (lambda ca: ca.issue(KEY, *NAMES, days=0), "not valid now"),
        (lambda ca: ca.issue(KEY, *NAMES, ca=True), "CA's certificate"),
        (
            lambda ca: ca.issue(KEY, *NAMES).split("-----END CERTIFICATE-----\n")[0] + "-----END CERTIFICATE-----\n",
            "missing",
        ),
        (lambda ca: ca.issue(KEY, *NAMES)[: -len(ca.certificate)] + OutsideAuthority(ca.now).certificate, "signature"),
        (lambda ca: ca.issue(KEY, *NAMES) + ca.issue(KEY, "x.cn"), "not the issuer"),
        (lambda ca: "x" * 100, "PEM"),
    ],
)
def test_what_was_not_ordered_is_not_taken(
    client: Client, authority: OutsideAuthority, order: str, certificates: Any, reason: str
) -> None:
    with pytest.raises(CertificateDoesNotFit) as caught:
        upload(client, order, certificates(authority))
    assert reason in caught.value.message.en
    assert state(client, order) == "ordered"


def test_half_of_a_pair_is_not_taken(client: Client, authority: OutsideAuthority, order: str) -> None:
    chain = authority.issue(KEY, *NAMES)
    with pytest.raises(CertificateDoesNotFit):
        upload(client, order, chain, encryption_certificates=chain)
    with pytest.raises(CertificateDoesNotFit):
        upload(client, order, chain, encryption_certificates=chain, enveloped_key=b"x" * 10)


def test_what_is_over_is_over(client: Client, authority: OutsideAuthority, order: str) -> None:
    client("cancel", m.OrderRef(order=order))
    for verb, request in (
        ("submit", m.SubmitOrder(order=order, reference="1")),
        ("upload", m.UploadOrder(order=order, certificates=authority.issue(KEY, *NAMES))),
        ("deployed", m.DeployedOrder(order=order, place="x")),
        ("cancel", m.OrderRef(order=order)),
    ):
        with pytest.raises(WrongOrderState):
            client(verb, request)


def test_another_tenant_finds_nothing(desk: Desk, order: str) -> None:
    stranger = Client(desk, OTHER_TENANT)
    with pytest.raises(NotFound):
        stranger("get", m.OrderRef(order=order))
    with pytest.raises(NotFound):
        stranger("create", m.CreateOrder(csr=csr(KEY, *NAMES), ca="某 CA", way="paper", replaces=order))
    assert stranger("list", m.ListOrders()).items == []


@pytest.mark.parametrize(
    "request_",
    [
        {"csr": "x" * 100, "way": "paper"},
        {"csr": csr(KEY, *NAMES), "ca": "unknown"},
        {"csr": csr(KEY, *NAMES), "ca": "outside"},  # no account there
    ],
)
def test_an_order_that_cannot_be_placed_is_refused(client: Client, request_: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        client("create", m.CreateOrder(**{"ca": "某 CA", **request_}))
    assert client("list", m.ListOrders()).items == []


def test_an_account_whose_ca_does_not_answer_leaves_no_key(desk: Desk, client: Client) -> None:
    with pytest.raises(OutboundFailed):
        client("open_account", m.OpenAccount(ca="outside"))
    assert desk.rooms.keys.keys == {}
