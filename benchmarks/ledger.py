"""Durable appends of the ledger against plain SQLite and against a bare write + fdatasync loop. One run, one table.

The ledger is measured as the web workers use it: its own process, two client processes, 128 requests in flight in each,
and every append acknowledged only when it is on disk. The other two are what a single writer can do one at a time, and
with the same records gathered into batches.

    python benchmarks/ledger.py [--seconds 3] [--directory DIR]
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from miyun.core.ledger.client import LedgerClient
from miyun.core.ledger.port import Admission, Entry, QuotaAsk

IN_FLIGHT = 128
CLIENTS = 2
ENTRY = Entry(
    "timestamp.stamp",
    "ok",
    datetime(2026, 3, 2, tzinfo=UTC),
    request_id="req_06f3k2v8q0abcdefghjkmnpqrs",
    tenant="ten_06f3k2v8q0abcdefghjkmnpqrs",
    instance="ins_06f3k2v8q0abcdefghjkmnpqrs",
    binding="bnd_06f3k2v8q0abcdefghjkmnpqrs",
    principal="app_06f3k2v8q0abcdefghjkmnpqrs",
    role="application",
    meter="timestamp.tokens",
    units=1,
    detail={"serial": 123456789},
)


async def _client(socket: Path, seconds: float, in_flight: int, admit: bool) -> int:
    client = await LedgerClient.connect(socket)
    end, count = time.monotonic() + seconds, 0
    quota = Admission(quota=QuotaAsk("ins_06f3k2v8q0abcdefghjkmnpqrs:timestamp.tokens", 1, 1 << 40))

    async def worker() -> None:
        nonlocal count
        while time.monotonic() < end:
            ticket = await client.admit(quota) if admit else None
            await client.append(ENTRY, ticket)
            count += 1

    await asyncio.gather(*[worker() for _ in range(in_flight)])
    await client.close()
    return count


def _client_process(
    socket: Path, seconds: float, in_flight: int, admit: bool, queue: multiprocessing.Queue[int]
) -> None:
    queue.put(asyncio.run(_client(socket, seconds, in_flight, admit)))


def ledger(directory: Path, seconds: float, *, clients: int, in_flight: int, admit: bool) -> float:
    home = Path(tempfile.mkdtemp(prefix="my", dir=directory))
    process = subprocess.Popen(
        [sys.executable, "-m", "miyun.core.ledger", "--home", str(home)], stderr=subprocess.DEVNULL
    )
    socket = home / "run" / "ledger.sock"
    while not socket.exists():
        time.sleep(0.01)
    queue: multiprocessing.Queue[int] = multiprocessing.Queue()
    workers = [
        multiprocessing.Process(target=_client_process, args=(socket, seconds, in_flight, admit, queue))
        for _ in range(clients)
    ]
    for worker in workers:
        worker.start()
    total = sum(queue.get() for _ in workers)
    for worker in workers:
        worker.join()
    process.send_signal(signal.SIGTERM)
    process.wait()
    shutil.rmtree(home)
    return total / seconds


def sqlite(directory: Path, seconds: float, batch: int) -> float:
    path = Path(tempfile.mkdtemp(prefix="my", dir=directory))
    connection = sqlite3.connect(path / "plain.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE record (seq INTEGER PRIMARY KEY, raw BLOB)")
    end, count = time.monotonic() + seconds, 0
    raw = bytes(500)
    while time.monotonic() < end:
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO record (raw) VALUES (?)", [(raw,)] * batch)
        connection.execute("COMMIT")
        count += batch
    connection.close()
    shutil.rmtree(path)
    return count / seconds


def bare(directory: Path, seconds: float, batch: int) -> float:
    fd, name = tempfile.mkstemp(dir=directory)
    end, count = time.monotonic() + seconds, 0
    data = bytes(500) * batch
    while time.monotonic() < end:
        os.write(fd, data)
        os.fdatasync(fd)
        count += batch
    os.close(fd)
    os.unlink(name)
    return count / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--directory", type=Path, default=Path("/tmp"), help="on the disk to be measured; a short path")
    given = parser.parse_args()
    where, seconds = given.directory, given.seconds
    in_flight = CLIENTS * IN_FLIGHT
    runs: list[tuple[str, Callable[[], float]]] = [
        ("bare write + fdatasync, one at a time", lambda: bare(where, seconds, 1)),
        (f"bare write + fdatasync, {in_flight} together", lambda: bare(where, seconds, in_flight)),
        ("SQLite synchronous=FULL, one at a time", lambda: sqlite(where, seconds, 1)),
        (f"SQLite synchronous=FULL, {in_flight} together", lambda: sqlite(where, seconds, in_flight)),
        ("ledger append, one at a time", lambda: ledger(where, seconds, clients=1, in_flight=1, admit=False)),
        (
            f"ledger append, {in_flight} in flight",
            lambda: ledger(where, seconds, clients=CLIENTS, in_flight=IN_FLIGHT, admit=False),
        ),
        (
            f"ledger admit (quota) + append, {in_flight} in flight",
            lambda: ledger(where, seconds, clients=CLIENTS, in_flight=IN_FLIGHT, admit=True),
        ),
    ]
    results = {name: run() for name, run in runs}
    base_bare, _together, base_sqlite, *_others = results.values()
    print(f"{'':56}{'records/s':>12}{'/ bare':>9}{'/ SQLite':>9}")
    for name, rate in results.items():
        print(f"{name:56}{rate:12,.0f}{rate / base_bare:9.2f}{rate / base_sqlite:9.2f}")


if __name__ == "__main__":
    main()
