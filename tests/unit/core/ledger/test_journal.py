"""The segment files: writing, cutting, recovering."""

from __future__ import annotations

from pathlib import Path

import pytest

from miyun.core.ledger import chain
from miyun.core.ledger.journal import Journal, JournalDamaged, Position

NAME = "0" * 20 + ".seg"


def lines(first: int, count: int, link: bytes) -> tuple[bytes, bytes]:
    data = b""
    for seq in range(first, first + count):
        raw = b'{"seq":%d}' % seq
        link = chain.link_hash(link, chain.leaf_hash(raw))
        data += link.hex().encode() + b" " + raw + b"\n"
    return data, link


@pytest.fixture
def five(tmp_path: Path) -> Path:
    journal = Journal(tmp_path)
    assert list(journal.recover()) == []
    data, link = lines(0, 5, chain.GENESIS)
    journal.write(data, 5, link)
    journal.close()
    return tmp_path


def recovered(directory: Path, **known) -> tuple[Journal, list[int]]:
    journal = Journal(directory)
    return journal, [scanned.seq for scanned in journal.recover(**known)]


def test_a_crash_at_any_byte_of_a_write_keeps_the_complete_lines_only(five: Path) -> None:
    path = five / NAME
    content = path.read_bytes()
    for cut in range(len(content) + 1):
        path.write_bytes(content[:cut])
        journal, seqs = recovered(five)
        journal.close()
        assert len(seqs) == content[:cut].count(b"\n")
        assert path.read_bytes() == content[: content.rfind(b"\n", 0, cut) + 1]


def test_a_flipped_bit_anywhere_is_noticed(five: Path) -> None:
    path = five / NAME
    content = path.read_bytes()
    for place in range(0, len(content), 7):
        damaged = bytearray(content)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        if place == len(content) - 1:
            continue
        with pytest.raises(JournalDamaged, match=NAME):
            recovered(five)


def test_writing_goes_on_after_recovery(five: Path) -> None:
    journal, seqs = recovered(five)
    data, link = lines(5, 2, journal.link)
    journal.write(data, 2, link)
    journal.close()
    journal, seqs = recovered(five)
    assert seqs == list(range(7))
    assert journal.link == link


def test_recovery_from_a_known_point_reads_only_what_follows(five: Path) -> None:
    content = (five / NAME).read_bytes().splitlines(keepends=True)
    known = b"".join(content[:3])
    link = bytes.fromhex(content[2][:64].decode())
    _, seqs = recovered(five, size=3, link=link, at=Position(0, len(known)))
    assert seqs == [3, 4]


def test_a_missing_segment_and_a_missing_journal_are_noticed(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=1)
    list(journal.recover())
    link = chain.GENESIS
    for seq in range(3):
        journal.roll_if_full()
        data, link = lines(seq, 1, link)
        journal.write(data, 1, link)
    journal.close()
    assert recovered(tmp_path)[1] == [0, 1, 2]
    (tmp_path / "00000000000000000001.seg").unlink()
    with pytest.raises(JournalDamaged, match="starts at record 1"):
        recovered(tmp_path)
    for path in tmp_path.glob("*.seg"):
        path.unlink()
    with pytest.raises(JournalDamaged, match="gone"):
        recovered(tmp_path, size=3, link=link, at=Position(2, 10))


def test_a_segment_that_is_not_the_last_must_be_whole(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=1)
    list(journal.recover())
    data, link = lines(0, 1, chain.GENESIS)
    journal.write(data, 1, link)
    journal.roll_if_full()
    journal.close()
    with (tmp_path / NAME).open("ab") as file:
        file.write(b"abc")
    with pytest.raises(JournalDamaged, match="cut short"):
        recovered(tmp_path)
