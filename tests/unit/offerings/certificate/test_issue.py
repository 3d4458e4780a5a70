from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.rooms import Rooms
from tests.standin import HandClock, StandInLedger, StandInMachine, call_of, ceremony

from miyun.core.errors import ClockUntrusted, InvalidArgument, NotFound
from miyun.core.errors import MachineLocked as CoreMachineLocked
from miyun.gm import sm2
from miyun.hsm.errors import MachineLocked
from miyun.offerings.certificate.errors import CertificateNotComplete
from miyun.offerings.certificate.issuer import PlatformIssuer
from miyun.offerings.certificate.messages import (
    BatchItem,
    BatchRequest,
    DownloadRequest,
    IssueRequest,
    ListRequest,
    SerialRequest,
)
from miyun.offerings.certificate.service import CertificateService
from miyun.offerings.certificate.store import CertificateStore
from miyun.offerings.certificate.weak_keys import usable_key
from miyun.wire import der, oid, pem
from miyun.wire.spki import sm2_spki
from miyun.wire.x509 import load_certificates, parse_certificate, verify_chain

Csr = Callable[..., str]


def test_racing_processes_make_three_hierarchies_once(
    empty_store: CertificateStore, machine: StandInMachine, clock: HandClock
) -> None:
    ledger, roots = StandInLedger(), StandInMachine()

    async def race() -> None:
        services = [
            CertificateService(
                store=empty_store,
                machine=machine,  # type: ignore[arg-type]
                ceremony=ceremony(roots),
                clock=clock,
                ledger=ledger,  # type: ignore[arg-type]
                trusted_time=clock.now,
            )
            for _ in range(2)
        ]
        await asyncio.gather(*(service.bootstrap() for service in services))
        first, second = ([item.der for item in service.authorities.all()] for service in services)
        assert first == second
        await services[0].bootstrap()
        assert [item.der for item in empty_store.authorities()] == first

    asyncio.run(race())
    ids = {item.id for item in empty_store.authorities()}
    assert ids == {f"{family}-{role}" for family in ("sm2", "ecdsa", "rsa") for role in ("root", "issuing")}
    assert list(ledger.operations()).count("certificate.ca.create") == 6


def test_a_certificate_chains_to_its_root_and_names_its_list(
    service: CertificateService, sm2_csr: Csr, clock: HandClock
) -> None:
    call = call_of("ten_a", clock)
    issued = asyncio.run(service.issue(call, IssueRequest(template="application", csr=sm2_csr("应用一"))))
    [certificate] = load_certificates(issued.pem)
    chain = load_certificates(issued.chain_pem)
    verify_chain(certificate, chain[:1], chain[1:], clock.now())
    assert certificate.crl_urls == ("https://127.0.0.1:8600/crl/sm2-issuing.crl",)
    assert certificate.key_usage == {"digitalSignature", "nonRepudiation"}
    assert certificate.subject.get("CN") == "应用一"
    assert not certificate.is_ca
    assert call.resource == {"certificate": issued.certificate.serial}
    assert call.units == 1


def test_a_pair_has_one_subject_two_keys_and_different_usages(
    service: CertificateService, sm2_csr: Csr, clock: HandClock
) -> None:
    encryption = sm2_spki(sm2.public_key(sm2.generate_private_key()))
    call = call_of("ten_a", clock)
    issued = asyncio.run(
        service.issue(call, IssueRequest(template="application", csr=sm2_csr("张三"), encryption_public_key=encryption))
    )
    assert issued.encryption is not None
    [sign], [encrypt] = load_certificates(issued.pem), load_certificates(issued.encryption_pem)
    assert sign.subject == encrypt.subject
    assert encrypt.spki_der == encryption != sign.spki_der
    assert encrypt.key_usage == {"keyEncipherment", "dataEncipherment", "keyAgreement"}
    assert (issued.certificate.pair, issued.encryption.pair) == (issued.encryption.serial, issued.certificate.serial)
    assert call.units == 2


def test_the_kind_of_key_chooses_the_hierarchy(service: CertificateService, ecdsa_csr: str, clock: HandClock) -> None:
    issued = asyncio.run(
        service.issue(
            call_of("ten_a", clock),
            IssueRequest(template="tls_server", csr=ecdsa_csr, names=["app.example.cn", "10.0.0.1"]),
        )
    )
    assert issued.certificate.ca == "ecdsa-issuing"
    [certificate] = load_certificates(issued.pem)
    assert [(name.kind, name.value) for name in certificate.subject_alt_names] == [
        ("dns", "app.example.cn"),
        ("ip", "10.0.0.1"),
    ]


