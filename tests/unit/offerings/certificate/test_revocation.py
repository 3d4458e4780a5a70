from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.standin import HandClock, StandInLedger, StandInMachine, call_of

from miyun.core.errors import NotFound
from miyun.offerings.certificate.errors import CertificateAlreadyRevoked, CertificateStateConflict
from miyun.offerings.certificate.issuer import PlatformIssuer
from miyun.offerings.certificate.messages import (
    CrlRequest,
    IssueRequest,
    RevokeRequest,
    SerialRequest,
    VerifyRequest,
)
from miyun.offerings.certificate.model import RevocationReason
from miyun.offerings.certificate.service import CertificateService
from miyun.offerings.certificate.tasks import publish_lists
from miyun.wire.crl import CertificateList, Reason, parse_crl
from miyun.wire.x509 import load_certificates, parse_certificate

Csr = Callable[..., str]


def issue(service: CertificateService, csr: str, clock: HandClock, tenant: str = "ten_a") -> tuple[str, str]:
    issued = asyncio.run(service.issue(call_of(tenant, clock), IssueRequest(template="application", csr=csr)))
    return issued.certificate.serial, issued.pem


def published(service: CertificateService, clock: HandClock, ca: str = "sm2-issuing") -> CertificateList:
    reply = asyncio.run(service.crl(call_of(None, clock), CrlRequest(ca=ca)))
    crl = parse_crl(reply.body)
    authority = service.authorities.find(ca)
    assert authority is not None
    crl.verify(parse_certificate(authority.der), clock.now())
    return crl


def test_a_revocation_is_on_the_list_at_once(service: CertificateService, sm2_csr: Csr, clock: HandClock) -> None:
    serial, _ = issue(service, sm2_csr(), clock)
    clock.advance(minutes=1)
    before = published(service, clock)
    revoked = asyncio.run(
        service.revoke(call_of("ten_a", clock), RevokeRequest(serial=serial, reason="key_compromise"))
    )
    assert revoked.published
    after = published(service, clock)
    assert before.is_revoked(int(serial, 16)) is None
    entry = after.is_revoked(int(serial, 16))
    assert entry is not None and entry.reason is Reason.KEY_COMPROMISE
    assert (before.crl_number, after.crl_number) == (1, 2)


def test_a_revocation_stands_when_the_list_cannot_be_signed_yet(
    service: CertificateService, machine: StandInMachine, sm2_csr: Csr, clock: HandClock
) -> None:
    serial, pem = issue(service, sm2_csr(), clock)
    clock.advance(minutes=1)
    machine.locked = True
    view = asyncio.run(service.revoke(call_of("ten_a", clock), RevokeRequest(serial=serial)))
    assert not view.published
    assert verify(service, pem, clock) == (False, ["revoked"])
    machine.locked = False
    asyncio.run(publish_lists(service))
    assert published(service, clock).is_revoked(int(serial, 16)) is not None


def test_what_is_revoked_while_a_list_is_signed_makes_another_list_due(
    service: CertificateService, machine: StandInMachine, sm2_csr: Csr, clock: HandClock
) -> None:
    first, second = (issue(service, sm2_csr(), clock)[0] for _ in range(2))
    clock.advance(minutes=1)
    sign = machine.sign

    async def slow(*arguments: Any, **named: Any) -> list[bytes]:
        await service.revocation.revoke(int(second, 16), RevocationReason.SUPERSEDED, clock.now())
        return await sign(*arguments, **named)

    machine.sign = slow  # type: ignore[method-assign]
    asyncio.run(service.revoke(call_of("ten_a", clock), RevokeRequest(serial=first)))
    machine.sign = sign  # type: ignore[method-assign]
    assert set(published(service, clock).entries) == {int(first, 16)}
    clock.advance(seconds=10)
    asyncio.run(publish_lists(service))
    assert set(published(service, clock).entries) == {int(first, 16), int(second, 16)}
    clock.advance(seconds=10)
    asyncio.run(publish_lists(service))
    assert published(service, clock).crl_number == 3, "nothing new: no new list"


def test_a_burst_of_revocations_makes_one_more_list(
    service: CertificateService, sm2_csr: Csr, clock: HandClock
) -> None:
    serials = [issue(service, sm2_csr(), clock)[0] for _ in range(4)]
    clock.advance(minutes=1)
    for serial in serials:
        asyncio.run(service.revoke(call_of("ten_a", clock), RevokeRequest(serial=serial)))
    assert published(service, clock).crl_number == 2
    clock.advance(seconds=10)
    asyncio.run(publish_lists(service))
    newest = published(service, clock)
    assert newest.crl_number == 3
    assert set(newest.entries) == {int(serial, 16) for serial in serials}


def test_a_clock_that_was_set_back_keeps_no_revocation_from_the_lists(
    service: CertificateService, sm2_csr: Csr, clock: HandClock
) -> None:
    serial, _ = issue(service, sm2_csr(), clock)
    clock.advance(hours=-1)
    asyncio.run(service.revoke(call_of("ten_a", clock), RevokeRequest(serial=serial)))
    assert int(serial, 16) in published(service, clock).entries


