from __future__ import annotations

import asyncio
import hashlib

import pytest
from tests.rooms import Rooms
from tests.standin import call_of

from miyun.core.errors import InvalidArgument, MachineLocked
from miyun.core.operation import Call, Role
from miyun.gm import sm3
from miyun.offerings.timestamp import messages as m
from miyun.offerings.timestamp.authority import TsaMissing
from miyun.offerings.timestamp.errors import TimestampRejected
from miyun.offerings.timestamp.model import POLICIES
from miyun.offerings.timestamp.service import TimestampService
from miyun.offerings.timestamp.stamper import PlatformStamper
from miyun.wire.algorithm import DigestAlgorithm
from miyun.wire.tsp import (
    FailureInfo,
    MessageImprint,
    build_request,
    parse_request,
    parse_token,
    verify_response,
    verify_token,
)
from miyun.wire.x509 import Certificate, parse_certificate

SM3 = sm3.digest(b"data")
SHA256 = hashlib.sha256(b"data").digest()


def call(rooms: Rooms) -> Call:
    return call_of("ten_a", rooms.clock, role=Role.APPLICATION)


def anchors(rooms: Rooms) -> list[Certificate]:
    return [parse_certificate(der) for der in asyncio.run(rooms.issuer.trust_anchors())]


@pytest.mark.parametrize(
    ("policy", "algorithm", "digest"),
    [
        ("sm2", DigestAlgorithm.SM3, SM3),
        ("ecdsa", DigestAlgorithm.SHA256, SHA256),
        ("rsa", DigestAlgorithm.SHA512, hashlib.sha512(b"data").digest()),
    ],
)
def test_a_request_is_granted_and_verifies(
    rooms: Rooms, policy: str, algorithm: DigestAlgorithm, digest: bytes
) -> None:
    encoded = build_request(MessageImprint.of(algorithm, digest), nonce=7, policy=POLICIES[policy].oid)
    asked = call(rooms)
    reply = asyncio.run(rooms.timestamp.rfc3161(asked, m.Rfc3161Request(policy=policy, body=encoded)))
    assert reply.content_type == "application/timestamp-reply"
    info = verify_response(reply.body, parse_request(encoded), anchors=anchors(rooms))
    assert info.gen_time == rooms.clock.now()
    assert info.policy == POLICIES[policy].oid
    assert asked.resource == {"policy": policy, "serial": f"{info.serial:x}"}


def test_certificates_come_only_when_asked_for(rooms: Rooms) -> None:
    imprint = MessageImprint.of(DigestAlgorithm.SM3, SM3)
    for wanted in (True, False):
        body = build_request(imprint, cert_req=wanted)
        reply = asyncio.run(rooms.timestamp.rfc3161(call(rooms), m.Rfc3161Request(policy="sm2", body=body)))
        found = parse_certificate(rooms.timestamp.authorities.signer("sm2").tsa.der).der in reply.body
        assert found is wanted


def test_the_json_form_gives_the_same_token(rooms: Rooms) -> None:
    view = asyncio.run(rooms.timestamp.issue(call(rooms), m.IssueRequest(digest=SM3, nonce="12345678901234567890")))
    info = verify_token(view.token, anchors=anchors(rooms), message=b"data", nonce=12345678901234567890)
    assert (view.policy, view.serial, view.gen_time) == ("sm2", f"{info.serial:x}", info.gen_time)
    other = asyncio.run(rooms.timestamp.issue(call(rooms), m.IssueRequest(digest=SHA256, hash_algorithm="SHA-256")))
    assert other.policy == "ecdsa"


def test_a_policy_refuses_foreign_hashes(rooms: Rooms) -> None:
    with pytest.raises(TimestampRejected) as refused:
        asyncio.run(
            rooms.timestamp.issue(call(rooms), m.IssueRequest(digest=SHA256, hash_algorithm="SHA-256", policy="sm2"))
        )
    assert refused.value.failure is FailureInfo.BAD_ALG


def test_a_digest_of_the_wrong_length_is_refused(rooms: Rooms) -> None:
    with pytest.raises(InvalidArgument):
        asyncio.run(rooms.timestamp.issue(call(rooms), m.IssueRequest(digest=SM3, hash_algorithm="SHA-512")))


def test_times_of_one_worker_never_go_back(rooms: Rooms) -> None:
    async def times() -> list[object]:
        found = []
        for step in (0.0, 0.5, -0.4, 0.1):
            rooms.step_clock(step)
            found.append((await rooms.timestamp.issue(call(rooms), m.IssueRequest(digest=SM3))).gen_time)
        return found

    found = asyncio.run(times())
    assert found == sorted(found)  # type: ignore[type-var]