def test_a_tsa_certificate_has_its_only_purpose_critical(service: CertificateService, clock: HandClock) -> None:
    issuer = PlatformIssuer(service=service, clock=clock, ledger=StandInLedger())  # type: ignore[arg-type]
    spki = sm2_spki(sm2.public_key(sm2.generate_private_key()))
    issued = asyncio.run(issuer.issue(None, template="tsa", subject={"CN": "TSA"}, spki=spki, at=clock.now()))
    extension = parse_certificate(issued.der).extension(oid.EXT_KEY_USAGE)
    assert extension is not None and extension.critical
    assert parse_certificate(issued.der).ext_key_usage == (oid.KP_TIME_STAMPING,)
    assert asyncio.run(issuer.chain_of(issued.serial)) == issued


def _spoiled(csr: str) -> str:
    body = bytearray(pem.decode(csr, pem.CERTIFICATE_REQUEST))
    body[-5] ^= 1
    return base64.b64encode(bytes(body)).decode()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"template": "none"}, "template"),
        ({"template": "tsa"}, "template"),
        ({"csr": "not base64 at all!"}, "csr"),
        ({"csr": "AAAA"}, "csr"),
        ({"days": 0}, "days"),
        ({"days": 5000}, "days"),
        ({"subject": {"O": "某局"}}, "subject"),
        ({"subject": {"CN": "x", "C": "CHN"}}, "subject"),
        ({"subject": {"CN": "x", "NOPE": "1"}}, "subject"),
        ({"subject": {"CN": "长" * 65}}, "subject"),
        ({"names": ["10.0.0.1"]}, "names"),
        ({"names": ["中文.cn"]}, "names"),
        ({"encryption_public_key": b"\x30\x00"}, "encryption_public_key"),
        ({"encryption_public_key": sm2_spki(b"\x04" + bytes(64))}, "encryption_public_key"),
    ],
)
def test_what_a_template_does_not_allow_is_refused_by_field(
    service: CertificateService, sm2_csr: Csr, clock: HandClock, change: dict[str, object], field: str
) -> None:
    fields: dict[str, object] = {"template": "application", "csr": sm2_csr()}
    request = IssueRequest(**{**fields, **change})  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument) as refused:
        asyncio.run(service.issue(call_of("ten_a", clock), request))
    assert refused.value.field == field


def test_a_request_signed_by_another_key_is_refused(
    service: CertificateService, sm2_csr: Csr, clock: HandClock
) -> None:
    with pytest.raises(InvalidArgument) as refused:
        asyncio.run(
            service.issue(call_of("ten_a", clock), IssueRequest(template="application", csr=_spoiled(sm2_csr())))
        )
    assert refused.value.field == "csr"


def test_another_tenants_certificate_is_not_found(service: CertificateService, sm2_csr: Csr, clock: HandClock) -> None:
    issued = asyncio.run(service.issue(call_of("ten_a", clock), IssueRequest(template="application", csr=sm2_csr())))
    serial = issued.certificate.serial
    other = call_of("ten_b", clock)
    with pytest.raises(NotFound):
        asyncio.run(service.get(other, SerialRequest(serial=serial)))
    with pytest.raises(NotFound):
        asyncio.run(service.download(other, DownloadRequest(serial=serial)))
    assert asyncio.run(service.list_certificates(other, ListRequest())).items == []


def test_pages_cover_the_list_once_newest_first(service: CertificateService, sm2_csr: Csr, clock: HandClock) -> None:
    call = call_of("ten_a", clock)

    async def walk() -> list[str]:
        for number in range(5):
            await service.issue(call, IssueRequest(template="application", csr=sm2_csr(f"应用{number}")))
        seen: list[str] = []
        cursor = None
        while True:
            page = await service.list_certificates(call, ListRequest(limit=2, cursor=cursor))
            seen += [item.subject for item in page.items]
            if (cursor := page.next_cursor) is None:
                return seen

    subjects = asyncio.run(walk())
    assert [subject[:6] for subject in subjects] == [f"CN=应用{n}" for n in (4, 3, 2, 1, 0)]


def test_search_takes_wildcards_literally(service: CertificateService, sm2_csr: Csr, clock: HandClock) -> None:
    call = call_of("ten_a", clock)
    asyncio.run(service.issue(call, IssueRequest(template="application", csr=sm2_csr("应用"))))
    assert asyncio.run(service.list_certificates(call, ListRequest(text="%"))).items == []
    assert len(asyncio.run(service.list_certificates(call, ListRequest(text="应用"))).items) == 1


