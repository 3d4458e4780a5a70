"""The one place where the parts of the platform meet: every process builds what it needs from here.

Rooms are listed one by one. What a room needs of another goes through the ports of `core.ports`, wired below.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from miyun.core import cloud, outbound
from miyun.core.catalogue import Offering
from miyun.core.clock import Clock, SystemClock
from miyun.core.confinement import Confinement
from miyun.core.contracts.store import ContractStore
from miyun.core.contracts.tasks import TASKS as CONTRACT_TASKS
from miyun.core.digest import digest
from miyun.core.errors import MiyunError
from miyun.core.jobs import Task
from miyun.core.ledger.anchors import head_bytes
from miyun.core.ledger.client import LedgerClient
from miyun.core.machine import machine_errors
from miyun.core.operation import Call
from miyun.core.pipeline import Pipeline
from miyun.core.ports import CertificateIssuer, Stamper
from miyun.core.protocol import ProtocolRoute
from miyun.core.registry import Registry
from miyun.core.settings import Settings, host_and_port
from miyun.core.storage import Database
from miyun.core.tenancy.applications.store import ApplicationStore
from miyun.core.turns import Turns
from miyun.delivery.operations import OPERATIONS as DELIVERY_OPERATIONS
from miyun.delivery.performance import Gatherer
from miyun.delivery.recording import PerformanceService
from miyun.delivery.service import DeliveryService
from miyun.delivery.store import DeliveryStore, RecordStore
from miyun.delivery.tasks import TASKS as DELIVERY_TASKS
from miyun.edge import conformance
from miyun.edge.first_logins import keep_first_logins
from miyun.edge.listener.certificate import ListenerFiles
from miyun.edge.tokens import local_token
from miyun.hsm.port import MachineState
from miyun.hsm.soft.client import SoftMachine
from miyun.hsm.soft.offline import started
from miyun.offerings.certificate import protocol as certificate_protocol
from miyun.offerings.certificate import tasks as certificate_tasks
from miyun.offerings.certificate.errors import RootsOffline
from miyun.offerings.certificate.issuer import PlatformIssuer
from miyun.offerings.certificate.service import CertificateService
from miyun.offerings.certificate.store import CertificateStore
from miyun.offerings.certificate.trust import tasks as trust_tasks
from miyun.offerings.encryption.service import EncryptionService
from miyun.offerings.kms import tasks as kms_tasks
from miyun.offerings.kms.service import KmsService
from miyun.offerings.kms.store import KmsStore
from miyun.offerings.onboarding.service import OnboardingService
from miyun.offerings.onboarding.store import OnboardingStore
from miyun.offerings.signature import tasks as signature_tasks
from miyun.offerings.signature.archive import tasks as archive_tasks
from miyun.offerings.signature.evidence_signer import PlatformEvidenceSigner
from miyun.offerings.signature.service import SignatureService
from miyun.offerings.signature.store import SignatureStore
from miyun.offerings.ssl_certificate import protocol as ssl_certificate_protocol
from miyun.offerings.ssl_certificate import tasks as ssl_certificate_tasks
from miyun.offerings.ssl_certificate.assembly import ssl_certificate_service
from miyun.offerings.strong_auth import protocol as strong_auth_protocol
from miyun.offerings.strong_auth import tasks as strong_auth_tasks
from miyun.offerings.strong_auth.assembly import strong_auth_service
from miyun.offerings.timestamp import protocol as timestamp_protocol
from miyun.offerings.timestamp import tasks as timestamp_tasks
from miyun.offerings.timestamp.ntp import PORT as NTP_PORT
from miyun.offerings.timestamp.ntp import NtpServer, NtpSource
from miyun.offerings.timestamp.operations import TOKENS
from miyun.offerings.timestamp.service import TimestampService
from miyun.offerings.timestamp.stamper import PlatformStamper
from miyun.offerings.timestamp.store import TimestampStore
from miyun.offerings.usbkey import tasks as usbkey_tasks
from miyun.offerings.usbkey.service import UsbKeyService
from miyun.offerings.usbkey.store import UsbKeyStore
from miyun.wire.x509 import parse_certificate

log = logging.getLogger("miyun.assembly")

ROOMS = (
    "kms",
    "encryption",
    "signature",
    "timestamp",
    "certificate",
    "strong_auth",
    "usbkey",
    "onboarding",
    "crypto_api",
    "vsm",
    "ssl_certificate",
    "remote_access",
    "dbaudit",
    "antivirus",
    "webguard",
    "apt",
    "cdn",
    "container",
    "devops",
    "middleware",
    "microservice",
    "api_management",
)
PROTOCOLS: tuple[ProtocolRoute, ...] = (
    *certificate_protocol.ROUTES,
    *timestamp_protocol.ROUTES,
    *strong_auth_protocol.ROUTES,
    *ssl_certificate_protocol.ROUTES,
)
ROOTS = "roots"  # the VSM of the root CAs' keys, which runs only for a ceremony
SETUP_DONE = "setup-done"  # in data/: the installation has its administrators, authorities and keys


@dataclass(slots=True)
class Platform:
    """Everything one process of the platform works with. `await close()` when it ends."""

    settings: Settings
    registry: Registry
    database: Database
    ledger: LedgerClient
    machine: SoftMachine
    clock: Clock
    cloud: cloud.Cloud
    services: Mapping[str, Any]  # by operation prefix
    pipeline: Pipeline
    issuer: CertificateIssuer
    stamper: Stamper
    evidence_signer: PlatformEvidenceSigner
    contracts: ContractStore
    applications: ApplicationStore
    delivery: DeliveryService
    tasks: Sequence[tuple[Task, Any]] = field(default_factory=tuple)

    async def machine_state(self) -> str:
        state = (await self.machine.status()).state
        return "ok" if state is MachineState.OPERATIONAL else str(state)

    async def ledger_state(self) -> str:
        await self.ledger.head()
        return "ok"

    async def database_state(self) -> str:
        await asyncio.to_thread(self._touch_database)
        return "ok"

    async def setup_state(self) -> str:
        return "ok" if (self.settings.folder("data") / SETUP_DONE).exists() else "pending"

    def _touch_database(self) -> None:
        with self.database.read() as connection:
            connection.exec_driver_sql("SELECT 1")

    async def anchor(self) -> int:
        """Sign and time-stamp the head of the journal, so that what was recorded before cannot be changed unnoticed.

        Answers the number of records anchored. Without trusted time the signature stands alone.
        """
        head = await self.ledger.head()
        if head.size == 0:
            return 0
        signature = await self.evidence_signer.sign_detached(head_bytes(head))
        token: bytes | None = None
        try:
            token = await self.stamper.token(digest(signature))
        except MiyunError as error:
            log.warning("the anchor of %d records has no time-stamp: %s", head.size, error.code)
        await self.ledger.anchor(head, signature, token)
        return head.size

    def rehearsing(self, tenant: str | None) -> bool:
        """Whether any contract of the tenant (None: of anybody) is performed as a rehearsal."""
        return any(contract.rehearsal for contract in self.contracts.list_contracts(tenant))

    async def close(self) -> None:
        await self.ledger.close()
        await self.machine.aclose()
        self.database.close()


def offerings() -> tuple[Offering, ...]:
    """The declarations of all rooms, in the catalogue's order."""
    return tuple(importlib.import_module(f"miyun.offerings.{slug}.offering").OFFERING for slug in ROOMS)


