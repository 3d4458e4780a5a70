"""The certificate, timestamp and signature rooms over stand-ins, ready to use.

Making the hierarchies takes a second (RSA keys), so it is done once; every test works on its own copy of the database.
"""

from __future__ import annotations

import asyncio
import copy
import shutil
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tests.standin import HandClock, StandInKeys, StandInLedger, StandInMachine, ceremony, database_in

from miyun.core.confinement import Confinement
from miyun.core.storage.database import Database
from miyun.offerings.certificate.issuer import PlatformIssuer
from miyun.offerings.certificate.service import CertificateService
from miyun.offerings.certificate.store import CertificateStore
from miyun.offerings.signature.evidence_signer import PlatformEvidenceSigner
from miyun.offerings.signature.service import SignatureService
from miyun.offerings.signature.store import SignatureStore
from miyun.offerings.timestamp.model import Reading, TimeSource
from miyun.offerings.timestamp.service import TimestampService
from miyun.offerings.timestamp.stamper import PlatformStamper
from miyun.offerings.timestamp.store import TimestampStore


@cache
def confinement() -> Confinement:
    """One for all rooms of this process: its readers take a second to start."""
    return Confinement()


@dataclass
class HandSource:
    """External time that says what the test says; None: no answer."""

    offsets: list[float | None] = field(default_factory=lambda: [0.0])

    @property
    def names(self) -> list[str]:
        return [f"ntp{number}" for number in range(len(self.offsets))]

    async def readings(self) -> list[Reading]:
        said = zip(self.names, self.offsets, strict=True)
        return [Reading(name, offset, "unreachable" if offset is None else "") for name, offset in said]


@dataclass
class Rooms:
    folder: Path
    database: Database
    machine: StandInMachine
    roots: StandInMachine  # of the root CAs' keys
    clock: HandClock = field(default_factory=HandClock)
    ledger: StandInLedger = field(default_factory=StandInLedger)

    def __post_init__(self) -> None:
        self.boot = self.clock.now().timestamp() - 1000.0
        self.certificate = CertificateService(
            store=CertificateStore(self.database),
            machine=self.machine,  # type: ignore[arg-type]
            ceremony=ceremony(self.roots),
            clock=self.clock,
            ledger=self.ledger,  # type: ignore[arg-type]
            trusted_time=lambda: self.timestamp.guard.time(),
        )
        self.issuer = PlatformIssuer(
            service=self.certificate,
            clock=self.clock,
            ledger=self.ledger,  # type: ignore[arg-type]
        )
        self.timestamp = self.timestamps()
        self.keys = StandInKeys(self.machine)
        self.signature = SignatureService(
            store=SignatureStore(self.database),
            keys=self.keys,  # type: ignore[arg-type]
            issuer=self.issuer,
            trust=self.certificate.trust.directory,
            stamper=PlatformStamper(service=self.timestamp),
            clock=self.clock,
            ledger=self.ledger,  # type: ignore[arg-type]
            confinement=confinement(),
        )
        self.evidence_signer = PlatformEvidenceSigner(
            store=SignatureStore(self.database),
            machine=self.machine,  # type: ignore[arg-type]
            issuer=self.issuer,
            clock=self.clock,
            ledger=self.ledger,  # type: ignore[arg-type]
        )

    def timestamps(self, source: TimeSource | None = None, minimum: int = 0) -> TimestampService:
        """Another process's timestamp service over the same database."""
        return TimestampService(
            store=TimestampStore(self.database),
            machine=self.machine,  # type: ignore[arg-type]
            issuer=self.issuer,
            clock=self.clock,
            ledger=self.ledger,  # type: ignore[arg-type]
            source=source,
            minimum=minimum,
            monotonic=lambda: self.clock.now().timestamp() - self.boot,
        )

    def step_clock(self, seconds: float) -> None:
        """The wall clock jumps; the boot-time clock does not."""
        self.clock.advance(seconds=seconds)
        self.boot += seconds


@cache
def _template() -> tuple[Path, Rooms]:
    folder = Path(tempfile.mkdtemp(prefix="miyun-rooms-"))
    rooms = Rooms(folder, database_in(folder), StandInMachine(), StandInMachine())
    asyncio.run(rooms.certificate.bootstrap())
    asyncio.run(rooms.timestamp.bootstrap())
    asyncio.run(rooms.evidence_signer.bootstrap())
    rooms.database.close()
    return folder, rooms


def rooms_in(folder: Path) -> Rooms:
    """Bootstrapped rooms of one test's own."""
    template, made = _template()
    for file in template.glob("test.db*"):
        shutil.copy(file, folder / file.name)
    database = Database(f"sqlite:///{folder / 'test.db'}")
    return Rooms(folder, database, copy.copy(made.machine), copy.copy(made.roots))