def test_a_list_is_renewed_before_it_ends(service: CertificateService, clock: HandClock) -> None:
    clock.advance(hours=11)
    asyncio.run(publish_lists(service))
    assert published(service, clock).crl_number == 1
    clock.advance(hours=2)
    asyncio.run(publish_lists(service))
    newest = published(service, clock)
    assert newest.crl_number == 2
    assert newest.next_update == clock.now() + timedelta(hours=24)


def test_a_revocation_is_final(service: CertificateService, sm2_csr: Csr, clock: HandClock) -> None:
    serial, _ = issue(service, sm2_csr(), clock)
    request = RevokeRequest(serial=serial, reason="superseded")
    asyncio.run(service.revoke(call_of("ten_a", clock), request))
    with pytest.raises(CertificateAlreadyRevoked):
        asyncio.run(service.revoke(call_of("ten_a", clock), request))
    detail = asyncio.run(service.get(call_of("ten_a", clock), SerialRequest(serial=serial)))
    assert (detail.certificate.state, detail.certificate.reason) == ("revoked", "superseded")


def test_another_tenant_cannot_revoke(service: CertificateService, sm2_csr: Csr, clock: HandClock) -> None:
    serial, _ = issue(service, sm2_csr(), clock)
    with pytest.raises(NotFound):
        asyncio.run(service.revoke(call_of("ten_b", clock), RevokeRequest(serial=serial)))
    assert published(service, clock).is_revoked(int(serial, 16)) is None


def test_expired_certificates_leave_the_list(service: CertificateService, sm2_csr: Csr, clock: HandClock) -> None:
    serial, _ = issue(service, sm2_csr(), clock)
    asyncio.run(service.revoke(call_of("ten_a", clock), RevokeRequest(serial=serial)))
    clock.advance(days=366)
    asyncio.run(publish_lists(service))
    # RFC 5280 3.3: not before a list was made after its end.
    assert published(service, clock).is_revoked(int(serial, 16)) is not None
    clock.advance(hours=13)
    asyncio.run(publish_lists(service))
    assert published(service, clock).is_revoked(int(serial, 16)) is None


def test_no_list_of_an_unknown_authority(service: CertificateService, clock: HandClock) -> None:
    with pytest.raises(NotFound):
        asyncio.run(service.crl(call_of(None, clock), CrlRequest(ca="nobody")))


def verify(service: CertificateService, pem: str, clock: HandClock, **fields: object) -> tuple[bool, list[str]]:
    view = asyncio.run(
        service.verify(call_of("ten_a", clock), VerifyRequest(certificate=pem, **fields))  # type: ignore[arg-type]
    )
    return view.valid, [reason.code for reason in view.reasons]


def test_verification_says_why_not(service: CertificateService, sm2_csr: Csr, clock: HandClock) -> None:
    serial, pem = issue(service, sm2_csr(), clock)
    before = clock.now()
    assert verify(service, pem, clock) == (True, [])
    assert verify(service, pem, clock, purpose="signature") == (True, [])
    assert verify(service, pem, clock, purpose="time_stamping") == (False, ["purpose"])
    assert verify(service, pem, clock, purpose="encryption") == (False, ["key_usage"])
    assert verify(service, pem, clock, at=before - timedelta(days=1)) == (False, ["not_yet_valid"])
    assert verify(service, pem, clock, at=before + timedelta(days=400)) == (False, ["expired"])
    clock.advance(minutes=1)
    asyncio.run(service.revoke(call_of("ten_a", clock), RevokeRequest(serial=serial)))
    assert verify(service, pem, clock) == (False, ["revoked"])
    assert verify(service, pem, clock, at=before) == (True, [])


