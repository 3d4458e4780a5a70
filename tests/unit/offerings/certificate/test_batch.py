"""Many certificates at once: each item for itself, all durable or none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.rooms import Rooms
from tests.standin import HandClock, StandInMachine, call_of

from miyun.core.errors import InvalidArgument, MachineLocked
from miyun.gm import intl, sm2
from miyun.offerings.certificate.messages import BatchItem, BatchRequest, BatchView, ListRequest
from miyun.offerings.certificate.service import CertificateService
from miyun.wire.spki import sm2_spki
from miyun.wire.x509 import Purpose, load_certificates, parse_certificate, verify_chain

Csr = Callable[..., str]


def key() -> bytes:
    return sm2_spki(sm2.public_key(sm2.generate_private_key()))


def issue(service: CertificateService, clock: HandClock, *items: BatchItem, **fields: Any) -> BatchView:
    request = BatchRequest(items=list(items), **{"template": "device", **fields})
    return asyncio.run(service.issue_batch(call_of("ten_a", clock), request))


def device(number: int, **fields: Any) -> BatchItem:
    known = {"subject": {"CN": f"设备{number}"}, "public_key": key()}
    return BatchItem(reference=f"d{number}", **{**known, **fields})


def test_every_item_gets_its_certificate_in_order(service: CertificateService, clock: HandClock, sm2_csr: Csr) -> None:
    items = [device(number) for number in range(40)]
    items[7] = BatchItem(reference="d7", csr=sm2_csr("设备7"))
    items[9] = device(9, public_key=intl.public_key(intl.ecdsa_p256_generate()))
    items[11] = device(11, encryption_public_key=key())
    view = issue(service, clock, *items)
    assert (view.issued, view.refused) == (41, 0)
    roots = [parse_certificate(item) for item in service.authorities.anchors()]
    issuing = [parse_certificate(item) for item in service.authorities.intermediates()]
    for number, result in enumerate(view.items):
        assert result.reference == f"d{number}" and result.error is None and result.certificate is not None
        certificate = parse_certificate(result.certificate)
        assert certificate.subject.get("CN") == f"设备{number}"
        assert f"{certificate.serial:032x}" == result.serial
        verify_chain(certificate, issuing, roots, clock.now(), purpose=Purpose.CLIENT_AUTH)
    assert len({result.serial for result in view.items}) == 40
    twin = view.items[11]
    assert (
        twin.encryption_serial and "keyEncipherment" in parse_certificate(twin.encryption_certificate or b"").key_usage
    )  # type: ignore[operator]
    assert load_certificates(view.chain_pem)[-1].self_issued
    listed = asyncio.run(service.list_certificates(call_of("ten_a", clock), ListRequest(text="设备", limit=500)))
    assert len(listed.items) == 41


def test_what_is_wrong_with_one_does_not_keep_the_others(service: CertificateService, clock: HandClock) -> None:
    twice = key()
    items = [
        device(0),
        device(1, public_key=b"none"),
        device(2, subject={"O": "无名"}),
        device(3, names=["-"]),
        BatchItem(reference="d4", csr="-----BEGIN CERTIFICATE REQUEST-----\nAA==\n-----END CERTIFICATE REQUEST-----"),
        BatchItem(reference="d5"),
        device(6, public_key=twice),
        device(7, public_key=twice),
        device(8, names=["a.example.cn", "a.example.cn"]),
        device(9),
    ]
    view = issue(service, clock, *items)
    errors = {result.reference: (result.error.code, result.error.field) for result in view.items if result.error}
    assert errors == {
        "d1": ("InvalidArgument", "public_key"),
        "d2": ("InvalidArgument", "subject"),
        "d3": ("InvalidArgument", "names"),
        "d4": ("InvalidArgument", "csr"),
        "d5": ("InvalidArgument", "csr"),
        "d6": ("KeyRefused", "public_key"),
        "d7": ("KeyRefused", "public_key"),
        "d8": ("LintRefused", "certificate"),
    }
    assert (view.issued, view.refused) == (2, 8)
    listed = asyncio.run(service.list_certificates(call_of("ten_a", clock), ListRequest()))
    assert sorted(item.subject for item in listed.items) == ["CN=设备0,C=CN", "CN=设备9,C=CN"]


def test_a_lint_rule_is_named(service: CertificateService, clock: HandClock) -> None:
    [result] = issue(
        service,
        clock,
        BatchItem(public_key=key(), subject={"CN": "www.example.cn"}, names=["other.example.cn"]),
        template="tls_server",
    ).items
    assert result.error is not None and "cabf.tls_server" in result.error.en and "cabf.tls_server" in result.error.zh


def test_nothing_is_issued_when_the_machine_is_locked(
    rooms: Rooms, service: CertificateService, clock: HandClock, machine: StandInMachine
) -> None:
    async def locked(*_: Any, **__: Any) -> list[bytes]:
        raise MachineLocked

    sign = machine.sign
    machine.sign = locked  # type: ignore[method-assign]
    with pytest.raises(MachineLocked):
        issue(service, clock, device(0), device(1))
    machine.sign = sign  # type: ignore[method-assign]
    assert asyncio.run(service.list_certificates(call_of("ten_a", clock), ListRequest())).items == []


def test_a_broken_random_source_never_makes_one_number_twice(
    service: CertificateService, clock: HandClock, machine: StandInMachine
) -> None:
    honest = machine.random

    async def stuck(size: int) -> bytes:
        machine.random = honest  # type: ignore[method-assign]
        return bytes(size)

    machine.random = stuck  # type: ignore[method-assign]
    view = issue(service, clock, device(0), device(1), device(2))
    assert view.issued == 3 and len({item.serial for item in view.items}) == 3


def test_the_platforms_own_templates_are_not_for_tenants(service: CertificateService, clock: HandClock) -> None:
    with pytest.raises(InvalidArgument):
        issue(service, clock, device(0), template="tsa")


def test_serial_numbers_are_enough_when_certificates_are_not_asked_for(
    service: CertificateService, clock: HandClock
) -> None:
    [result] = issue(service, clock, device(0), certificates=False).items
    assert result.serial and result.certificate is None