def registry() -> Registry:
    return Registry(offerings(), cloud.CORE_OPERATIONS + DELIVERY_OPERATIONS)


async def assemble(
    settings: Settings, *, process: Literal["web", "jobs", "cli"], token: bytes = b"", clock: Clock | None = None
) -> Platform:
    """Build all services of one process. `token` admits it to the VSM. Nothing is started and nothing is connected."""
    clock = clock or SystemClock()
    run = settings.folder("run")
    token = token or (local_token(run) if process == "cli" else b"")
    database = Database(settings.dsn)
    ledger = LedgerClient(run / "ledger.sock")
    machine = SoftMachine(str(run / "vsm-platform.sock"), token=token)
    catalogue = registry()
    bought = ContractStore(database)

    certificate = CertificateService(
        store=CertificateStore(database),
        machine=machine,
        ceremony=partial(ceremony, settings),
        clock=clock,
        ledger=ledger,
        trusted_time=lambda: timestamp.guard.time(),
        base_url=settings.publication_url,
    )
    issuer = PlatformIssuer(service=certificate, clock=clock, ledger=ledger)
    core = cloud.assemble(
        database=database,
        ledger=ledger,
        machine=machine,
        url=settings.url,
        registry=catalogue,
        trust=certificate.trust.directory,
        clock=clock,
    )
    policy = outbound.AddressPolicy.of(settings.outbound.allow)
    outside = partial(outbound.fetch, policy=policy)
    refresher = certificate.trust.refresher(outside)

    async def tokens_an_hour(call: Call) -> int | None:
        usable = await asyncio.to_thread(bought.usable, tenant=call.require_tenant())
        limits = [use.entitlement.hourly_limit(TOKENS.name) for use in usable if use.instance == call.instance]
        return limits[0] if limits else None

    timestamp: TimestampService = TimestampService(
        store=TimestampStore(database),
        machine=machine,
        issuer=issuer,
        clock=clock,
        ledger=ledger,
        tolerance=settings.time.tolerance_seconds,
        source=time_source(settings, clock),
        minimum=settings.time.minimum,
        limit_of=tokens_an_hour,
    )
    stamper = PlatformStamper(service=timestamp)
    kms = KmsService(
        store=KmsStore(database), machine=machine, clock=clock, ledger=ledger, applications=core.applications
    )
    strong_auth = strong_auth_service(
        database=database,
        issuer=issuer,
        trust=certificate.trust.directory,
        applications=core.applications,
        keys=kms.directory,
        machine=machine,
        custody=lambda tenant, fingerprint: usbkey.custody(tenant, fingerprint),
        entitle=core.entitlements.of_application(catalogue.operation("strong_auth.login")),
        fetch=outside,
        clock=clock,
        url=settings.url,
        mutual_url=settings.mutual_url,
    )
    usbkey: UsbKeyService = UsbKeyService(
        store=UsbKeyStore(database),
        keys=kms.directory,
        issuer=issuer,
        desk=certificate.applications.pairs,
        uses=strong_auth,
        ledger=ledger,
        clock=clock,
    )
    encryption = EncryptionService(keys=kms.directory, ledger=ledger, spool=settings.folder("data"))
    signatures = SignatureStore(database)
    signature = SignatureService(
        store=signatures,
        keys=kms.directory,
        issuer=issuer,
        trust=certificate.trust.directory,
        stamper=stamper,
        clock=clock,
        ledger=ledger,
        confinement=Confinement(),
    )
    signer = PlatformEvidenceSigner(store=signatures, machine=machine, issuer=issuer, clock=clock, ledger=ledger)
    onboarding = OnboardingService(
        store=OnboardingStore(database),
        applications=core.applications,
        contracts=bought,
        keys=kms.directory,
        signers=signature,
        registry=catalogue,
        ledger=ledger,
        url=settings.url,
        authority=str(listener_authority(settings)),
    )
    ssl_certificate = ssl_certificate_service(
        settings=settings.acme,
        url=settings.url,
        database=database,
        machine=machine,
        issuer=issuer,
        keys=kms.directory,
        applications=core.applications,
        ledger=ledger,
        clock=clock,
        policy=policy,
    )
    core.authenticator.judges["ssl_certificate"] = ssl_certificate.acme.authentication.authenticate
    rooms: dict[str, Any] = {
        "kms": kms,
        "encryption": encryption,
        "signature": signature,
        "timestamp": timestamp,
        "certificate": certificate,
        "strong_auth": strong_auth,
        "usbkey": usbkey,
        "ssl_certificate": ssl_certificate,
        "onboarding": onboarding,
    }
    observed, recorded, bound = DeliveryStore(database), RecordStore(database), ApplicationStore(database)
    gatherer = Gatherer(
        contracts=bought,
        applications=bound,
        store=observed,
        records=recorded,
        registry=catalogue,
        services=rooms,
        ledger=ledger,
        issuer=issuer,
        clock=clock,
        journal=settings.folder("journal"),
        selftest=conformance.self_tests,
        platform=conformance.describe(machine),
    )
    delivery = DeliveryService(
        contracts=bought,
        store=observed,
        gatherer=gatherer,
        signer=signer,
        stamper=stamper,
        clock=clock,
        dossiers=settings.home / "dossiers",
        ask=conformance.own_probe(settings.url, listener_authority(settings)),
    )
    performed = PerformanceService(contracts=bought, store=recorded)
    services: dict[str, Any] = {**core.services, **rooms, "delivery": delivery, "performance": performed}
    pipeline = Pipeline(
        registry=catalogue,
        services=services,
        authenticator=core.authenticator,
        entitlements=core.entitlements,
        ledger=ledger,
        clock=clock,
        turns=Turns() if process == "web" else None,
        step_up=core.accounts.keys,
    )
    return Platform(
        settings=settings,
        registry=catalogue,
        database=database,
        ledger=ledger,
        machine=machine,
        clock=clock,
        cloud=core,
        services=services,
        pipeline=pipeline,
        stamper=stamper,
        issuer=issuer,
        evidence_signer=signer,
        contracts=bought,
        applications=bound,
        delivery=delivery,
        tasks=(
            *((task, core.contracts) for task in CONTRACT_TASKS),
            *((task, kms) for task in kms_tasks.TASKS),
            *((task, signer) for task in signature_tasks.TASKS),
            *((task, signature.archive.sealing) for task in archive_tasks.TASKS),
            *((task, delivery) for task in DELIVERY_TASKS),
            *((task, certificate) for task in certificate_tasks.TASKS),
            *((task, refresher) for task in trust_tasks.TASKS),
            *((task, timestamp) for task in timestamp_tasks.TASKS),
            *((task, strong_auth) for task in strong_auth_tasks.TASKS),
            *((task, usbkey) for task in usbkey_tasks.TASKS),
            *((task, ssl_certificate) for task in ssl_certificate_tasks.TASKS),
        ),
    )


