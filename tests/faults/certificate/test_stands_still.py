"""A process that stands still for longer than its claim lasts comes back when another has done its work."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.applicants import Holder, Office
from tests.rooms import Rooms, rooms_in

from miyun.offerings.certificate.applications.model import LEASE
from miyun.offerings.certificate.model import State
from miyun.offerings.certificate.store.register import certificate_of
from miyun.offerings.certificate.store.tables import certificate_table
from miyun.offerings.certificate.tasks import publish_lists
from miyun.wire.crl import parse_crl
from miyun.wire.ocsp import CertId, OcspRequest, parse_response
from miyun.wire.x509 import parse_certificate

REPOSITORY = Path(__file__).parents[3]
ROOM = "miyun.offerings.certificate"


class Standing:
    """A process that approves an application, and stopped at it."""

    def __init__(self, rooms: Rooms, where: str, application: str) -> None:
        (rooms.folder / "machines").write_bytes(pickle.dumps((rooms.machine, rooms.roots)))
        command = [sys.executable, "-m", "tests.faults.certificate.stander", str(rooms.folder), where, application]
        self._process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE)
        _, status = os.waitpid(self._process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), "it went on to its end"

    def go_on(self) -> list[Any]:
        """Until its end. What it told the ledger."""
        self._process.send_signal(signal.SIGCONT)
        output, _ = self._process.communicate(timeout=120)
        assert self._process.returncode == 0
        return list(json.loads(output))

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    rooms = rooms_in(tmp_path)
    yield Office(rooms)
    rooms.database.close()


@pytest.mark.parametrize(
    ("where", "states"),
    [
        (f"{ROOM}.issuance.Issuance.issue_many", []),
        (f"{ROOM}.authority.Authorities.sign_many", [State.REVOKED] * 2),
        (f"{ROOM}.store.CertificateStore.complete", [State.REVOKED] * 2),
        (f"{ROOM}.applications.fulfilment.Fulfilment._supersede", []),
    ],
)
def test_what_was_approved_is_valid_once(office: Office, where: str, states: list[State]) -> None:
    """`states`: of what the one who stood still made besides."""
    rooms, service = office.rooms, office.rooms.certificate
    application = asyncio.run(office.apply(Holder().csr(), pair="escrow")).application
    standing = Standing(rooms, where, application)
    try:
        rooms.clock.advance(seconds=LEASE.total_seconds() + 1)
        assert asyncio.run(service.applications.fulfilment.resume()) == 1
        told = standing.go_on()
    finally:
        standing.end()

    with rooms.database.read() as connection:
        query = certificate_table.select().where(certificate_table.c.application == application)
        found = [certificate_of(row) for row in connection.execute(query)]
    valid = [item for item in found if item.state is State.ISSUED]
    lost = [item for item in found if item not in valid]
    assert len(valid) == 2 and [item.state for item in lost] == states
    issued = asyncio.run(office.ask("get", office.call("sec"), application=application))
    assert issued.state == "issued"
    assert {issued.certificate, issued.encryption_certificate} == {f"{item.serial:032x}" for item in valid}
    assert len({item.serial for item in valid} | {valid[0].pair, valid[1].pair}) == 2, "they name each other"

    ours = [[entry.operation, dict(entry.resource), dict(entry.detail)] for entry in rooms.ledger.entries]
    issues = {resource["certificate"] for operation, resource, _ in ours + told if operation == "certificate.issue"}
    assert issues == {issued.certificate}, "nothing else was told to be issued"
    revoked = [(resource["certificate"], detail) for operation, resource, detail in told if "revoke" in operation]
    assert [name for name, _ in revoked] == [f"{item.serial:032x}" for item in lost]
    assert all(detail == {"reason": "superseded", "code": "ClaimLost"} for _, detail in revoked)

    rooms.clock.advance(seconds=10)
    asyncio.run(publish_lists(service))
    listed = parse_crl(service.revocation.newest("sm2-issuing").der).entries
    assert set(listed) == {item.serial for item in lost}
    issuer = parse_certificate(service.authorities.chain("sm2-issuing")[0])
    for item in found:
        question = OcspRequest((CertId.of(issuer, item.serial),))
        _, answer = parse_response(asyncio.run(service.responder.answer("sm2-issuing", question.encode())))
        assert answer is not None and answer.responses[0].good is (item in valid)
