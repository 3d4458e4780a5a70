"""kill -9 of the ledger under load, twenty times: nothing acknowledged is lost, nothing happens twice."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from miyun.core.errors import Conflict, InDoubt, Overloaded, QuotaExceeded, ReplayedRequest, Unavailable
from miyun.core.ledger.client import LedgerClient
from miyun.core.ledger.port import Admission, Entry, QuotaAsk
from miyun.core.ledger.verify import verify_journal

pytestmark = pytest.mark.anyio

ROUNDS = 20
LIMIT = 4_000


@dataclass
class Observed:
    """What the workers saw with their own eyes."""

    acknowledged: dict[int, str] = field(default_factory=dict)  # seq → request id
    executed: Counter[str] = field(default_factory=Counter)  # idempotency key → executions
    answered: dict[str, bytes] = field(default_factory=dict)
    in_doubt: set[str] = field(default_factory=set)
    refused: int = 0


async def timestamps(client: LedgerClient, name: str, seen: Observed, stop: asyncio.Event) -> None:
    """Quota operations without idempotency key, one after the other."""
    number = 0
    while not stop.is_set():
        number += 1
        request = f"{name}-{number}"
        try:
            ask = QuotaAsk("ins_1:timestamp.tokens", 1, LIMIT)
            nonce = Admission(nonce=request, nonce_expires=time.time() + 300, quota=ask)
            ticket = await client.admit(nonce)
            entry = Entry(
                "timestamp.stamp", "ok", datetime.now(UTC), request_id=request, instance="ins_1",
                meter="timestamp.tokens", units=1,
            )  # fmt: skip
            receipt = await client.append(entry, ticket)
            assert receipt.seq not in seen.acknowledged
            seen.acknowledged[receipt.seq] = request
        except QuotaExceeded:
            seen.refused += 1
            await asyncio.sleep(0.05)
        except (Unavailable, Overloaded):
            await asyncio.sleep(0.01)


async def key_creations(client: LedgerClient, name: str, seen: Observed, stop: asyncio.Event) -> None:
    """Idempotent operations, repeated with the same key until their outcome is known."""
    number = 0
    while not stop.is_set():
        number += 1
        key = f"{name}-{number}"
        for _attempt in range(200):
            try:
                ticket = await client.admit(Admission(idempotency=key, fingerprint=key.encode()))
                if ticket.replay is not None:
                    seen.answered[key] = ticket.replay
                    break
                seen.executed[key] += 1
                await asyncio.sleep(random.random() * 0.004)  # the handler at work
                entry = Entry("kms.key.create", "ok", datetime.now(UTC), request_id=key)
                receipt = await client.append(entry, ticket, answer=key.encode())
                seen.acknowledged[receipt.seq] = key
                seen.answered[key] = key.encode()
                break
            except InDoubt:
                seen.in_doubt.add(key)
                break
            except (Unavailable, Overloaded):
                await asyncio.sleep(0.01)
            except Conflict:
                break


async def test_twenty_kills_under_load(node) -> None:
    seen, stop = Observed(), asyncio.Event()
    node.start()
    node.wait_ready()
    begun = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    clients = [await LedgerClient.connect(node.socket, patience=60) for _ in range(3)]
    workers = [asyncio.ensure_future(timestamps(clients[n % 3], f"stamp{n}", seen, stop)) for n in range(6)]
    workers += [asyncio.ensure_future(key_creations(clients[n % 3], f"create{n}", seen, stop)) for n in range(12)]
    for _ in range(ROUNDS):
        await asyncio.sleep(random.uniform(0.03, 0.2))
        node.kill()
        node.start()
        await asyncio.to_thread(node.wait_ready)
    while len(seen.acknowledged) <= 500 or len(seen.executed) <= 50:  # however slow the machine, it was a load
        await asyncio.sleep(0.02)
    stop.set()
    await asyncio.wait_for(asyncio.gather(*workers), 120)

    records = {r.seq: r.entry async for r in clients[0].scan()}
    for seq, request in seen.acknowledged.items():
        assert records[seq].request_id == request
    report = verify_journal(node.journal)
    assert report.ok, report.problems
    assert report.records == len(records)

    times = Counter(entry.request_id for entry in records.values() if entry.request_id)
    assert [request for request, count in times.items() if count > 1] == []
    assert [key for key, count in seen.executed.items() if count > 1] == []
    assert all(answer == key.encode() for key, answer in seen.answered.items())
    assert not seen.in_doubt & {e.request_id for e in records.values() if e.operation == "kms.key.create"}

    # Quota: what the journal settled is what usage says, never above the limit, and all of it can be used.
    hours = await clients[0].usage(instances=["ins_1"], start=begun, end=begun + timedelta(hours=3))
    assert sum(hour.units for hour in hours) == sum(e.operation == "timestamp.stamp" for e in records.values())
    window = hours[-1]
    left = LIMIT - window.units
    assert left >= 0
    for units in (left, 1):
        try:
            ticket = await clients[0].admit(Admission(quota=QuotaAsk("ins_1:timestamp.tokens", units, LIMIT)))
        except QuotaExceeded:
            assert units == 1
            continue
        if datetime.fromtimestamp(ticket.window, UTC) != window.window:
            break  # the hour changed under the test
        assert units == left
        spent = Entry(
            "timestamp.stamp", "ok", datetime.now(UTC), instance="ins_1", meter="timestamp.tokens", units=left
        )
        await clients[0].append(spent, ticket)
    for client in clients:
        await client.close()
    assert len(seen.acknowledged) > 500
    assert len(seen.executed) > 50
    assert node.stop() == 0


async def test_a_used_nonce_is_known_after_kill(node) -> None:
    node.start()
    node.wait_ready()
    client = await LedgerClient.connect(node.socket, patience=60)
    used = Admission(nonce="AK:1", nonce_expires=time.time() + 300)
    await client.append(Entry("room.verb", "ok", datetime.now(UTC)), await client.admit(used))
    node.kill()
    await asyncio.sleep(0.05)  # the client hears of it
    node.start()
    with pytest.raises(ReplayedRequest):
        await client.admit(used)
    await client.close()


async def test_a_second_process_on_the_same_journal_is_refused(node) -> None:
    node.start()
    node.wait_ready()
    second = type(node)(node.home)
    socket = node.socket
    socket.rename(socket.with_suffix(".kept"))
    second.start()
    assert second.exit_code() == 4
    assert "another ledger process" in node.log
