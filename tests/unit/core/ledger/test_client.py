"""The client over a real socket: the same errors, invalidation, reconnection."""

from __future__ import annotations

import asyncio
import os
import stat
from datetime import UTC, datetime, timedelta

import pytest

from miyun.core.errors import IdempotencyMismatch, QuotaExceeded, ReplayedRequest, StorageFull, Unavailable
from miyun.core.ledger import merkle
from miyun.core.ledger.client import LedgerClient
from miyun.core.ledger.port import Admission, Entry, QuotaAsk
from miyun.core.ledger.server import LedgerServer
from miyun.core.ledger.verify import verify_proof

pytestmark = pytest.mark.anyio


def entry(**members) -> Entry:
    return Entry(**{"operation": "room.verb", "outcome": "ok", "at": datetime(2026, 3, 2, tzinfo=UTC), **members})


async def test_errors_arrive_as_what_they_are(client: LedgerClient, desk) -> None:
    expires = desk.clock.now().timestamp() + 300
    ticket = await client.admit(Admission(nonce="n", nonce_expires=expires, idempotency="k", fingerprint=b"1"))
    await client.append(entry(), ticket, answer=b"answer")
    with pytest.raises(ReplayedRequest):
        await client.admit(Admission(nonce="n", nonce_expires=expires))
    with pytest.raises(IdempotencyMismatch):
        await client.admit(Admission(idempotency="k", fingerprint=b"2"))
    with pytest.raises(QuotaExceeded) as refused:
        await client.admit(Admission(quota=QuotaAsk("ins_1:room.calls", 1, 0)))
    assert refused.value.retry_after == 30
    assert refused.value.message.zh == "本钟点配额已用完：0/0（room.calls）。"
    assert (await client.admit(Admission(idempotency="k", fingerprint=b"1"))).replay == b"answer"


async def test_records_usage_and_proofs(client: LedgerClient) -> None:
    await asyncio.gather(
        *[client.append(entry(tenant=f"ten_{n % 3}", instance="ins_1", meter="m", units=1)) for n in range(2500)]
    )
    assert len(await client.records(limit=2400)) == 2400
    assert [r.seq for r in await client.records(tenant="ten_1", limit=2000, newest_first=False)] == [
        n for n, r in enumerate([r async for r in client.scan()]) if r.entry.tenant == "ten_1"
    ]
    assert [r.seq async for r in client.scan(start=2490)] == list(range(2490, 2500))
    head = await client.head()
    (record,) = await client.records(start=77, limit=1)
    assert verify_proof(record.raw, 77, head.size, await client.proof(77, head.size), head.root)
    assert not verify_proof(record.raw + b" ", 77, head.size, await client.proof(77), head.root)
    proof = await client.consistency(1000, head.size)
    old = head.root
    assert not merkle.verify_consistency(1000, old, head.size, head.root, proof)
    at = datetime(2026, 3, 2, tzinfo=UTC)
    (usage,) = await client.usage(instances=["ins_1", "ins_9"], start=at, end=at + timedelta(hours=1))
    assert (usage.instance, usage.window, usage.units) == ("ins_1", at, 2500)
    await client.anchor(head, b"signature", b"token")


async def test_invalidation_reaches_every_process_before_it_returns(
    client: LedgerClient, other_process: LedgerClient
) -> None:
    heard: list[tuple[str, str, str]] = []
    client.on_invalidate(lambda topic, key: heard.append(("own", topic, key)))
    other_process.on_invalidate(lambda topic, key: heard.append(("other", topic, key)))
    await client.invalidate("kms.key", "key_1")
    assert heard == [("own", "kms.key", "key_1"), ("other", "kms.key", "key_1")]


async def test_who_only_listens_hears_too_even_of_a_ledger_that_comes_later(desk, home) -> None:
    path = home / "run" / "late.sock"
    listener, heard = LedgerClient(path, patience=0.05), []
    listener.on_invalidate(lambda topic, key: heard.append((topic, key)))
    listener.listen()
    await asyncio.sleep(0.2)  # longer than its patience
    assert not listener.listening and heard == []
    server = LedgerServer(desk.engine)
    await server.start(path)
    other = await LedgerClient.connect(path)
    while not listener.listening:
        await asyncio.sleep(0.01)
    await other.invalidate("kms.key", "key_1")
    assert heard == [("*", "*"), ("kms.key", "key_1")]
    await listener.close()
    await other.close()


