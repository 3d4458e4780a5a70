from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest
from tests.rooms import Rooms
from tests.standin import StandInLedger, StandInMachine, call_of, ceremony, database_in

from miyun.core.errors import InvalidArgument
from miyun.core.ledger.port import Entry
from miyun.core.operation import Call, Empty, Role
from miyun.gm import sm3
from miyun.offerings.certificate.issuer import PlatformIssuer
from miyun.offerings.certificate.service import CertificateService
from miyun.offerings.certificate.store import CertificateStore
from miyun.offerings.timestamp import messages as m
from miyun.offerings.timestamp.evidence import evidence
from miyun.offerings.timestamp.operations import OPERATIONS, batch_size
from miyun.offerings.timestamp.service import TimestampService
from miyun.offerings.timestamp.store import TimestampStore
from miyun.wire.tsp import FailureInfo, PKIStatus, response_granted, response_rejected

DATA = "合同正文".encode()
DIGEST = sm3.digest(DATA)


def call(rooms: Rooms) -> Call:
    return call_of("ten_a", rooms.clock, role=Role.APPLICATION)


def verify(rooms: Rooms, token: bytes, **fields: object) -> m.VerifyView:
    return asyncio.run(rooms.timestamp.verify(call(rooms), m.VerifyRequest(token=token, **fields)))  # type: ignore[arg-type]


@pytest.fixture
def token(rooms: Rooms) -> bytes:
    return asyncio.run(rooms.timestamp.issue(call(rooms), m.IssueRequest(digest=DIGEST, nonce="5"))).token


def codes(view: m.VerifyView) -> list[str]:
    assert view.valid is (view.reasons == [])
    return [reason.code for reason in view.reasons]


def test_a_good_token_tells_all_it_states(rooms: Rooms, token: bytes) -> None:
    view = verify(rooms, token, data=DATA, nonce="5")
    assert codes(view) == []
    assert (view.gen_time, view.accuracy_ms, view.policy) == (rooms.clock.now(), 1000, "sm2")
    assert (view.hash_algorithm, view.digest, view.nonce) == ("SM3", DIGEST, "5")
    assert "Miyun SM2 Time-Stamping Authority" in view.tsa


def test_a_whole_response_is_taken_too(rooms: Rooms, token: bytes) -> None:
    assert codes(verify(rooms, response_granted(token), digest=DIGEST)) == []
    refusal = response_rejected(PKIStatus.REJECTION, FailureInfo.BAD_ALG, "no")
    assert codes(verify(rooms, refusal, digest=DIGEST)) == ["not_granted"]


def test_every_refusal_says_why(rooms: Rooms, token: bytes) -> None:
    assert codes(verify(rooms, token, data=b"other")) == ["imprint"]
    assert codes(verify(rooms, token, digest=DIGEST, nonce="6")) == ["nonce"]
    assert codes(verify(rooms, token[:-1] + bytes((token[-1] ^ 1,)), digest=DIGEST)) == ["signature"]
    assert codes(verify(rooms, b"\x30\x00", digest=DIGEST)) == ["malformed"]
    view = verify(rooms, token, data=b"other")
    assert view.gen_time == rooms.clock.now(), "what it states is shown all the same"
    assert view.reasons[0].zh and view.reasons[0].en


def test_a_token_outlives_its_signing_year_but_the_chain_can_be_asked_for_now(rooms: Rooms, token: bytes) -> None:
    rooms.clock.advance(days=6 * 365)
    assert codes(verify(rooms, token, digest=DIGEST)) == []
    assert codes(verify(rooms, token, digest=DIGEST, at=rooms.clock.now())) == ["expired"]


def test_a_revoked_tsa_certificate_is_told(rooms: Rooms, token: bytes) -> None:
    serial = rooms.timestamp.authorities.signer("sm2").tsa.serial
    asyncio.run(rooms.issuer.revoke(serial, "key_compromise", rooms.clock.now()))
    assert codes(verify(rooms, token, digest=DIGEST)) == ["revoked"]