def test_a_certificate_of_nobody_we_know_is_untrusted(
    service: CertificateService, sm2_csr: Csr, clock: HandClock, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from tests.standin import StandInMachine, ceremony, database_in

    from miyun.offerings.certificate.store import CertificateStore

    other = CertificateService(
        store=CertificateStore(database_in(tmp_path_factory.mktemp("other"))),
        machine=StandInMachine(),  # type: ignore[arg-type]
        ceremony=ceremony(StandInMachine()),
        clock=clock,
        ledger=StandInLedger(),  # type: ignore[arg-type]
        trusted_time=clock.now,
    )
    asyncio.run(other.bootstrap())
    _, pem = issue(other, sm2_csr(), clock)
    # The other platform's CA has our names but not our key.
    assert verify(service, pem, clock) == (False, ["signature"])


def test_rooms_revoke_through_the_port(service: CertificateService, sm2_csr: Csr, clock: HandClock) -> None:
    ledger = StandInLedger()
    issuer = PlatformIssuer(service=service, clock=clock, ledger=ledger)  # type: ignore[arg-type]
    serial = int(issue(service, sm2_csr(), clock)[0], 16)

    async def run() -> None:
        assert not await issuer.is_revoked(serial)
        for _ in range(2):
            await issuer.revoke(serial, "cessation_of_operation", clock.now())
        assert await issuer.is_revoked(serial)
        with pytest.raises(NotFound):
            await issuer.revoke(1, "unspecified", clock.now())

    asyncio.run(run())
    assert list(ledger.operations()) == ["certificate.revoke"]


def test_a_suspended_certificate_is_on_the_list_until_it_is_resumed(
    service: CertificateService, sm2_csr: Csr, clock: HandClock
) -> None:
    serial, pem = issue(service, sm2_csr(), clock)
    request = SerialRequest(serial=serial)

    def act(name: str) -> None:
        clock.advance(minutes=1)
        view = asyncio.run(getattr(service, name)(call_of("ten_a", clock), request))
        assert view.published and (view.revoked_at is None) is (name == "resume")

    act("suspend")
    entry = published(service, clock).is_revoked(int(serial, 16))
    assert entry is not None and entry.reason is Reason.CERTIFICATE_HOLD
    assert verify(service, pem, clock) == (False, ["revoked"])
    act("resume")
    assert published(service, clock).is_revoked(int(serial, 16)) is None
    assert verify(service, pem, clock) == (True, [])
    act("suspend")
    asyncio.run(service.revoke(call_of("ten_a", clock), RevokeRequest(serial=serial, reason="key_compromise")))
    clock.advance(minutes=1)
    asyncio.run(publish_lists(service))
    entry = published(service, clock).is_revoked(int(serial, 16))
    assert entry is not None and entry.reason is Reason.KEY_COMPROMISE
    for name in ("suspend", "resume"):
        with pytest.raises(CertificateStateConflict):
            asyncio.run(getattr(service, name)(call_of("ten_a", clock), request))


def test_only_what_is_issued_is_suspended_and_only_what_is_suspended_is_resumed(
    service: CertificateService, sm2_csr: Csr, clock: HandClock
) -> None:
    serial, _ = issue(service, sm2_csr(), clock)
    with pytest.raises(CertificateStateConflict) as refused:
        asyncio.run(service.resume(call_of("ten_a", clock), SerialRequest(serial=serial)))
    assert refused.value.message.en.endswith("the certificate is issued")
    asyncio.run(service.suspend(call_of("ten_a", clock), SerialRequest(serial=serial)))
    with pytest.raises(CertificateStateConflict):
        asyncio.run(service.suspend(call_of("ten_a", clock), SerialRequest(serial=serial)))
    with pytest.raises(NotFound):
        asyncio.run(service.resume(call_of("ten_b", clock), SerialRequest(serial=serial)))


def test_what_was_suspended_is_judged_so_for_that_time(
    service: CertificateService, sm2_csr: Csr, clock: HandClock
) -> None:
    """By whoever asks later, though it was resumed since, and suspended again, and revoked."""
    serial, pem = issue(service, sm2_csr(), clock)
    start, asked = clock.now(), SerialRequest(serial=serial)

    def at(minutes: float) -> bool:
        moment = start + timedelta(minutes=minutes)
        certificate = load_certificates(pem.encode())[0]
        issuer = next(item for item in service.authorities.all() if item.id == "sm2-issuing")
        known = service.trust.directory._own.status(certificate, parse_certificate(issuer.der), moment)
        told = service.verify_certificate(certificate, [], moment, None)
        assert known is not None and told.valid is (known.status == "good"), "both of them judge alike"
        return told.valid

    for minute, what in ((10, service.suspend), (20, service.resume), (30, service.suspend)):
        clock.at = start + timedelta(minutes=minute)
        asyncio.run(what(call_of("ten_a", clock), asked))
    clock.at = start + timedelta(minutes=40)
    asyncio.run(service.revoke(call_of("ten_a", clock), RevokeRequest(serial=serial)))
    judged = {minute: at(minute) for minute in (0, 9.9, 10, 19.9, 20, 29.9, 30, 39.9, 40, 50)}
    assert [minute for minute, good in judged.items() if good] == [0, 9.9, 20, 29.9]


def test_one_that_goes_and_one_that_comes_while_a_list_is_signed_make_another_due(
    service: CertificateService, machine: StandInMachine, sm2_csr: Csr, clock: HandClock
) -> None:
    first, second = (int(issue(service, sm2_csr(), clock)[0], 16) for _ in range(2))
    asyncio.run(service.revocation.suspend(first, clock.now()))
    clock.advance(minutes=1)
    sign = machine.sign

    async def slow(*arguments: Any, **named: Any) -> list[bytes]:
        await service.revocation.resume(first, clock.now())
        await service.revocation.suspend(second, clock.now())
        return await sign(*arguments, **named)

    machine.sign = slow  # type: ignore[method-assign]
    asyncio.run(publish_lists(service))
    machine.sign = sign  # type: ignore[method-assign]
    assert set(published(service, clock).entries) == {first}
    clock.advance(seconds=10)
    asyncio.run(publish_lists(service))
    assert set(published(service, clock).entries) == {second}, "as many as before, and others"
