"""Nonces, idempotency keys and quota, as a worker meets them."""

from __future__ import annotations

import asyncio

import pytest

from miyun.core.errors import (
    Conflict,
    IdempotencyMismatch,
    InDoubt,
    InvalidArgument,
    Overloaded,
    QuotaExceeded,
    ReplayedRequest,
    Unavailable,
)
from miyun.core.ledger.nonces import Nonces
from miyun.core.ledger.port import Admission, QuotaAsk

pytestmark = pytest.mark.anyio


def quota(units: int = 1, limit: int = 3, **more) -> Admission:
    return Admission(quota=QuotaAsk("ins_1:timestamp.tokens", units, limit, **more))


def keyed(fingerprint: bytes = b"request", key: str = "app_1:room.verb:k1", **more) -> Admission:
    return Admission(idempotency=key, fingerprint=fingerprint, **more)


def counted(desk, units: int = 1):
    return desk.entry(instance="ins_1", meter="timestamp.tokens", units=units)


# nonces


async def test_a_nonce_works_once(desk) -> None:
    expires = desk.clock.now().timestamp() + 300
    await desk.admit(Admission(nonce="AK1:n", nonce_expires=expires))
    with pytest.raises(ReplayedRequest):
        await desk.admit(Admission(nonce="AK1:n", nonce_expires=expires), owner="another worker")
    await desk.admit(Admission(nonce="AK2:n", nonce_expires=expires))


async def test_a_used_nonce_is_known_after_a_restart(desk, opening) -> None:
    used = Admission(nonce="AK1:n", nonce_expires=desk.clock.now().timestamp() + 300)
    await desk.append(ticket=await desk.admit(used))
    desk = await opening()
    with pytest.raises(ReplayedRequest):
        await desk.admit(used)


async def test_nonces_are_forgotten_when_they_expired(desk) -> None:
    for number in range(200):
        expires = desk.clock.now().timestamp() + 300
        await desk.admit(Admission(nonce=f"AK1:{number}", nonce_expires=expires))
        desk.clock.step(60)
    assert len(desk.engine._admissions.nonces) < 10


async def test_the_memory_for_nonces_is_bounded() -> None:
    nonces = Nonces(capacity=10)
    for number in range(10):
        nonces.use(number.to_bytes(8) * 2, 1_000, 900.0)
    with pytest.raises(Overloaded):
        nonces.use(b"another nonce...", 1_001, 900.0)


# idempotency


async def test_a_completed_request_is_answered_again_from_the_store(desk, opening) -> None:
    ticket = await desk.admit(keyed())
    assert ticket.replay is None
    await desk.append(ticket=ticket, answer=b"the answer")
    assert (await desk.admit(keyed())).replay == b"the answer"
    desk = await opening()
    assert (await desk.admit(keyed())).replay == b"the answer"


async def test_a_key_used_for_another_request_is_refused(desk) -> None:
    ticket = await desk.admit(keyed())
    with pytest.raises(IdempotencyMismatch):
        await desk.admit(keyed(b"another"))
    await desk.append(ticket=ticket)
    with pytest.raises(IdempotencyMismatch):
        await desk.admit(keyed(b"another"))


async def test_completed_without_an_answer_is_a_conflict(desk) -> None:
    await desk.append(ticket=await desk.admit(keyed()), answer=None)
    with pytest.raises(Conflict, match="completed"):
        await desk.admit(keyed())


async def test_an_answer_that_is_too_large_is_not_kept(desk) -> None:
    await desk.append(ticket=await desk.admit(keyed()), answer=bytes(70_000))
    with pytest.raises(Conflict, match="completed"):
        await desk.admit(keyed())


async def test_a_damaged_stored_answer_is_never_given(desk, home) -> None:
    await desk.append(ticket=await desk.admit(keyed()), answer=b"the answer")
    (path,) = (home / "journal" / "answers").glob("*.bin")
    path.write_bytes(path.read_bytes().replace(b"answer", b"ANSWER"))
    with pytest.raises(Conflict):
        await desk.admit(keyed())


async def test_unknown_outcome_stays_in_doubt_for_a_day(desk, opening) -> None:
    await desk.admit(keyed())
    desk.engine.drop("worker")  # the worker died
    with pytest.raises(InDoubt):
        await desk.admit(keyed())
    desk = await opening()
    with pytest.raises(InDoubt):
        await desk.admit(keyed())
    desk.clock.step(24 * 3600 + 1)
    assert (await desk.admit(keyed())).replay is None


