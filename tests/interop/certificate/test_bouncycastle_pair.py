"""A pair of SM2 certificates with our lists, validated by BouncyCastle, which also opens the envelope of its key."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.applicants import Holder, Office
from tests.interop.bouncycastle.program import verify
from tests.rooms import Rooms, rooms_in
from tests.standin import call_of

from miyun.offerings.certificate.messages import ConfigureRequest, CrlRequest, RevokeRequest
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


def test_lists_of_shards_and_of_changes(rooms: Rooms, tmp_path: Path) -> None:
    """A list of before and the list of changes of after, both of the certificate's shard: the revocation is seen.
    Another shard's list says nothing of it."""
    office, service = Office(rooms), rooms.certificate

    def fetch(ca: str, **which: Any) -> Path:
        body = asyncio.run(service.crl(call_of(None, rooms.clock), CrlRequest(ca=ca, **which))).body
        file = tmp_path / f"{ca}-{len(list(tmp_path.iterdir()))}.crl"
        file.write_bytes(body)
        return file

    async def begin() -> Any:
        configure = ConfigureRequest(ca="sm2-issuing", shards=2, deltas=True)
        await service.configure(call_of(None, rooms.clock), configure)
        applied = await office.approve((await office.apply(Holder().csr())).application)
        (tmp_path / "chain").write_bytes(await office.file(applied.application, "chain"))
        rooms.clock.advance(hours=13)  # after which every shard has a list that changes are told against
        await service.bootstrap()
        return applied

    serial = int(asyncio.run(begin()).certificate, 16)
    shard = 1 + serial % 2
    leaf, issuing, root = load_certificates((tmp_path / "chain").read_text())
    (tmp_path / "anchor").write_text(root.to_pem())
    (tmp_path / "path").write_text(certificates_pem([leaf, issuing]))

    def check(*lists: Path) -> str:
        moment = str(int(rooms.clock.now().timestamp()) + 1)
        good, said = verify("revocation", tmp_path / "anchor", tmp_path / "path", moment, roots, *lists)
        return "good" if good else said

    roots, base, others = fetch("sm2-root"), fetch("sm2-issuing", shard=shard), fetch("sm2-issuing", shard=3 - shard)
    assert check(base) == "good" == check(others, base)
    assert "issuing distribution point" in check(others)
    rooms.clock.advance(minutes=1)
    request = RevokeRequest(serial=f"{serial:032x}")
    asyncio.run(service.revoke(call_of("ten_a", rooms.clock), request))
    changes = fetch("sm2-issuing", shard=shard, delta=True)
    assert check(base) == "good", "it is the list of before"
    assert "revocation" in check(base, changes)
    assert "revocation" in check(fetch("sm2-issuing", shard=shard))
