"""docs/ledger.md says enough: a verifier written from that page alone agrees with ours."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from pathlib import Path

import pytest

from miyun.core.ledger.anchors import head_bytes
from miyun.core.ledger.verify import verify_journal

pytestmark = pytest.mark.anyio


def sm3(data: bytes) -> bytes:
    return hashlib.new("sm3", data).digest()


def root(leaves: list[bytes]) -> bytes:
    if len(leaves) < 2:
        return leaves[0] if leaves else sm3(b"")
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sm3(b"\x01" + root(leaves[:k]) + root(leaves[k:]))


async def test_an_independent_verifier_agrees(opening, home: Path) -> None:
    desk = await opening(segment_bytes=4_000)
    for number in range(6):
        await asyncio.gather(*[desk.append(desk.entry(detail={"中": n})) for n in range(10)])
        if number == 3:
            head = desk.engine.head()
            desk.engine.anchor(head, b"signed", b"token")
    link, leaves, links = bytes(32), [], []
    for path in sorted((home / "journal").glob("*.seg")):
        assert int(path.stem) == len(leaves)
        for line in path.read_bytes().split(b"\n")[:-1]:
            leaf = sm3(b"\x00" + line[65:])
            link = sm3(b"\x02" + link + leaf)
            assert line[:65] == link.hex().encode() + b" "
            assert json.loads(line[65:])["seq"] == len(leaves)
            leaves.append(leaf)
            links.append(link)
    report = verify_journal(home / "journal")
    assert report.ok
    assert (report.records, report.link, report.root) == (60, link, root(leaves))
    anchor = json.loads((home / "journal" / "anchors" / "40.json").read_bytes())
    assert (anchor["size"], anchor["root"], anchor["link"]) == (40, root(leaves[:40]).hex(), links[39].hex())
    assert base64.b64decode(anchor["signature"]) == b"signed"
    signed = '{{"at":"{at}","link":"{link}","root":"{root}","size":{size}}}'.format(**anchor)
    assert signed.encode() == head_bytes(head)