def test_time_is_stated_in_milliseconds(rooms: Rooms) -> None:
    rooms.clock.advance(microseconds=123_456)
    view = asyncio.run(rooms.timestamp.issue(call(rooms), m.IssueRequest(digest=SM3)))
    assert view.gen_time.microsecond == 123_000
    assert parse_token(view.token)[0].gen_time == view.gen_time


def serials(service: TimestampService, rooms: Rooms, count: int) -> list[int]:
    async def run() -> list[int]:
        request = m.IssueRequest(digest=SM3)
        return [int((await service.issue(call(rooms), request)).serial, 16) for _ in range(count)]

    return asyncio.run(run())


def test_no_serial_number_comes_twice_from_workers_and_restarts(rooms: Rooms) -> None:
    other = rooms.timestamps()
    found = serials(rooms.timestamp, rooms, 3) + serials(other, rooms, 3) + serials(rooms.timestamp, rooms, 3)
    # A killed worker's successor, at the very same instant.
    found += serials(rooms.timestamps(), rooms, 3)
    assert len(set(found)) == 12


def test_serial_numbers_pass_those_lost_with_a_restored_database(rooms: Rooms, tmp_path_factory: object) -> None:
    import shutil

    rooms.database.close()
    shutil.copy(rooms.folder / "test.db", rooms.folder / "backup.db")
    lost = serials(rooms.timestamps(), rooms, 3)
    rooms.database.close()
    for name in ("test.db-wal", "test.db-shm"):
        (rooms.folder / name).unlink(missing_ok=True)
    shutil.copy(rooms.folder / "backup.db", rooms.folder / "test.db")
    rooms.clock.advance(minutes=5)
    assert min(serials(rooms.timestamps(), rooms, 3)) > max(lost)


def test_first_tokens_at_once_share_one_epoch(rooms: Rooms) -> None:
    async def burst() -> list[str]:
        request = m.IssueRequest(digest=SM3)
        views = await asyncio.gather(*(rooms.timestamp.issue(call(rooms), request) for _ in range(20)))
        return [view.serial for view in views]

    found = asyncio.run(burst())
    assert len(set(found)) == 20
    assert len({int(serial, 16) >> 40 for serial in found}) == 1


def test_a_key_is_renewed_after_its_year_and_old_tokens_still_verify(rooms: Rooms) -> None:
    old = asyncio.run(rooms.timestamp.issue(call(rooms), m.IssueRequest(digest=SM3, include_certificate=False)))
    rooms.clock.advance(days=366)
    asyncio.run(rooms.timestamp.bootstrap())
    new = asyncio.run(rooms.timestamp.issue(call(rooms), m.IssueRequest(digest=SM3)))
    assert rooms.timestamp.authorities.signer("sm2").tsa.generation == 2
    for view in (old, new):
        verified = asyncio.run(rooms.timestamp.verify(call(rooms), m.VerifyRequest(token=view.token, digest=SM3)))
        assert verified.valid


def test_bootstrap_is_idempotent(rooms: Rooms) -> None:
    before = [tsa.der for tsa in rooms.timestamp.authorities.all()]
    asyncio.run(rooms.timestamp.bootstrap())
    assert [tsa.der for tsa in rooms.timestamp.authorities.all()] == before


def test_nothing_is_issued_by_an_expired_certificate(rooms: Rooms) -> None:
    rooms.clock.advance(days=5 * 365 + 1)
    with pytest.raises(TsaMissing):
        asyncio.run(rooms.timestamp.issue(call(rooms), m.IssueRequest(digest=SM3)))


def test_a_locked_machine_issues_nothing(rooms: Rooms) -> None:
    rooms.machine.locked = True
    with pytest.raises(MachineLocked):
        asyncio.run(rooms.timestamp.issue(call(rooms), m.IssueRequest(digest=SM3)))


def test_the_platform_stamps_for_itself(rooms: Rooms) -> None:
    stamper = PlatformStamper(service=rooms.timestamp)
    token = asyncio.run(stamper.token(SM3))
    assert verify_token(token, anchors=anchors(rooms), digest=SM3).policy == POLICIES["sm2"].oid
    token = asyncio.run(stamper.token(SHA256, hash_algorithm="SHA256", policy="rsa"))
    assert verify_token(token, anchors=anchors(rooms), digest=SHA256).policy == POLICIES["rsa"].oid
    with pytest.raises(InvalidArgument):
        asyncio.run(stamper.token(SM3, hash_algorithm="SHA-1"))
