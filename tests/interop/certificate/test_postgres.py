"""The three rooms on PostgreSQL: the same behaviour as on the embedded database."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text, update
from tests.postgres import cluster
from tests.rooms import Rooms
from tests.standin import StandInMachine, call_of

from miyun.core.errors import AlreadyExists
from miyun.core.storage.database import Database, metadata
from miyun.gm import sm3
from miyun.offerings.certificate.applications.model import LEASE, LIFETIME, Application, Kind, Pair, State
from miyun.offerings.certificate.applications.store import ApplicationStore, application_table
from miyun.offerings.certificate.messages import CrlRequest, ListRequest, RevokeRequest, SerialRequest
from miyun.offerings.certificate.model import AuthorityReason
from miyun.offerings.signature import messages as s
from miyun.offerings.timestamp import messages as t
from miyun.wire.crl import parse_crl
from miyun.wire.name import Name

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

    ended = rooms.certificate.ceremonies
    await ended.revoke("sm2-issuing", AuthorityReason.CESSATION_OF_OPERATION, rooms.roots)  # type: ignore[arg-type]
    await asyncio.gather(*(service.bootstrap() for service in (rooms.certificate, rooms.timestamp)))
    assert await rooms.certificate.revocation.roots_due() == []
    reply = await rooms.certificate.crl(call, CrlRequest(ca="sm2-root"))
    assert len(parse_crl(reply.body).entries) == 1
    signer = await rooms.signature.create_signer(call, s.CreateSigner(name="after", subject={"CN": "后"}))
    page = await rooms.certificate.list_certificates(call, ListRequest(text=signer.certificate_serial))
    assert page.items[0].ca == "sm2-2-issuing"


def test_an_approved_application_is_claimed_by_one_of_two_processes() -> None:
    """Also by one that waits while the other's claim is written."""
    now = datetime(2026, 5, 1, tzinfo=UTC)
    item = Application(
        id="apl_1",
        tenant="ten_a",
        instance="",
        kind=Kind.NEW,
        state=State.APPROVED,
        template="person",
        subject=Name.of(("CN", "张三")),
        names=(),
        days=None,
        spki=b"key",
        key="key",
        pair=Pair.NONE,
        applicant="usr_1",
        applicant_role="system",
        applied_at=now,
        expires_at=now + LIFETIME,
    )
    with cluster() as dsn:
        database = Database(dsn)
        metadata.create_all(database.engine)
        store = ApplicationStore(database)
        try:
            assert store.add(item)
            with ThreadPoolExecutor(1) as other:
                with database.write() as first:
                    first.execute(update(application_table).values(claimed_until=now + LEASE))
                    second = other.submit(store.claim_unfinished, now, limit=10)
                    with database.read() as looking:
                        waits = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
                        while not looking.execute(waits).scalar() and not second.done():
                            looking.commit()
                            time.sleep(0.01)
                assert second.result(60) == []
            assert [one.id for one in store.claim_unfinished(now + 2 * LEASE, limit=10)] == ["apl_1"]
        finally:
            database.close()
