"""Lists spread over shards, and lists of changes between them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.rooms import Rooms
from tests.standin import HandClock, call_of

from miyun.core.errors import NotFound
from miyun.offerings.certificate.errors import ShardsOnlyGrow
from miyun.offerings.certificate.messages import (
    AuthorityView,
    ConfigureRequest,
    CrlRequest,
    IssueRequest,
    RevokeRequest,
    SerialRequest,
)
from miyun.offerings.certificate.protocol import ROUTES
from miyun.offerings.certificate.service import CertificateService
from miyun.offerings.certificate.tasks import publish_lists
from miyun.wire import oid
from miyun.wire.crl import CertificateList, Reason, parse_crl
from miyun.wire.x509 import Certificate, load_certificates, parse_certificate

Csr = Callable[..., str]
CA = "sm2-issuing"
LIMITS = frozenset({oid.ISSUING_DISTRIBUTION_POINT, oid.DELTA_CRL_INDICATOR})
[LIST_ROUTE] = [route for route in ROUTES if route.path.startswith("/crl/")]


def configure(service: CertificateService, clock: HandClock, shards: int, deltas: bool = False) -> AuthorityView:
    request = ConfigureRequest(ca=CA, shards=shards, deltas=deltas)
    return asyncio.run(service.configure(call_of(None, clock), request))


def issue(service: CertificateService, csr: str, clock: HandClock) -> Certificate:
    request = IssueRequest(template="application", csr=csr)
    return load_certificates(asyncio.run(service.issue(call_of("ten_a", clock), request)).pem)[0]


def fetched(service: CertificateService, clock: HandClock, url: str) -> CertificateList:
    """As a client gets it, by the address in the certificate."""
    name = url.removeprefix("https://127.0.0.1:8600/crl/").removesuffix(".crl")
    found = parse_crl(asyncio.run(service.crl(call_of(None, clock), LIST_ROUTE.decode(b"", {"ca": name}))).body)
    authority = service.authorities.find(CA)
    assert authority is not None
    found.verify(parse_certificate(authority.der), clock.now(), understood=LIMITS)
    return found


def act(service: CertificateService, clock: HandClock, verb: str, certificate: Certificate, **fields: Any) -> None:
    clock.advance(minutes=1)
    kind = RevokeRequest if verb == "revoke" else SerialRequest
    request = kind(serial=f"{certificate.serial:032x}", **fields)
    asyncio.run(getattr(service, verb)(call_of("ten_a", clock), request))


def test_a_certificate_names_the_list_that_tells_of_it(
    service: CertificateService, sm2_csr: Csr, clock: HandClock
) -> None:
    old = issue(service, sm2_csr("旧"), clock)
    view = configure(service, clock, 4)
    assert (view.shards, view.deltas) == (4, False)
    new = [issue(service, sm2_csr(f"新{number}"), clock) for number in range(12)]
    assert len({item.crl_urls for item in new}) > 1
    for certificate in (old, *new):
        act(service, clock, "revoke", certificate)
        [url] = certificate.crl_urls
        found = fetched(service, clock, url)
        assert found.is_revoked(certificate.serial) is not None
        assert found.scope.covers(certificate)
        others = {item for item in (old, *new) if item.crl_urls != certificate.crl_urls}
        assert not any(found.scope.covers(item) or found.is_revoked(item.serial) for item in others)


def test_shards_only_grow_and_what_was_issued_keeps_its_list(
    service: CertificateService, sm2_csr: Csr, clock: HandClock
) -> None:
    configure(service, clock, 2)
    certificate = issue(service, sm2_csr(), clock)
    configure(service, clock, 16)
    with pytest.raises(ShardsOnlyGrow):
        configure(service, clock, 15)
    act(service, clock, "revoke", certificate)
    assert fetched(service, clock, *certificate.crl_urls).is_revoked(certificate.serial)


def test_who_names_an_older_address_finds_a_list_that_speaks_of_it(rooms: Rooms, sm2_csr: Csr) -> None:
    """The lists are the same; only where the platform is has changed."""
    configure(rooms.certificate, rooms.clock, 2)
    old = issue(rooms.certificate, sm2_csr("旧"), rooms.clock)
    moved = replace(rooms).certificate
    moved.authorities._base_url = "http://new.example"
    rooms.clock.advance(seconds=10)
    asyncio.run(publish_lists(moved))
    new = issue(moved, sm2_csr("新"), rooms.clock)
    assert new.crl_urls[0].startswith("http://new.example/crl/")
    for certificate in (old, new):
        url = "https://127.0.0.1:8600/crl/" + certificate.crl_urls[0].rpartition("/")[2]
        assert fetched(moved, rooms.clock, url).scope.covers(certificate)
    assert fetched(rooms.certificate, rooms.clock, *old.crl_urls).scope.covers(old)


def test_every_process_spreads_at_once(rooms: Rooms, sm2_csr: Csr) -> None:
    other = replace(rooms).certificate
    assert issue(other, sm2_csr("一"), rooms.clock).crl_urls == ("https://127.0.0.1:8600/crl/sm2-issuing.crl",)
    configure(rooms.certificate, rooms.clock, 1)
    assert issue(other, sm2_csr("二"), rooms.clock).crl_urls == ("https://127.0.0.1:8600/crl/sm2-issuing-1.crl",)


@pytest.mark.parametrize(
    "name", ["sm2-issuing-0", "sm2-issuing-01", "sm2-issuing-2", "sm2-issuing.delta", "sm2-issuing-1.delta.delta", "-1"]
)
def test_a_list_that_does_not_exist_is_not_found(service: CertificateService, clock: HandClock, name: str) -> None:
    configure(service, clock, 1)
    with pytest.raises(NotFound):
        fetched(service, clock, f"https://127.0.0.1:8600/crl/{name}.crl")


def test_changes_are_told_against_the_list_of_the_day(
    service: CertificateService, sm2_csr: Csr, clock: HandClock
) -> None:
    """A base of the morning and the newest list of changes say what the newest complete list says."""
    stays, back, gone, late = (issue(service, sm2_csr(name), clock) for name in "甲乙丙丁")
    act(service, clock, "revoke", stays)
    act(service, clock, "suspend", back)
    configure(service, clock, 0, deltas=True)
    clock.advance(hours=13)
    asyncio.run(publish_lists(service))
    [url] = stays.crl_urls
    base = fetched(service, clock, url)
    assert set(base.entries) == {stays.serial, back.serial}
    act(service, clock, "resume", back)
    act(service, clock, "revoke", gone, reason="key_compromise")
    act(service, clock, "suspend", late)
    act(service, clock, "resume", late)
    complete = fetched(service, clock, url)
    delta = fetched(service, clock, url.replace(".crl", ".delta.crl"))
    assert (delta.crl_number, delta.base_number) == (complete.crl_number, base.crl_number)
    told = {serial: entry.reason for serial, entry in delta.entries.items()}
    assert told == {
        back.serial: Reason.REMOVE_FROM_CRL,
        gone.serial: Reason.KEY_COMPROMISE,
        late.serial: Reason.REMOVE_FROM_CRL,
    }
    merged = {serial for serial in {**base.entries, **delta.entries} if told.get(serial) is not Reason.REMOVE_FROM_CRL}
    assert merged == set(complete.entries) == {stays.serial, gone.serial}
    assert oid.FRESHEST_CRL in {item.oid for item in complete.extensions}
    assert oid.FRESHEST_CRL not in {item.oid for item in delta.extensions}


def test_the_base_outlives_a_flood_of_lists(service: CertificateService, sm2_csr: Csr, clock: HandClock) -> None:
    certificate = issue(service, sm2_csr(), clock)
    configure(service, clock, 0, deltas=True)
    base = fetched(service, clock, *certificate.crl_urls)
    for _ in range(30):
        act(service, clock, "suspend", certificate)
        act(service, clock, "resume", certificate)
    delta = fetched(service, clock, f"https://127.0.0.1:8600/crl/{CA}.delta.crl")
    assert base.crl_number is not None and delta.base_number is not None
    assert delta.base_number <= base.crl_number, "who holds the base can still be brought up to date"


def test_without_shards_and_deltas_a_list_is_as_plain_as_ever(
    service: CertificateService, sm2_csr: Csr, clock: HandClock
) -> None:
    certificate = issue(service, sm2_csr(), clock)
    found = fetched(service, clock, *certificate.crl_urls)
    assert not any(item.critical for item in found.extensions)
    with pytest.raises(NotFound):
        asyncio.run(service.crl(call_of(None, clock), CrlRequest(ca=CA, delta=True)))