async def test_a_released_key_may_be_used_again_also_after_a_restart(desk, opening) -> None:
    await desk.release(await desk.admit(keyed()))
    desk = await opening()
    ticket = await desk.admit(keyed(b"another"))
    await desk.release(ticket, in_doubt=True)
    with pytest.raises(InDoubt):
        await desk.admit(keyed(b"another"))


async def test_a_duplicate_waits_for_the_first_and_gets_its_answer(desk) -> None:
    first = await desk.admit(keyed())
    repeats = [asyncio.ensure_future(desk.admit(keyed())) for _ in range(3)]
    await asyncio.sleep(0.02)
    assert not any(repeat.done() for repeat in repeats)
    await desk.append(ticket=first, answer=b"once")
    assert [(await repeat).replay for repeat in repeats] == [b"once"] * 3


async def test_one_duplicate_takes_over_when_the_first_had_no_effect(desk) -> None:
    first = await desk.admit(keyed())
    repeats = [asyncio.ensure_future(desk.admit(keyed())) for _ in range(3)]
    await asyncio.sleep(0.02)
    await desk.release(first)
    done, _ = await asyncio.wait(repeats, timeout=60, return_when=asyncio.FIRST_COMPLETED)
    (second,) = done
    assert second.result().replay is None
    await desk.append(ticket=second.result(), answer=b"second")
    answers = [(await repeat).replay for repeat in repeats]
    assert sorted(answers, key=str) == sorted([None, b"second", b"second"], key=str)


async def test_a_duplicate_does_not_wait_for_ever(opening) -> None:
    desk = await opening(patience=0.1)
    await desk.admit(keyed())
    with pytest.raises(Conflict, match="still running"):
        await desk.admit(keyed())


async def test_a_key_is_free_again_when_quota_refused_its_request(desk) -> None:
    with pytest.raises(QuotaExceeded):
        await desk.admit(keyed(quota=QuotaAsk("ins_1:m", 1, 0)))
    assert (await desk.admit(keyed())).replay is None


async def test_the_journal_does_not_hold_the_key_nor_the_answer(desk, home) -> None:
    ticket = await desk.admit(keyed(key="app_1:room.verb:confidential"))
    await desk.append(ticket=ticket, answer=b"private answer")
    text = (home / "journal" / ("0" * 20 + ".seg")).read_bytes()
    assert b"confidential" not in text
    assert b"private" not in text


# quota


async def test_exactly_the_limit_succeeds_and_the_next_is_told_when_to_retry(desk) -> None:
    for _ in range(3):
        await desk.append(counted(desk), await desk.admit(quota()))
    with pytest.raises(QuotaExceeded) as refused:
        await desk.admit(quota())
    assert refused.value.retry_after == 30
    assert refused.value.values["used"] == 3
    assert refused.value.values["limit"] == 3
    assert refused.value.values["meter"] == "timestamp.tokens"


async def test_nobody_is_refused_while_a_unit_in_flight_may_come_back(desk) -> None:
    tickets = [await desk.admit(quota()) for _ in range(3)]
    waiting = asyncio.ensure_future(desk.admit(quota()))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    await desk.release(tickets[0])
    assert (await waiting).used == 3


async def test_those_waiting_are_refused_when_the_last_unit_is_settled(desk) -> None:
    tickets = [await desk.admit(quota()) for _ in range(3)]
    waiting = asyncio.ensure_future(desk.admit(quota()))
    await asyncio.gather(*[desk.append(counted(desk), ticket) for ticket in tickets])
    with pytest.raises(QuotaExceeded):
        await waiting


async def test_a_dead_worker_gives_its_units_back(desk) -> None:
    for _ in range(3):
        await desk.admit(quota(), owner="doomed")
    waiting = asyncio.ensure_future(desk.admit(quota()))
    await asyncio.sleep(0.02)
    desk.engine.drop("doomed")
    await waiting
    assert (await desk.admit(quota())).used == 2


async def test_waiting_for_quota_is_bounded(opening) -> None:
    desk = await opening(patience=0.1)
    await desk.admit(quota(units=3))
    with pytest.raises(Overloaded):
        await desk.admit(quota())


async def test_only_what_succeeded_counts(desk) -> None:
    ticket = await desk.admit(quota(units=3))
    await desk.append(counted(desk, units=1), ticket)
    assert (await desk.admit(quota(units=2))).used == 3


