"""No room: nothing is acknowledged, nothing half-written stays, and it goes on when there is room again."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from miyun.core.errors import StorageFull
from miyun.core.ledger.client import LedgerClient
from miyun.core.ledger.port import Admission, Entry, QuotaAsk
from miyun.core.ledger.verify import verify_journal

pytestmark = pytest.mark.anyio


def entry(number: int) -> Entry:
    return Entry(
        "room.verb", "ok", datetime.now(UTC), request_id=f"req_{number}", detail={"text": "x" * 2000},
        instance="ins_1", meter="room.calls", units=1,
    )  # fmt: skip


async def fill_until_refused(client: LedgerClient) -> list[int]:
    """Large records first, then the smallest possible, until not even one of these fits."""
    acknowledged: list[int] = []
    for make, together in ((entry, 20), (entry, 1), (lambda _number: Entry("", "", datetime.now(UTC)), 1)):
        for start in range(0, 100_000, together):
            appends = [client.append(make(start + n)) for n in range(together)]
            results = await asyncio.gather(*appends, return_exceptions=True)
            acknowledged += [result.seq for result in results if not isinstance(result, BaseException)]
            refused = [result for result in results if isinstance(result, BaseException)]
            assert all(isinstance(result, StorageFull) for result in refused), refused
            if refused:
                break
        else:
            raise AssertionError("the disk never filled")
    return acknowledged


async def goes_on_after(client: LedgerClient, node, make_room) -> None:
    acknowledged = await fill_until_refused(client)
    assert (await client.head()).size == len(acknowledged)
    assert [r.seq async for r in client.scan()] == acknowledged
    report = verify_journal(node.journal)
    assert report.ok
    assert (report.records, report.unfinished_bytes) == (len(acknowledged), 0)

    ticket = await client.admit(Admission(quota=QuotaAsk("ins_1:room.calls", 1, 1)))
    with pytest.raises(StorageFull):
        await client.append(entry(1), ticket)
    with pytest.raises(StorageFull):
        await client.admit(Admission(idempotency="k", fingerprint=b"1"))
    make_room()
    receipt = await client.append(entry(2), ticket)  # the ticket was not used up
    assert receipt.seq == len(acknowledged)
    ticket = await client.admit(Admission(idempotency="k", fingerprint=b"1"))  # nor the key
    await client.append(entry(3), ticket)
    await client.close()
    assert node.stop() == 0
    assert verify_journal(node.journal).ok
    node.start()
    node.wait_ready()
    client = await LedgerClient.connect(node.socket)
    assert (await client.head()).size == len(acknowledged) + 3
    await client.close()


async def test_full_file_system(node, small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(600 * 1024))
    node.start()
    node.wait_ready()
    await goes_on_after(await LedgerClient.connect(node.socket), node, ballast.unlink)


async def test_file_size_limit(node) -> None:
    node.start(file_limit=400_000)
    node.wait_ready()
    await goes_on_after(await LedgerClient.connect(node.socket), node, node.lift_file_limit)
