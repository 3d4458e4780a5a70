"""The three rooms on PostgreSQL: the same behaviour as on the embedded database."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from tests.postgres import cluster
from tests.rooms import Rooms
from tests.standin import StandInMachine, call_of

from miyun.core.errors import AlreadyExists
from miyun.core.storage.database import Database, metadata
from miyun.gm import sm3
from miyun.offerings.certificate.messages import CrlRequest, ListRequest, RevokeRequest, SerialRequest
from miyun.offerings.signature import messages as s
from miyun.offerings.timestamp import messages as t
from miyun.wire.crl import parse_crl

pytestmark = pytest.mark.engine


def test_the_rooms_live_on_postgresql(tmp_path: Path) -> None:
    with cluster() as dsn:
        database = Database(dsn)
        metadata.create_all(database.engine)
        try:
            asyncio.run(live(Rooms(tmp_path, database, StandInMachine(), StandInMachine())))
        finally:
            database.close()


async def live(rooms: Rooms) -> None:
    # Three processes at once, as the workers of a fresh installation.
    await asyncio.gather(*(rooms.certificate.bootstrap() for _ in range(3)))
    await asyncio.gather(*(service.bootstrap() for service in (rooms.timestamp, rooms.timestamps())))
    await asyncio.gather(*(rooms.evidence_signer.bootstrap() for _ in range(2)))
    call = call_of("ten_a", rooms.clock)

    created = await asyncio.gather(
        *(
            rooms.signature.create_signer(call, s.CreateSigner(name="approval", subject={"CN": "审批_100%"}))
            for _ in range(2)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(item, AlreadyExists) for item in created) == 1
    page = await rooms.certificate.list_certificates(call, ListRequest(text="审批_100%", state="issued"))
    [certificate] = page.items
    assert (await rooms.certificate.list_certificates(call, ListRequest(text="审批x100"))).items == []
    assert (await rooms.certificate.get(call, SerialRequest(serial=certificate.serial))).certificate == certificate

    rooms.clock.advance(minutes=1)
    await rooms.certificate.revoke(call_of("ten_a", rooms.clock), RevokeRequest(serial=certificate.serial))
    reply = await rooms.certificate.crl(call, CrlRequest(ca="sm2-issuing"))
    assert int(certificate.serial, 16) in parse_crl(reply.body).entries

    request = t.IssueRequest(digest=sm3.digest(b"data"))
    services = [rooms.timestamp, *(rooms.timestamps() for _ in range(5))]
    tokens = await asyncio.gather(*(service.issue(call, request) for service in services for _ in range(3)))
    assert len({token.serial for token in tokens}) == len(tokens)

    await rooms.timestamp.measure()
    start = rooms.clock.now()
    [row] = rooms.timestamp.drift_history(start, start + timedelta(seconds=1))
    assert (row.at, row.source, row.trusted) == (start, "kernel", True)
    assert rooms.timestamp.guard.state().trusted