def test_another_platforms_token_is_not_trusted(rooms: Rooms, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    database, machine, ledger = database_in(folder), StandInMachine(), StandInLedger()
    authority = CertificateService(
        store=CertificateStore(database),
        machine=machine,
        ceremony=ceremony(machine),
        clock=rooms.clock,
        ledger=ledger,  # type: ignore[arg-type]
        trusted_time=rooms.clock.now,
    )
    other = TimestampService(
        store=TimestampStore(database),
        machine=machine,  # type: ignore[arg-type]
        issuer=PlatformIssuer(service=authority, clock=rooms.clock, ledger=ledger),  # type: ignore[arg-type]
        clock=rooms.clock,
        ledger=ledger,  # type: ignore[arg-type]
        monotonic=lambda: rooms.clock.now().timestamp(),  # making RSA keys takes longer than the clock may drift
    )

    async def run() -> bytes:
        await authority.bootstrap()
        await other.bootstrap()
        return (await other.issue(call(rooms), m.IssueRequest(digest=DIGEST))).token

    [reason] = codes(verify(rooms, asyncio.run(run()), digest=DIGEST))
    assert reason in ("signature", "untrusted")


def test_data_or_digest_not_both_nor_neither(rooms: Rooms, token: bytes) -> None:
    for fields in ({}, {"data": DATA, "digest": DIGEST}):
        with pytest.raises(InvalidArgument):
            verify(rooms, token, **fields)


# --- Merkle batches --------------------------------------------------------------------------------------------------


def batch(rooms: Rooms, count: int, policy: str = "sm2") -> tuple[list[bytes], m.BatchView]:
    hashed = sm3.digest if policy == "sm2" else lambda data: hashlib.sha256(data).digest()
    digests = [hashed(str(number).encode()) for number in range(count)]
    request = m.BatchRequest(
        items=[m.BatchItem(digest=digest, reference=f"文件{n}") for n, digest in enumerate(digests)],
        policy=policy,  # type: ignore[arg-type]
    )
    return digests, asyncio.run(rooms.timestamp.issue_batch(call(rooms), request))


@pytest.mark.parametrize(("count", "policy"), [(1, "sm2"), (7, "sm2"), (8, "ecdsa")])
def test_every_item_of_a_batch_verifies_by_its_proof(rooms: Rooms, count: int, policy: str) -> None:
    signed = rooms.machine.signed
    digests, view = batch(rooms, count, policy)
    assert rooms.machine.signed == signed + 1
    for number, (digest, entry) in enumerate(zip(digests, view.items, strict=True)):
        assert entry.reference == f"文件{number}"
        assert codes(verify(rooms, view.token.token, digest=digest, proof=entry.proof)) == []
        assert codes(verify(rooms, view.token.token, data=str(number).encode(), proof=entry.proof)) == []
    assert codes(verify(rooms, view.token.token, digest=bytes(32), proof=view.items[0].proof)) == ["proof"]
    if count > 1:
        assert codes(verify(rooms, view.token.token, digest=digests[0], proof=view.items[1].proof)) == ["proof"]
        assert codes(verify(rooms, view.token.token, digest=digests[0])) == ["imprint"]


def test_a_batch_counts_each_item() -> None:
    request = m.BatchRequest(items=[m.BatchItem(digest=bytes(32))] * 5)
    assert batch_size(request, None) == 5
    meter = next(item.meter for item in OPERATIONS if item.id == "timestamp.issue_batch")
    assert meter is not None and meter.units is batch_size and meter.hourly_quota


def test_a_batch_names_the_item_that_does_not_fit(rooms: Rooms) -> None:
    request = m.BatchRequest(items=[m.BatchItem(digest=bytes(32)), m.BatchItem(digest=bytes(48))])
    with pytest.raises(InvalidArgument) as refused:
        asyncio.run(rooms.timestamp.issue_batch(call(rooms), request))
    assert refused.value.field == "items[1].digest"


# --- status and evidence ---------------------------------------------------------------------------------------------


def record_use(rooms: Rooms, units: int) -> None:
    rooms.ledger.entries.append(
        Entry(
            operation="timestamp.issue",
            outcome="ok",
            at=rooms.clock.now(),
            tenant="ten_a",
            instance="ins_1",
            meter="timestamp.tokens",
            units=units,
        )
    )


def test_status_shows_what_is_used_and_left_of_the_hour(rooms: Rooms) -> None:
    async def limit(call: Call) -> int | None:
        return 20_000

    rooms.timestamp._limit_of = limit
    record_use(rooms, 300)
    rooms.clock.advance(minutes=45)  # 16:30 Shanghai becomes 17:15: another clock hour
    record_use(rooms, 7)
    status = asyncio.run(rooms.timestamp.status(call(rooms), Empty()))
    assert status.hour is not None
    assert (status.hour.used, status.hour.limit, status.hour.left) == (7, 20_000, 19_993)
    assert status.hour.start.minute == 0
    assert {policy.policy for policy in status.policies} == {"sm2", "ecdsa", "rsa"}


def test_the_evidence_holds_use_drift_certificates_and_the_source(rooms: Rooms) -> None:
    start = rooms.clock.now()
    record_use(rooms, 300)
    asyncio.run(rooms.timestamp.measure())
    rooms.clock.advance(hours=1)
    files = asyncio.run(evidence(rooms.timestamp, tenant="ten_a", instance="ins_1", start=start, end=rooms.clock.now()))
    found = {item.path: item.content.decode("utf-8-sig") for item in files}
    assert "2026-03-02T16:00:00+08:00,300,0,0" in found["hours.csv"]
    assert "2026-03-02T16:30:00+08:00,kernel,0.000000,是" in found["drift.csv"]
    assert found["tsa.pem"].count("BEGIN CERTIFICATE") == 9
    assert "未配置外部时间源" in found["policies.json"]
