"""The hash chain of the journal, and nothing else, so that an independent verifier is a page of code.

A journal is a directory of segment files, each named by the sequence number of its first record in 20 decimal digits
(`00000000000000000000.seg`). A segment holds one record per line:

    <link: 64 lower-case hexadecimal digits> <space> <record: UTF-8 JSON, no line break inside> <LF>

    leaf_i = SM3(0x00 ‖ record_i)
    link_i = SM3(0x02 ‖ link_{i-1} ‖ leaf_i)      link_{-1} = 32 zero bytes

Sequence numbers count from 0 without gaps, over all segments; `record_i` holds its own number under `seq`. The Merkle
tree over the leaves is that of RFC 6962, section 2.1, with SM3: an inner node is SM3(0x01 ‖ left ‖ right).
"""

from __future__ import annotations

from pathlib import Path

from miyun.core.digest import digest

GENESIS = bytes(32)
LINK_DIGITS = 64
SEGMENT_SUFFIX = ".seg"


def leaf_hash(record: bytes) -> bytes:
    """32 bytes."""
    return digest(b"\x00" + record)


def link_hash(previous: bytes, leaf: bytes) -> bytes:
    """32 bytes."""
    return digest(b"\x02" + previous + leaf)


def split_line(line: bytes) -> tuple[bytes, bytes] | None:
    """(link, record) of a line without its LF, or None when it has not the form of a line."""
    if len(line) < LINK_DIGITS + 3 or line[LINK_DIGITS : LINK_DIGITS + 2] != b" {" or line[-1:] != b"}":
        return None
    try:
        return bytes.fromhex(line[:LINK_DIGITS].decode("ascii")), line[LINK_DIGITS + 1 :]
    except ValueError:
        return None


def segment_name(first: int) -> str:
    return f"{first:020d}{SEGMENT_SUFFIX}"


def segments(directory: Path) -> list[tuple[int, Path]]:
    """(first sequence number, file) of every segment, in order."""
    found = [
        (int(path.stem), path)
        for path in directory.glob(f"*{SEGMENT_SUFFIX}")
        if len(path.stem) == 20 and path.stem.isdigit()
    ]
    return sorted(found)