@asynccontextmanager
async def ceremony(settings: Settings) -> AsyncIterator[SoftMachine]:
    """The machine with the root keys, while the block runs; `machine.root` protects it as it does the platform's own.

    Raises RootsOffline where it takes its operators' shares to open."""
    if settings.machine.root != "keyfile":
        raise RootsOffline
    with machine_errors():
        async with roots_machine(settings) as machine:
            yield machine


def roots_machine(settings: Settings) -> AbstractAsyncContextManager[SoftMachine]:
    """As it is found: locked or unprovisioned, where operators keep its root in shares."""
    return started(settings.home, ROOTS, root=settings.machine.root, uid=settings.machine.uid)


def time_source(settings: Settings, clock: Clock) -> NtpSource | None:
    """None when no server is configured. Only the jobs process asks the servers; the others read what it found."""
    if not settings.time.servers:
        return None
    servers = [NtpServer(*host_and_port(server, NTP_PORT)) for server in settings.time.servers]
    return NtpSource(servers, clock, limit=settings.time.tolerance_seconds)


async def set_up(platform: Platform) -> None:
    """What a new installation gets once: administrators, certification and timestamp authorities. Safe to repeat.

    Raises MachineLocked while the operators have not unlocked the VSM.
    """
    await platform.services["certificate"].bootstrap()
    await platform.services["timestamp"].bootstrap()
    await platform.evidence_signer.bootstrap()
    passwords = await platform.cloud.accounts.open_platform()
    keep_first_logins(platform.settings, passwords)
    await keep_trust(platform)
    (platform.settings.folder("data") / SETUP_DONE).touch(mode=0o600)


async def keep_trust(platform: Platform) -> None:
    """The certificates that offline checks start from, under data/trust/: `root-N.pem`, `intermediate-N.pem`."""
    folder = platform.settings.folder("data") / "trust"
    folder.mkdir(mode=0o755, exist_ok=True)
    groups = {"root": await platform.issuer.trust_anchors(), "intermediate": await platform.issuer.intermediates()}
    for name, certificates in groups.items():
        for number, der in enumerate(certificates, 1):
            (folder / f"{name}-{number}.pem").write_text(parse_certificate(der).to_pem(), "utf-8")


def listener_authority(settings: Settings) -> Path:
    """The file that clients trust: `curl --cacert`."""
    return ListenerFiles.of(settings).ca
