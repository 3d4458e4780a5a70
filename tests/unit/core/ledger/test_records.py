"""Records: durable, chained, found again, counted."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from miyun.core.errors import InvalidArgument, Overloaded, TooLarge, Unavailable
from miyun.core.ledger import merkle
from miyun.core.ledger.engine import Engine
from miyun.core.ledger.journal import JournalBroken
from miyun.core.ledger.record import record_of

pytestmark = pytest.mark.anyio


def sm3(data: bytes) -> bytes:
    return hashlib.new("sm3", data).digest()


async def many(desk, count, make):
    return await asyncio.gather(*[desk.append(make(number)) for number in range(count)])


async def found(desk, **query):
    asked = {"tenant": None, "operation": None, "instance": None, "start": None, "limit": 100, "newest_first": True}
    return [record_of(raw) for raw in await desk.engine.records(**{**asked, **query})]


async def test_the_chain_can_be_verified_with_nothing_but_the_documented_format(desk, home: Path) -> None:
    for number in range(5):
        await desk.append(desk.entry(resource={"key": f"key_{number}"}, detail={"说明": "中文", "lines": "a\nb"}))
    link = bytes(32)
    lines = (home / "journal" / ("0" * 20 + ".seg")).read_bytes().splitlines()
    assert len(lines) == 5
    for number, line in enumerate(lines):
        stated, _, text = line.partition(b" ")
        link = sm3(b"\x02" + link + sm3(b"\x00" + text))
        assert stated.decode() == link.hex()
        assert json.loads(text)["seq"] == number
    assert desk.engine.head().link == link


async def test_a_record_says_what_happened(desk) -> None:
    receipt = await desk.append(
        desk.entry(
            "kms.key.rotate", request_id="req_1", tenant="ten_1", instance="ins_1", binding="bnd_1", principal="usr_1",
            role="tenant.security", resource={"key": "key_1"}, meter="kms.calls", units=2, detail={"version": 3},
        )
    )  # fmt: skip
    (record,) = await found(desk)
    assert record.seq == receipt.seq == 0
    assert record.entry == desk.entry(
        "kms.key.rotate", request_id="req_1", tenant="ten_1", instance="ins_1", binding="bnd_1", principal="usr_1",
        role="tenant.security", resource={"key": "key_1"}, meter="kms.calls", units=2, detail={"version": 3},
    )  # fmt: skip
    assert sm3(b"\x00" + record.raw) == receipt.leaf
    assert json.loads(record.raw)["at"] == "2026-03-02T01:59:30.000000Z"


async def test_filters_page_in_both_directions(desk) -> None:
    await many(desk, 1500, lambda n: desk.entry(f"room.verb{n % 3}", tenant=f"ten_{n % 7}", instance=f"ins_{n % 2}"))
    seqs = [r.seq for r in await found(desk, tenant="ten_3", limit=4)]
    assert seqs == [1494, 1487, 1480, 1473]
    assert [r.seq for r in await found(desk, tenant="ten_3", start=1472, limit=2)] == [1466, 1459]
    assert [r.seq for r in await found(desk, tenant="ten_3", newest_first=False, limit=2)] == [3, 10]
    both = await found(desk, tenant="ten_3", operation="room.verb0", instance="ins_1", limit=1000)
    assert [r.seq for r in both] == [n for n in reversed(range(1500)) if n % 7 == 3 and n % 3 == 0 and n % 2]
    assert await found(desk, tenant="ten_nobody") == []
    assert [r.seq for r in await found(desk, start=700, limit=3)] == [700, 699, 698]
    assert [r.seq for r in await found(desk, start=1498, limit=9, newest_first=False)] == [1498, 1499]


async def test_the_index_answers_the_same_from_disk_and_after_a_restart(desk, opening) -> None:
    await many(desk, 900, lambda n: desk.entry(tenant=f"ten_{n % 5}"))
    before = await found(desk, tenant="ten_2", limit=500)
    await desk.engine.checkpoint()
    assert await found(desk, tenant="ten_2", limit=500) == before
    desk = await opening()
    assert await found(desk, tenant="ten_2", limit=500) == before


async def test_segments_roll_and_are_read_across(opening, home: Path) -> None:
    desk = await opening(segment_bytes=20_000)
    for _ in range(10):
        await many(desk, 100, lambda n: desk.entry(tenant=f"ten_{n}"))
    names = sorted(path.name for path in (home / "journal").glob("*.seg"))
    assert len(names) > 3
    seal = json.loads((home / "journal" / (names[0][:-4] + ".seal")).read_bytes())
    assert seal["count"] == int(names[1][:-4])
    assert [r.seq for r in await found(desk, limit=1000)] == list(reversed(range(1000)))
    head = desk.engine.head()
    desk = await opening(segment_bytes=20_000)
    again = desk.engine.head()
    assert (again.size, again.link, again.root) == (head.size, head.link, head.root)
    assert [r.seq for r in await found(desk, tenant="ten_7", limit=1000)] == [n * 100 + 7 for n in reversed(range(10))]


@pytest.mark.parametrize("lost", ["state.db", "tree.bin", "both"])
async def test_what_is_derived_is_rebuilt_from_the_journal(opening, home: Path, lost: str) -> None:
    desk = await opening()
    await many(desk, 600, lambda n: desk.entry(tenant=f"ten_{n % 5}", instance="ins_1", meter="room.calls", units=2))
    hours = desk.clock.now() - timedelta(days=1), desk.clock.now()
    head, usage = desk.engine.head(), await desk.engine.usage(["ins_1"], *hours)
    await desk.engine.close()
    desk.engine.close = _nothing
    for name in ("state.db", "tree.bin") if lost == "both" else (lost,):
        (home / "journal" / name).unlink()
    desk = await opening()
    assert (desk.engine.head().size, desk.engine.head().root) == (600, head.root)
    assert len(await found(desk, tenant="ten_2", limit=500)) == 120
    assert await desk.engine.usage(["ins_1"], *hours) == usage
    leaf = sm3(b"\x00" + (await found(desk, start=123, limit=1))[0].raw)
    assert merkle.verify_inclusion(leaf, 123, 600, desk.engine.proof(123, 600), head.root)


async def _nothing() -> None:
    pass


async def test_start_up_replays_only_what_came_after_the_checkpoint(opening, home: Path) -> None:
    """A record before the checkpoint may not even be readable: it is not looked at."""
    desk = await opening()
    await many(desk, 600, lambda n: desk.entry(tenant="ten_1"))
    desk = await opening()
    await desk.append()
    path = home / "journal" / ("0" * 20 + ".seg")
    data = bytearray(path.read_bytes())
    data[70:80] = b"x" * 10
    await desk.engine.close()
    desk.engine.close = _nothing
    path.write_bytes(data)
    desk = await opening()
    assert desk.engine.head().size == 601


async def test_usage_rolls_up_by_instance_meter_and_clock_hour(desk) -> None:
    def entry(**members):
        return desk.entry(instance="ins_1", meter="timestamp.tokens", **members)

    await desk.append(entry(units=3))
    await desk.append(entry(units=5, outcome="failed", code="Unavailable"))
    await desk.append(entry(outcome="refused", code="QuotaExceeded"))
    await desk.append(entry(outcome="refused", code="PermissionDenied"))
    await desk.engine.checkpoint()
    await desk.append(entry(units=4))
    desk.clock.step(60)
    await desk.append(entry(units=1))
    await desk.append(desk.entry(instance="ins_2", meter="timestamp.tokens", units=100))
    start = datetime(2026, 3, 2, tzinfo=UTC)
    usage = await desk.engine.usage(["ins_1"], start, start + timedelta(days=1))
    assert [(u.window.hour, u.units, u.refused) for u in usage] == [(1, 7, 1), (2, 1, 0)]
    only = await desk.engine.usage(["ins_1"], start + timedelta(hours=2), start + timedelta(hours=3))
    assert [u.window.hour for u in only] == [2]


async def test_a_record_that_is_too_large_is_refused_alone(desk) -> None:
    results = await asyncio.gather(
        desk.append(),
        desk.append(desk.entry(detail={"text": "x" * 300_000})),
        desk.append(),
        return_exceptions=True,
    )
    assert [type(result).__name__ for result in results] == ["Receipt", "TooLarge", "Receipt"]
    assert isinstance(results[1], TooLarge)
    assert desk.engine.head().size == 2


async def test_an_anchor_must_be_a_root_of_this_journal(desk, home: Path) -> None:
    await desk.append()
    head = desk.engine.head()
    desk.engine.anchor(head, b"signature", None)
    assert (home / "journal" / "anchors" / "1.json").exists()
    await desk.append()
    other = desk.engine.head()
    with pytest.raises(InvalidArgument):
        desk.engine.anchor(type(head)(1, head.link, other.root, head.at), b"signature", None)
    with pytest.raises(InvalidArgument):
        desk.engine.anchor(type(head)(9, head.link, other.root, head.at), b"signature", None)


async def test_one_writer_at_a_time(desk, home: Path) -> None:
    with pytest.raises(BlockingIOError):
        await Engine(home).open()


async def test_more_than_the_queue_holds_is_refused_and_the_rest_is_written(desk) -> None:
    results = await asyncio.gather(*[desk.append() for _ in range(20_500)], return_exceptions=True)
    refused = [result for result in results if isinstance(result, Overloaded)]
    assert len(refused) == 500
    assert refused[0].retry_after == 1
    assert desk.engine.head().size == 20_000


async def test_a_disk_that_fails_otherwise_stops_the_ledger(desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failed fsync nobody knows what is on disk: only a replay may go on."""

    def fails(fd: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    await desk.append()
    monkeypatch.setattr(os, "fdatasync", fails)
    with pytest.raises(Unavailable):
        await desk.append()
    with pytest.raises(JournalBroken):
        await desk.engine.broken
    with pytest.raises(Overloaded):
        await desk.append()
    monkeypatch.undo()