async def test_a_failing_callback_does_not_stop_the_others(client: LedgerClient) -> None:
    heard: list[str] = []

    def fails(topic: str, key: str) -> None:
        raise ValueError

    client.on_invalidate(fails)
    client.on_invalidate(lambda topic, key: heard.append(key))
    await client.invalidate("kms.key", "key_1")
    assert heard == ["key_1"]


async def test_invalidation_does_not_wait_for_a_process_that_is_gone(
    client: LedgerClient, other_process: LedgerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("miyun.core.ledger.server.ACKNOWLEDGE_SECONDS", 3600.0)
    other_process._link.transport.pause_reading()  # type: ignore[union-attr]  # hangs
    waiting = asyncio.ensure_future(client.invalidate("kms.key", "key_1"))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    other_process._link.transport.abort()  # type: ignore[union-attr]  # dies
    await waiting


async def test_a_broken_connection_is_made_again_and_caches_are_told(client: LedgerClient) -> None:
    heard: list[tuple[str, str]] = []
    client.on_invalidate(lambda topic, key: heard.append((topic, key)))
    client._link.transport.abort()  # type: ignore[union-attr]
    await asyncio.sleep(0.01)
    assert (await client.append(entry())).seq == 0
    assert heard == [("*", "*")]


async def test_an_operation_that_outlived_its_connection_is_still_recorded(client: LedgerClient) -> None:
    quota = QuotaAsk("ins_1:room.calls", 1, 1)
    ticket = await client.admit(Admission(idempotency="k", fingerprint=b"1", quota=quota))
    client._link.transport.abort()  # type: ignore[union-attr]
    await asyncio.sleep(0.01)
    await client.append(entry(instance="ins_1", meter="room.calls", units=1), ticket, answer=b"done")
    assert (await client.admit(Admission(idempotency="k", fingerprint=b"1"))).replay == b"done"
    with pytest.raises(QuotaExceeded):
        await client.admit(Admission(quota=quota))


async def test_a_lost_acknowledgement_is_reported_and_never_tried_again(client: LedgerClient, desk) -> None:
    ticket = await client.admit(Admission(quota=QuotaAsk("ins_1:room.calls", 1, 9)))
    appending = asyncio.ensure_future(client.append(entry(), ticket))
    await asyncio.sleep(0)
    client._link._flush()  # type: ignore[union-attr]
    client._link.transport.abort()  # type: ignore[union-attr]
    with pytest.raises(Unavailable):
        await appending
    await asyncio.sleep(0.05)
    size = desk.engine.head().size
    with pytest.raises(Unavailable):
        await client.append(entry(), ticket)
    assert desk.engine.head().size == size <= 1


async def test_a_ticket_nobody_waits_for_any_more_is_given_back(client: LedgerClient) -> None:
    quota = Admission(quota=QuotaAsk("ins_1:room.calls", 1, 1))
    held = await client.admit(quota)
    gone = asyncio.ensure_future(client.admit(quota))
    await asyncio.sleep(0.02)
    gone.cancel()
    await client.release(held)
    assert (await client.admit(quota)).used == 1


async def test_without_a_ledger_the_error_says_so(home) -> None:
    with pytest.raises(Unavailable):
        await LedgerClient.connect(home / "run" / "ledger.sock", patience=0.05)


async def test_the_socket_is_for_owner_and_group_only(socket) -> None:
    assert stat.S_IMODE(os.stat(socket).st_mode) == 0o660


async def test_garbage_closes_its_own_connection_only(client: LedgerClient, socket) -> None:
    reader, writer = await asyncio.open_unix_connection(socket)
    writer.write(b"\x00\x00\x00\x03abc")
    assert await reader.read() == b""
    writer.close()
    reader, writer = await asyncio.open_unix_connection(socket)
    writer.write(b"\xff\xff\xff\xffabc")
    assert await reader.read() == b""
    writer.close()
    assert (await client.append(entry())).seq == 0


async def test_a_clean_stop_answers_what_became_durable(desk, home) -> None:
    server = LedgerServer(desk.engine)
    path = home / "run" / "own.sock"
    await server.start(path)
    client = await LedgerClient.connect(path, patience=0.05)
    appending = [asyncio.ensure_future(client.append(entry())) for _ in range(200)]
    await asyncio.sleep(0.001)
    size = 0
    await server.close()
    results = await asyncio.gather(*appending, return_exceptions=True)
    size = desk.engine.head().size
    assert sum(not isinstance(result, Exception) for result in results) == size
    await client.close()

    async def nothing() -> None:
        pass

    desk.engine.close = nothing


async def test_a_ledger_that_hangs_is_an_error_not_an_endless_wait(
    client: LedgerClient, monkeypatch: pytest.MonkeyPatch, desk
) -> None:
    monkeypatch.setattr("miyun.core.ledger.client._HANGS_AFTER", 0.1)
    monkeypatch.setattr(desk.engine, "append", lambda *arguments, **named: None)
    with pytest.raises(Unavailable):
        await client.append(entry())
    monkeypatch.undo()
    assert (await client.append(entry())).seq == 0


async def test_admission_and_record_in_one_step(client: LedgerClient, desk) -> None:
    now = desk.clock.now()
    used = entry(instance="ins_1", meter="m", units=1, at=now)
    once = Admission(nonce="n", nonce_expires=now.timestamp() + 300, quota=QuotaAsk("ins_1:m", 1, 2))
    settled = await client.settle(once, used)
    assert (settled.receipt.seq, settled.used) == (0, 1)
    with pytest.raises(ReplayedRequest):
        await client.settle(once, used)
    await client.settle(Admission(quota=QuotaAsk("ins_1:m", 1, 2)), used)
    with pytest.raises(QuotaExceeded):
        await client.settle(Admission(quota=QuotaAsk("ins_1:m", 1, 2)), used)
    over = await client.settle(Admission(quota=QuotaAsk("ins_1:m", 1, 2, refuse=False)), used)
    (record,) = await client.records(start=over.receipt.seq, limit=1)
    assert record.entry.detail == {"over": True}
    assert (await client.head()).size == 3


async def test_what_waits_for_quota_is_recorded_when_it_comes_back(client: LedgerClient, desk) -> None:
    ask = QuotaAsk("ins_1:m", 1, 1)
    ticket = await client.admit(Admission(quota=ask))
    used = entry(instance="ins_1", meter="m", units=1, at=desk.clock.now())
    waiting = asyncio.ensure_future(client.settle(Admission(quota=ask), used))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await client.release(ticket)
    assert (await waiting).used == 1


async def test_a_record_that_cannot_be_written_gives_its_quota_back(
    client: LedgerClient, desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise StorageFull

    ask = Admission(quota=QuotaAsk("ins_1:m", 1, 1))
    used = entry(instance="ins_1", meter="m", units=1, at=desk.clock.now())
    monkeypatch.setattr(desk.engine._committer, "_store", full)
    with pytest.raises(StorageFull):
        await client.settle(ask, used)
    monkeypatch.undo()
    assert (await client.settle(ask, used)).used == 1


async def test_many_workers_use_exactly_the_limit_and_nobody_is_refused_earlier(socket, desk) -> None:
    limit, succeeded, refused = 400, 0, []
    clients = [await LedgerClient.connect(socket) for _ in range(8)]
    admission = Admission(quota=QuotaAsk("ins_1:timestamp.tokens", 1, limit))
    used = entry(instance="ins_1", meter="timestamp.tokens", units=1, at=desk.clock.now())

    async def application(client: LedgerClient, number: int) -> None:
        nonlocal succeeded
        for attempt in range(12):
            try:
                ticket = await client.admit(admission)
            except QuotaExceeded as error:
                refused.append((error.values["used"], succeeded))
                await client.append(
                    entry(
                        outcome="refused",
                        code="QuotaExceeded",
                        instance="ins_1",
                        meter="timestamp.tokens",
                        at=desk.clock.now(),
                    )
                )
                return
            if (number + attempt) % 5 == 0:
                await client.release(ticket)  # the operation failed
            else:
                await client.append(used, ticket)
                succeeded += 1

    await asyncio.gather(*[application(client, n) for client in clients for n in range(8)])
    assert succeeded == limit
    assert refused
    assert all(settled == limit for settled, _ in refused)
    hour = desk.clock.now().replace(minute=0, second=0)
    (usage,) = await clients[0].usage(instances=["ins_1"], start=hour, end=hour + timedelta(hours=1))
    assert (usage.units, usage.refused) == (limit, len(refused))
    for client in clients:
        await client.close()
