"""A torn tail is cut; anything else that does not verify stops the ledger loudly, with a remedy."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from miyun.core.ledger.client import LedgerClient
from miyun.core.ledger.port import Entry
from miyun.core.ledger.verify import verify_journal

pytestmark = pytest.mark.anyio

SEGMENT = "0" * 20 + ".seg"
EXIT_DAMAGED = 3


async def fill(node, count: int) -> bytes:
    """Append records, kill the process, and give the content of the segment."""
    node.start()
    node.wait_ready()
    client = await LedgerClient.connect(node.socket)
    for number in range(count):
        await client.append(Entry("room.verb", "ok", datetime.now(UTC), request_id=f"req_{number}"))
    await client.close()
    node.kill()
    return (node.journal / SEGMENT).read_bytes()


async def size_after_start(node) -> int:
    node.start()
    node.wait_ready()
    client = await LedgerClient.connect(node.socket)
    await client.append(Entry("room.verb", "ok", datetime.now(UTC)))
    size = (await client.head()).size
    await client.close()
    assert node.stop() == 0
    assert verify_journal(node.journal).ok
    return size


@pytest.mark.parametrize("tail", [b"4f", b"4f" * 32 + b' {"at":"2026', b"\x00" * 4096], ids=["hex", "json", "zeros"])
async def test_a_torn_tail_is_cut_to_the_last_complete_line(node, tail: bytes) -> None:
    content = await fill(node, 20)
    (node.journal / SEGMENT).write_bytes(content + tail)
    assert await size_after_start(node) == 21
    assert f"cut {len(tail)} bytes" in node.log


async def test_a_last_line_without_its_line_break_was_never_acknowledged(node) -> None:
    content = await fill(node, 3)
    whole = content.rstrip(b"\n").rpartition(b"\n")[0] + b"\n"
    (node.journal / SEGMENT).write_bytes(content[:-1])
    (node.journal / "state.db").unlink()
    for suffix in ("-wal", "-shm"):
        (node.journal / f"state.db{suffix}").unlink(missing_ok=True)
    assert await size_after_start(node) == 3
    assert (node.journal / SEGMENT).read_bytes().startswith(whole)


def altered(content: bytes) -> bytes:
    return content.replace(b'"request":"req_7"', b'"request":"req_8"')


def line_lost(content: bytes) -> bytes:
    return b"".join(line for line in content.splitlines(keepends=True) if b'"req_7"' not in line)


def zeroed(content: bytes) -> bytes:
    place = content.index(b'"req_7"')
    return content[:place] + bytes(40) + content[place + 40 :]


def garbage_line_at_the_end(content: bytes) -> bytes:
    return content + b"garbage\n"


@pytest.mark.parametrize("damage", [altered, line_lost, zeroed, garbage_line_at_the_end])
async def test_damage_is_refused_and_nothing_is_touched(node, damage) -> None:
    content = damage(await fill(node, 20))
    (node.journal / SEGMENT).write_bytes(content)
    for path in node.journal.glob("state.db*"):
        path.unlink()
    node.start()
    assert node.exit_code() == EXIT_DAMAGED
    assert "restore" in node.log
    assert SEGMENT in node.log
    assert (node.journal / SEGMENT).read_bytes() == content


async def test_acknowledged_records_that_are_gone_are_noticed(node) -> None:
    await fill(node, 5)
    assert await size_after_start(node) == 6  # a clean stop: all six are in the checkpoint
    path = node.journal / SEGMENT
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:4]))
    node.start()
    assert node.exit_code() == EXIT_DAMAGED
    assert "shorter than what was acknowledged" in node.log


async def test_an_older_journal_put_in_place_is_noticed(node) -> None:
    await fill(node, 5)
    assert await size_after_start(node) == 6
    path = node.journal / SEGMENT
    path.write_bytes(path.read_bytes().replace(b'"seq":5', b'"seq":6'))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:5], b"0" * 64 + lines[5][64:]]))
    node.start()
    assert node.exit_code() == EXIT_DAMAGED
    assert "is not the one that was acknowledged" in node.log


async def test_a_human_may_set_the_damaged_rest_aside(node) -> None:
    content = altered(await fill(node, 20))
    (node.journal / SEGMENT).write_bytes(content)
    for path in node.journal.glob("state.db*"):
        path.unlink()
    subprocess.run(
        [sys.executable, "-m", "miyun.core.ledger", "--home", str(node.home), "--discard-from", "7"],
        check=True,
        capture_output=True,
    )
    (aside,) = Path(node.journal).glob("discarded-*")
    assert (node.journal / SEGMENT).read_bytes() + aside.read_bytes() == content
    assert await size_after_start(node) == 8
