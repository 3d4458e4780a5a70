"""Offline verification names what was done to a journal."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

from miyun.core.ledger.anchors import head_bytes
from miyun.core.ledger.verify import VerifyReport, verify_journal

pytestmark = pytest.mark.anyio


@pytest.fixture
async def journal(opening, home: Path) -> Path:
    """300 records in several segments, anchored at 100, 200 and 290."""
    desk = await opening(segment_bytes=10_000)
    for number in range(30):
        await asyncio.gather(*[desk.append(desk.entry(tenant=f"ten_{n}")) for n in range(10)])
        if number in (9, 19, 28):
            head = desk.engine.head()
            desk.engine.anchor(head, signature(head_bytes(head)), None)
    await opening()
    return home / "journal"


def signature(data: bytes) -> bytes:
    return hashlib.sha256(b"secret" + data).digest()


def check(data: bytes, signed: bytes, token: bytes | None) -> None:
    if signed != signature(data):
        raise ValueError("bad signature")


def segment_of(journal: Path, seq: int) -> tuple[Path, int]:
    """(file, line in it)"""
    first = max(int(path.stem) for path in journal.glob("*.seg") if int(path.stem) <= seq)
    return journal / f"{first:020d}.seg", seq - first


def change(journal: Path, seq: int, edit) -> str:
    path, line = segment_of(journal, seq)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[line : line + 1] = edit(lines[line])
    path.write_bytes(b"".join(lines))
    return path.name


def kinds(report: VerifyReport) -> list[tuple[str, int | None]]:
    return [(problem.kind, problem.seq) for problem in report.problems]


async def test_an_untouched_journal_verifies(journal: Path) -> None:
    seen: list[tuple[int, int]] = []
    report = verify_journal(journal, check_signature=check, progress=lambda done, total: seen.append((done, total)))
    assert report.ok
    assert (report.records, report.anchors, report.anchored, report.signatures_checked) == (300, 3, 290, True)
    assert report.segments > 2
    assert seen[-1][0] == seen[-1][1]


async def test_an_altered_record_is_named(journal: Path) -> None:
    name = change(journal, 150, lambda line: [line.replace(b'"ten_0"', b'"ten_1"')])
    report = verify_journal(journal, check_signature=check)
    assert kinds(report) == [("altered", 150)]
    assert report.problems[0].file == name
    assert report.anchored == 100


async def test_a_record_taken_out_is_named(journal: Path) -> None:
    change(journal, 150, lambda line: [])
    assert kinds(verify_journal(journal)) == [("missing", 150)]


async def test_a_record_put_in_is_named(journal: Path) -> None:
    change(journal, 150, lambda line: [line, line])
    assert kinds(verify_journal(journal))[0] == ("altered", 151)


async def test_a_line_of_garbage_is_named(journal: Path) -> None:
    change(journal, 150, lambda line: [b"garbage\n"])
    assert kinds(verify_journal(journal)) == [("malformed", 150)]


async def test_a_missing_segment_is_named(journal: Path) -> None:
    path, _ = segment_of(journal, 150)
    following = min(int(other.stem) for other in journal.glob("*.seg") if int(other.stem) > 150)
    path.unlink()
    report = verify_journal(journal)
    assert kinds(report) == [("missing", int(path.stem))]
    assert f"{following - 1} are missing" in report.problems[0].message.en


async def test_a_rewritten_chain_does_not_match_its_anchors(journal: Path) -> None:
    """Someone who recomputes every link still has not the signed roots."""
    link = bytes(32)
    for path in sorted(journal.glob("*.seg")):
        lines = []
        for line in path.read_bytes().splitlines():
            text = line[65:].replace(b'"seq":150,', b'"principal":"another","seq":150,')
            leaf = hashlib.new("sm3", b"\x00" + text).digest()
            link = hashlib.new("sm3", b"\x02" + link + leaf).digest()
            lines.append(link.hex().encode() + b" " + text + b"\n")
        path.write_bytes(b"".join(lines))
    for path in journal.glob("*.seal"):
        path.unlink()
    report = verify_journal(journal, check_signature=check)
    assert kinds(report) == [("rewritten", 200), ("rewritten", 290)]
    assert "from 100 to 199" in report.problems[0].message.en


async def test_a_cut_off_end_is_noticed_by_the_anchor(journal: Path) -> None:
    path, line = segment_of(journal, 280)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:line]))
    for later in journal.glob("*.seg"):
        if int(later.stem) > 280:
            later.unlink()
    report = verify_journal(journal)
    assert ("truncated", 280) in kinds(report)


async def test_a_forged_anchor_is_named(journal: Path) -> None:
    path = journal / "anchors" / "200.json"
    path.write_bytes(path.read_bytes().replace(b'"at":"2026', b'"at":"2025'))
    report = verify_journal(journal, check_signature=check)
    assert kinds(report) == [("signature", 200)]
    assert report.problems[0].file == "200.json"


async def test_an_unreadable_anchor_is_named(journal: Path) -> None:
    (journal / "anchors" / "200.json").write_text("{}")
    assert kinds(verify_journal(journal)) == [("anchor", None)]


async def test_a_write_going_on_is_not_damage(journal: Path) -> None:
    path, _ = segment_of(journal, 299)
    with path.open("ab") as file:
        file.write(b"0123456789abcdef")
    report = verify_journal(journal)
    assert report.ok
    assert report.unfinished_bytes == 16
