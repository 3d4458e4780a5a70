"""A pair of SM2 certificates with our lists, validated by BouncyCastle, which also opens the envelope of its key."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.applicants import Holder, Office
from tests.interop.bouncycastle.program import verify
from tests.rooms import Rooms, rooms_in

from miyun.wire.x509 import certificates_pem, load_certificates

pytestmark = pytest.mark.engine


@pytest.fixture
def rooms(tmp_path: Path) -> Rooms:
    (tmp_path / "rooms").mkdir()
    return rooms_in(tmp_path / "rooms")


def test_a_pair_its_lists_and_its_envelope(rooms: Rooms, tmp_path: Path) -> None:
    office, holder = Office(rooms), Holder()

    async def granted() -> Any:
        applied = await office.approve((await office.apply(holder.csr(), pair="escrow")).application)
        for form in ("chain", "encryption_pem", "enveloped_key"):
            (tmp_path / form).write_bytes(await office.file(applied.application, form))
        return applied

    applied = asyncio.run(granted())
    signing, issuing, root = load_certificates((tmp_path / "chain").read_text())
    [encryption] = load_certificates((tmp_path / "encryption_pem").read_text())
    (tmp_path / "anchor").write_text(root.to_pem())
    asyncio.run(rooms.certificate.revocation.publish_due(patient=False))
    lists = []
    for authority in ("sm2-issuing", "sm2-root"):
        (tmp_path / authority).write_bytes(rooms.certificate.revocation.newest(authority).der)
        lists.append(tmp_path / authority)
    moment = str(int(rooms.clock.now().timestamp()))
    for leaf in (signing, encryption):
        (tmp_path / "path").write_text(certificates_pem([leaf, issuing]))
        assert verify("revocation", tmp_path / "anchor", tmp_path / "path", moment, *lists) == (True, "")
    assert verify("envelope", holder.secret.hex(), tmp_path / "enveloped_key", tmp_path / "encryption_pem") == (
        True,
        "",
    )
    assert not verify("envelope", Holder().secret.hex(), tmp_path / "enveloped_key", tmp_path / "encryption_pem")[0]

    async def revoke() -> None:
        rooms.clock.advance(seconds=60)
        await rooms.issuer.revoke(int(applied.encryption_certificate, 16), "superseded", rooms.clock.now())
        await rooms.certificate.revocation.publish_due(patient=False)

    asyncio.run(revoke())
    lists[0].write_bytes(rooms.certificate.revocation.newest("sm2-issuing").der)
    later = str(int(rooms.clock.now().timestamp()))
    for leaf, good in ((signing, True), (encryption, False)):
        (tmp_path / "path").write_text(certificates_pem([leaf, issuing]))
        assert verify("revocation", tmp_path / "anchor", tmp_path / "path", later, *lists)[0] is good
