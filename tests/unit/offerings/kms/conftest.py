from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.standin import AnyApplications, HandClock, StandInLedger, call_of, database_in
from tests.vsm import Vsm

from miyun.core.operation import Call, Role
from miyun.core.storage import Database
from miyun.offerings.kms.service import KmsService
from miyun.offerings.kms.store import KmsStore


@pytest.fixture(scope="session")
def vsm() -> Iterator[Vsm]:
    with Vsm() as running:
        yield running


class Room:
    """The key management room over a real machine. `play(scene)` runs `await scene(service)`."""

    def __init__(self, folder: Path, vsm: Vsm) -> None:
        self.vsm = vsm
        self.folder = folder
        self.clock = HandClock()
        self.ledger = StandInLedger()
        self.database: Database = database_in(folder)
        self.store = KmsStore(self.database)

    def play(self, scene: Callable[[KmsService], Awaitable[Any]]) -> Any:
        async def main() -> Any:
            machine = self.vsm.machine()
            service = KmsService(
                store=self.store, machine=machine, clock=self.clock, ledger=self.ledger, applications=AnyApplications()
            )  # type: ignore[arg-type]
            try:
                return await scene(service)
            finally:
                await machine.aclose()

        return asyncio.run(main())

    def call(self, tenant: str = "ten_a", role: Role = Role.TENANT_SECURITY) -> Call:
        return call_of(tenant, self.clock, role=role)


@pytest.fixture
def room(tmp_path: Path, vsm: Vsm) -> Iterator[Room]:
    made = Room(tmp_path, vsm)
    yield made
    made.database.close()