async def test_a_batch_larger_than_what_is_left_is_refused_whole(desk) -> None:
    await desk.append(counted(desk), await desk.admit(quota()))
    with pytest.raises(QuotaExceeded):
        await desk.admit(quota(units=3))
    await desk.admit(quota(units=2))


async def test_a_new_clock_hour_starts_at_zero(desk) -> None:
    await desk.append(counted(desk, 3), await desk.admit(quota(units=3)))
    desk.clock.step(31)
    ticket = await desk.admit(quota())
    assert ticket.used == 1
    assert ticket.window == 1772416800  # 10:00 in Shanghai


async def test_a_request_belongs_to_the_hour_that_admitted_it(desk, opening) -> None:
    ticket = await desk.admit(quota(units=3))
    desk.clock.step(31)
    await desk.append(counted(desk, 3), ticket)
    assert (await desk.admit(quota())).used == 1
    desk.clock.step(-31)
    with pytest.raises(QuotaExceeded):
        await desk.admit(quota())
    usage = await desk.engine.usage(["ins_1"], desk.clock.now().replace(minute=0, second=0), desk.clock.now())
    assert [u.units for u in usage] == [3]


async def test_the_count_survives_a_restart(desk, opening) -> None:
    await desk.append(counted(desk, 2), await desk.admit(quota(units=2)))
    desk = await opening()
    assert (await desk.admit(quota())).used == 3
    desk.engine.drop("worker")
    await desk.append(counted(desk), await desk.admit(quota()))
    desk = await opening()
    with pytest.raises(QuotaExceeded):
        await desk.admit(quota())


async def test_allow_and_report_never_refuses_and_counts_what_is_over(desk) -> None:
    for expected in (False, False, False, True, True):
        ticket = await desk.admit(quota(refuse=False))
        assert ticket.over is expected
        await desk.append(counted(desk), ticket)
    ticket = await desk.admit(quota(units=4, limit=6, refuse=False))
    await desk.append(counted(desk, 4), ticket)
    (usage,) = await desk.engine.usage(["ins_1"], desk.clock.now().replace(minute=0, second=0), desk.clock.now())
    assert (usage.units, usage.over) == (9, 2 + 3)


async def test_a_ticket_settles_once(desk) -> None:
    ticket = await desk.admit(quota())
    await desk.append(counted(desk), ticket)
    with pytest.raises(Unavailable):
        await desk.append(counted(desk), ticket)
    await desk.release(ticket)
    assert (await desk.admit(quota())).used == 2


async def test_a_ticket_belongs_to_the_connection_that_got_it(desk) -> None:
    ticket = await desk.admit(quota(), owner="another worker")
    with pytest.raises(Unavailable):
        await desk.append(counted(desk), ticket)


async def test_the_ticket_of_a_broken_connection_is_adopted_when_there_is_room(desk) -> None:
    admission = quota(units=3)
    ticket = await desk.admit(admission)
    desk.engine.drop("worker")
    await desk.append(counted(desk, 3), adopt=admission, window=ticket.window)
    with pytest.raises(QuotaExceeded):
        await desk.admit(quota())
    with pytest.raises(Unavailable):
        await desk.append(counted(desk, 3), adopt=admission, window=ticket.window)


async def test_a_negative_ask_is_refused(desk) -> None:
    with pytest.raises(InvalidArgument):
        await desk.admit(quota(units=-1))


async def test_the_number_of_those_who_wait_for_quota_is_bounded(desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("miyun.core.ledger.quota.WAITERS", 2)
    held = await desk.admit(quota(units=3))
    waiting = [asyncio.ensure_future(desk.admit(quota())) for _ in range(2)]
    await asyncio.sleep(0.02)
    with pytest.raises(Overloaded):
        await desk.admit(quota())
    await desk.release(held)
    await asyncio.gather(*waiting)


async def test_a_waiting_request_of_a_dead_worker_takes_nothing(desk) -> None:
    held = await desk.admit(quota(units=3))
    waiting = asyncio.ensure_future(desk.admit(keyed(quota=QuotaAsk("ins_1:timestamp.tokens", 1, 3))))
    await asyncio.sleep(0.02)
    waiting.cancel()
    await asyncio.sleep(0.02)
    await desk.release(held)
    assert (await desk.admit(quota(units=3))).used == 3
    assert (await desk.admit(keyed())).replay is None
