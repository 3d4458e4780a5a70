from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.standin import AnyApplications, HandClock, StandInLedger, call_of, database_in
from tests.vsm import Vsm

from miyun.core.operation import Call, Role
from miyun.hsm.soft import SoftMachine
from miyun.offerings.encryption.service import EncryptionService
from miyun.offerings.kms.service import KmsService
from miyun.offerings.kms.store import KmsStore


@pytest.fixture(scope="session")
def vsm() -> Iterator[Vsm]:
    with Vsm() as running:
        yield running


class Scenery:
    """What a scene plays with: the room, the key management that holds its keys, and the machine."""

    def __init__(self, service: EncryptionService, kms: KmsService, machine: SoftMachine) -> None:
        self.service = service
        self.kms = kms
        self.machine = machine

    async def key(self, algorithm: str = "SM4", usage: str = "encrypt", tenant: str = "ten_a") -> str:
        info = await self.kms.directory.create(tenant, algorithm, usage, label="x", owner="app_1")
        return info.key


class Room:
    def __init__(self, folder: Path, vsm: Vsm) -> None:
        self.vsm = vsm
        self.clock = HandClock()
        self.ledger = StandInLedger()
        self.database = database_in(folder)

    def play(self, scene: Callable[[Scenery], Awaitable[Any]]) -> Any:
        async def main() -> Any:
            machine = self.vsm.machine()
            kms = KmsService(
                store=KmsStore(self.database),
                machine=machine,
                clock=self.clock,
                ledger=self.ledger,  # type: ignore[arg-type]
                applications=AnyApplications(),
            )
            service = EncryptionService(keys=kms.directory, ledger=self.ledger)  # type: ignore[arg-type]
            try:
                return await scene(Scenery(service, kms, machine))
            finally:
                await machine.aclose()

        return asyncio.run(main())

    def call(self, tenant: str = "ten_a", body: bytes | None = None, chunk: int = 10_000) -> Call:
        call = call_of(tenant, self.clock, role=Role.APPLICATION)
        if body is not None:
            call.body = chunks(body, chunk)
        return call


async def chunks(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@pytest.fixture
def room(tmp_path: Path, vsm: Vsm) -> Iterator[Room]:
    made = Room(tmp_path, vsm)
    yield made
    made.database.close()
