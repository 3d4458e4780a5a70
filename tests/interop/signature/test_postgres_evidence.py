"""Trust lists and kept evidence on PostgreSQL: the same behaviour as on the embedded database."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from tests.postgres import cluster
from tests.rooms import Rooms
from tests.standin import StandInMachine
from tests.unit.offerings.certificate.outside import DAY
from tests.unit.offerings.certificate.test_trust import RESPONDER, Hall, ask, codes
from tests.unit.offerings.signature.test_evidence import Office
from tests.unit.wire.authority import NOW

from miyun.core.storage.database import Database, metadata
from miyun.offerings.certificate.trust import messages as t
from miyun.offerings.signature.archive import messages as a
from miyun.wire.revoked import RevokedEntry

pytestmark = pytest.mark.engine


def test_trust_and_evidence_live_on_postgresql(tmp_path: Path) -> None:
    with cluster() as dsn:
        database = Database(dsn)
        metadata.create_all(database.engine)
        rooms = Rooms(tmp_path, database, StandInMachine(), StandInMachine())
        try:
            for part in (rooms.certificate, rooms.timestamp, rooms.evidence_signer):
                asyncio.run(part.bootstrap())
            evidence(Office(rooms))
            trust(Hall(rooms))
        finally:
            database.close()


def trust(hall: Hall) -> None:
    root = hall.add(hall.outside.root, anchor=True)
    hall.upload(root, hall.outside.list(by=hall.outside.root))
    known = hall.add(hall.outside.issuing, anchor=False, ocsp_url=RESPONDER)
    hall.upload(known, hall.outside.list([RevokedEntry(1000 + 3 * n, NOW - DAY) for n in range(2000)]))
    assert hall.judge().revocation == "good"
    assert hall.judge(hall.outside.certify("丙", serial=1000 + 3 * 1999).certificate.der).revocation == "revoked"
    hall.web.pages = {RESPONDER: hall.outside.answer}
    assert ask(hall).valid
    listed = hall.run(hall.trust.list_authorities, t.ListAuthorities(trust_list="outside", sort="-not_after", limit=1))
    assert listed.next_cursor and listed.items[0].lists
    hall.upload(known, hall.outside.list(number=2))
    assert hall.held.sweep(written_before=NOW, asked_before=NOW) >= 4
    hall.run(hall.trust.remove_list, t.RefList(trust_list="outside"))
    assert codes(hall.judge().reasons) == ["no_such_list"]


def evidence(office: Office) -> None:
    kept = [office.keep(office.sign(content=b"%d" % number), name=f"第{number}件") for number in range(3)]
    assert office.seal() == 3
    renew_at = office.detail(kept[0]).renew_at
    assert renew_at is not None
    office.rooms.clock.at = renew_at + timedelta(days=1)
    asyncio.run(office.rooms.timestamp.bootstrap())
    assert office.renew() == 1
    office.do(office.archive.rehash, a.Rehash(evidence=kept[0], hash="SHA-256"))
    assert office.seal() == 1
    assert all(item.good for item in office.check(office.export(kept[0])))
    assert [item.name for item in office.do(office.archive.list_kept, a.ListEvidence(text="第1")).items] == ["第1件"]
