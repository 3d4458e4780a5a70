"""BouncyCastle reads our evidence records and finds the documents in them, after renewals of both kinds too."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from tests.interop.bouncycastle.program import verify as bouncycastle
from tests.rooms import rooms_in
from tests.unit.offerings.signature.test_evidence import Office

from miyun.offerings.signature.archive import messages as m

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("hashed", ["SM3", "SHA-256"])
def test_bouncycastle_agrees(tmp_path: Path, hashed: str) -> None:
    office = Office(rooms_in(tmp_path))
    kept = [office.keep(office.sign(content=b"%d" % number), hash=hashed) for number in range(3)][1]
    office.seal()
    _agrees(tmp_path / "1", office, kept)
    renew_at = office.detail(kept).renew_at
    assert renew_at is not None
    office.rooms.clock.at = renew_at + timedelta(days=1)
    asyncio.run(office.rooms.timestamp.bootstrap())
    assert office.renew() == 1
    _agrees(tmp_path / "2", office, kept)
    office.do(office.archive.rehash, m.Rehash(evidence=kept, hash="SM3" if hashed == "SHA-256" else "SHA-256"))
    office.seal()
    _agrees(tmp_path / "3", office, kept)


def _agrees(folder: Path, office: Office, kept: str) -> None:
    folder.mkdir()
    files = office.export(kept)
    at = str(int(office.rooms.clock.now().timestamp()) + 60)
    for name, octets in files.items():
        (folder / name).write_bytes(octets)
    documents = [folder / name for name in files if name != "evidence.ers"]
    assert bouncycastle("ers", folder / "evidence.ers", at, *documents) == (True, "")
    documents[0].write_bytes(b"other")
    assert not bouncycastle("ers", folder / "evidence.ers", at, *documents)[0]