def test_a_crash_between_number_and_signature_leaves_no_certificate_and_no_reuse(
    service: CertificateService, store: CertificateStore, machine: StandInMachine, sm2_csr: Csr, clock: HandClock
) -> None:
    call = call_of("ten_a", clock)
    numbers = iter([bytes(15) + b"\x04", bytes(15) + b"\x04", bytes(15) + b"\x08"])

    async def known(size: int) -> bytes:
        return next(numbers)

    async def fails(*arguments: object, **named: object) -> list[bytes]:
        raise MachineLocked

    machine.random, sign = known, machine.sign  # type: ignore[method-assign, assignment]
    machine.sign = fails  # type: ignore[method-assign, assignment]
    with pytest.raises(CoreMachineLocked):
        asyncio.run(service.issue(call, IssueRequest(template="application", csr=sm2_csr())))
    machine.sign = sign  # type: ignore[method-assign]
    taken = f"{1 << 126 | 1:032x}"
    with pytest.raises(CertificateNotComplete):
        asyncio.run(service.get(call, SerialRequest(serial=taken)))
    # The same random number comes again: it is not used twice.
    issued = asyncio.run(service.issue(call, IssueRequest(template="application", csr=sm2_csr())))
    assert issued.certificate.serial == f"{1 << 126 | 2:032x}"
    assert len(asyncio.run(service.list_certificates(call, ListRequest())).items) == 1


def test_nothing_is_issued_while_the_clock_is_not_trusted(rooms: Rooms, sm2_csr: Csr) -> None:
    call = call_of("ten_a", rooms.clock)
    rooms.step_clock(3600)
    with pytest.raises(ClockUntrusted):
        asyncio.run(rooms.certificate.issue(call, IssueRequest(template="application", csr=sm2_csr())))
    with pytest.raises(ClockUntrusted):
        items = [BatchItem(csr=sm2_csr()) for _ in range(3)]
        asyncio.run(rooms.certificate.batches.issue(call, BatchRequest(template="device", items=items)))
    assert not asyncio.run(rooms.certificate.list_certificates(call, ListRequest())).items
    rooms.timestamp.guard.rebase()  # an operator vouched for the time
    asyncio.run(rooms.certificate.issue(call, IssueRequest(template="application", csr=sm2_csr())))


def test_files_come_as_pem_der_and_with_their_chain(
    service: CertificateService, sm2_csr: Csr, clock: HandClock
) -> None:
    call = call_of("ten_a", clock)
    serial = asyncio.run(service.issue(call, IssueRequest(template="application", csr=sm2_csr()))).certificate.serial
    der = asyncio.run(service.download(call, DownloadRequest(serial=serial, format="der")))
    assert f"{parse_certificate(der.body).serial:032x}" == serial
    chain = asyncio.run(service.download(call, DownloadRequest(serial=serial, format="chain")))
    assert len(load_certificates(chain.body)) == 3


def test_an_rsa_key_is_judged_by_its_modulus_not_by_a_long_exponent(service: CertificateService) -> None:
    secret = rsa.generate_private_key(65537, 1024)
    exponent = (1 << 1500) + 1
    short = der.sequence(der.integer(secret.public_key().public_numbers().n), der.integer(exponent))
    key = der.sequence(der.sequence(der.oid(oid.RSA_ENCRYPTION), b"\x05\x00"), der.bit_string(short))
    assert len(key) > 292
    with pytest.raises(InvalidArgument):
        usable_key("public_key", key)


@pytest.mark.parametrize("authority", ["Miyun SM2 Issuing CA", "Miyun SM2 Root CA"])
def test_a_tenant_gets_no_certificate_in_the_name_of_an_authority(
    service: CertificateService, sm2_csr: Csr, clock: HandClock, authority: str
) -> None:
    subject = {"O": "Miyun", "OU": "Certification Authority", "CN": authority}
    with pytest.raises(InvalidArgument) as refused:
        asyncio.run(
            service.issue(call_of("ten_a", clock), IssueRequest(template="application", csr=sm2_csr(), subject=subject))
        )
    assert refused.value.field == "subject"


@pytest.mark.parametrize("name", ["", " ", "a b.cn", "应用.cn", "a.cn\n", "-a.cn", "*", "a..cn", "x" * 300 + ".cn"])
def test_a_name_that_is_none_is_refused(service: CertificateService, sm2_csr: Csr, clock: HandClock, name: str) -> None:
    with pytest.raises(InvalidArgument):
        asyncio.run(
            service.issue(call_of("ten_a", clock), IssueRequest(template="tls_server", csr=sm2_csr(), names=[name]))
        )


@pytest.mark.parametrize("name", ["bank.cn\0.evil.cn", "line\nbreak", "\u202egnp.exe", "\x7f"])
@pytest.mark.parametrize("where", ["subject", "csr"])
def test_a_subject_shows_what_it_says(
    service: CertificateService, sm2_csr: Csr, clock: HandClock, name: str, where: str
) -> None:
    """What ends, breaks or turns a name around when it is shown makes it read as another."""
    request = (
        IssueRequest(template="application", csr=sm2_csr(), subject={"CN": name})
        if where == "subject"
        else IssueRequest(template="application", csr=sm2_csr(name))
    )
    with pytest.raises(InvalidArgument) as refused:
        asyncio.run(service.issue(call_of("ten_a", clock), request))
    assert refused.value.field == "subject"
