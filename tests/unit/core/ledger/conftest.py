from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from miyun.core.errors import MiyunError
from miyun.core.ledger.client import LedgerClient
from miyun.core.ledger.engine import Engine
from miyun.core.ledger.port import Admission, Entry, Receipt, Ticket
from miyun.core.ledger.server import LedgerServer


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def home() -> Iterator[Path]:
    """Short, for the socket."""
    path = Path(tempfile.mkdtemp(prefix="my", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@dataclass
class StoppedClock:
    at: datetime = field(default_factory=lambda: datetime(2026, 3, 2, 1, 59, 30, tzinfo=UTC))

    def now(self) -> datetime:
        return self.at

    def step(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@dataclass
class Desk:
    """An engine as one connection would use it."""

    engine: Engine
    clock: StoppedClock
    owner: str = "worker"

    async def admit(self, admission: Admission, owner: str | None = None) -> Ticket:
        ticket = self.engine.admit(admission, owner or self.owner)
        return await ticket if isinstance(ticket, asyncio.Future) else ticket

    async def append(self, entry: Entry | None = None, ticket: Ticket | None = None, **more: Any) -> Receipt:
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()

        def done(result: Receipt | MiyunError) -> None:
            if isinstance(result, MiyunError):
                future.set_exception(result)
            else:
                future.set_result(result)

        number = ticket.number if ticket else None
        self.engine.append(entry or self.entry(), done, ticket=number, owner=self.owner, **more)
        return await future

    async def release(self, ticket: Ticket, *, in_doubt: bool = False) -> None:
        released = self.engine.release(ticket.number, self.owner, in_doubt=in_doubt)
        if released is not None:
            await released

    def entry(self, operation: str = "room.verb", **members: Any) -> Entry:
        return Entry(**{"operation": operation, "outcome": "ok", "at": self.clock.now(), **members})


Opening = Callable[..., Awaitable[Desk]]


@pytest.fixture
async def opening(home: Path, clock: StoppedClock) -> AsyncIterator[Opening]:
    """Open the ledger (again): closes the one opened before."""
    last: list[Engine] = []

    async def close() -> None:
        while last:
            await last.pop().close()

    async def open_again(**options: Any) -> Desk:
        await close()
        engine = Engine(home, clock=clock, **{"patience": 60.0, **options})
        await engine.open()
        last.append(engine)
        return Desk(engine, clock)

    yield open_again
    await close()


@pytest.fixture
async def desk(opening: Opening) -> Desk:
    return await opening()


@pytest.fixture
async def socket(desk: Desk, home: Path) -> AsyncIterator[Path]:
    server = LedgerServer(desk.engine)
    path = home / "run" / "ledger.sock"
    await server.start(path)
    yield path
    for connection in list(server.connections):
        connection.transport.close()
    await asyncio.sleep(0)


@pytest.fixture
async def client(socket: Path) -> AsyncIterator[LedgerClient]:
    client = await LedgerClient.connect(socket)
    yield client
    await client.close()


@pytest.fixture
async def other_process(socket: Path) -> AsyncIterator[LedgerClient]:
    client = await LedgerClient.connect(socket)
    yield client
    await client.close()
