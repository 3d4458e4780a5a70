from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from tests.rooms import HandSource, Rooms
from tests.standin import call_of

from miyun.core.errors import ClockUntrusted, InvalidArgument
from miyun.core.operation import Empty, Role
from miyun.gm import sm3
from miyun.offerings.timestamp import messages as m
from miyun.offerings.timestamp.service import TimestampService

REQUEST = m.IssueRequest(digest=sm3.digest(b"data"))


def issue(service: TimestampService, rooms: Rooms) -> m.TokenView:
    return asyncio.run(service.issue(call_of("ten_a", rooms.clock), REQUEST))


def state(service: TimestampService, rooms: Rooms) -> m.ClockView:
    return asyncio.run(service.status(call_of("ten_a", rooms.clock), Empty())).clock


@pytest.mark.parametrize("step", [-2.0, 2.0, -3600.0, 86400.0])
def test_a_stepped_clock_issues_nothing_until_confirmed(rooms: Rooms, step: float) -> None:
    issue(rooms.timestamp, rooms)
    rooms.step_clock(step)
    with pytest.raises(ClockUntrusted):
        issue(rooms.timestamp, rooms)
    assert state(rooms.timestamp, rooms).reason == "step"
    # Stepping back does not make it right: in between it was wrong, and who knows since when.
    rooms.step_clock(-step)
    with pytest.raises(ClockUntrusted):
        issue(rooms.timestamp, rooms)
    operator = call_of(None, rooms.clock, role=Role.PLATFORM_SYSTEM)
    request = m.ConfirmRequest(observed=rooms.clock.now() + timedelta(seconds=3), reference="国家授时中心")
    assert asyncio.run(rooms.timestamp.confirm_clock(operator, request)).trusted
    assert operator.detail["reference"] == "国家授时中心"
    assert issue(rooms.timestamp, rooms).gen_time == rooms.clock.now()


def test_a_confirmation_reaches_the_other_workers(rooms: Rooms) -> None:
    other = rooms.timestamps()
    rooms.step_clock(30)
    for service in (rooms.timestamp, other):
        with pytest.raises(ClockUntrusted):
            issue(service, rooms)
    request = m.ConfirmRequest(observed=rooms.clock.now(), reference="北斗")
    asyncio.run(rooms.timestamp.confirm_clock(call_of(None, rooms.clock, role=Role.PLATFORM_SYSTEM), request))
    issue(other, rooms)


def test_a_confirmation_with_another_time_is_refused(rooms: Rooms) -> None:
    rooms.step_clock(3600)
    request = m.ConfirmRequest(observed=rooms.clock.now() - timedelta(hours=1), reference="手表")
    with pytest.raises(InvalidArgument):
        asyncio.run(rooms.timestamp.confirm_clock(call_of(None, rooms.clock, role=Role.PLATFORM_SYSTEM), request))


def test_a_small_slew_is_not_a_step(rooms: Rooms) -> None:
    rooms.step_clock(0.9)
    issue(rooms.timestamp, rooms)


def test_a_clock_set_back_while_nothing_ran_is_noticed(rooms: Rooms) -> None:
    asyncio.run(rooms.timestamp.measure())
    rooms.clock.advance(hours=-2)
    restarted = rooms.timestamps()
    with pytest.raises(ClockUntrusted):
        issue(restarted, rooms)
    assert state(restarted, rooms).reason == "backwards"
    asyncio.run(restarted.measure())  # measuring again must not hide it
    rooms.clock.advance(seconds=60)
    with pytest.raises(ClockUntrusted):
        issue(restarted, rooms)
    rooms.clock.advance(hours=3)
    issue(restarted, rooms)


def test_a_worker_started_after_a_step_trusts_what_the_jobs_process_saw(rooms: Rooms) -> None:
    jobs = rooms.timestamps()
    rooms.step_clock(100)
    asyncio.run(jobs.measure())
    late = rooms.timestamps()
    with pytest.raises(ClockUntrusted):
        issue(late, rooms)


@pytest.mark.parametrize(
    ("offsets", "minimum", "reason"),
    [
        ([0.0], 0, ""),
        ([-1.5], 0, "drift"),
        ([0.2, -0.1, 9.0], 0, ""),  # one of three lies
        ([5.0, 5.1, 0.0], 0, "drift"),  # two agree that we are wrong
        ([-7.0, 0.0, 9.0], 0, "disagreement"),
        ([0.0, 9.0], 0, "disagreement"),  # who of two lies?
        ([0.0, 0.1, 9.0, 9.1], 0, "disagreement"),  # a tie
        ([0.0, 9.0, 0.1, 9.0, 0.2], 0, ""),
        ([0.0, 0.1, 9.0], 3, "disagreement"),
        ([0.0, None, None], 1, ""),
        ([0.0, 0.1, None], 0, ""),
        ([0.0, None, None], 0, "stale"),
        ([None, None], 1, "stale"),
    ],
)
def test_the_servers_verdict(rooms: Rooms, offsets: list[float | None], minimum: int, reason: str) -> None:
    service = rooms.timestamps(HandSource(offsets), minimum)
    asyncio.run(service.measure())
    if reason == "":
        issue(service, rooms)
    else:
        with pytest.raises(ClockUntrusted):
            issue(service, rooms)
    assert state(service, rooms).reason == reason


def test_drift_stops_issuance_and_its_end_resumes_it(rooms: Rooms) -> None:
    source = HandSource([0.0, 0.0, 0.0])
    measuring, issuing = rooms.timestamps(source), rooms.timestamps(source)  # the jobs process, a worker
    asyncio.run(measuring.measure())
    issue(issuing, rooms)
    for offset in (1.5, 0.1, -2.0, 0.0):
        source.offsets = [offset] * 3
        rooms.clock.advance(seconds=60)
        asyncio.run(measuring.measure())
        if abs(offset) < 1:
            issue(issuing, rooms)
        else:
            with pytest.raises(ClockUntrusted):
                issue(issuing, rooms)
    operations = list(rooms.ledger.operations())
    assert operations.count("timestamp.clock.untrusted") == 2
    assert operations.count("timestamp.clock.trusted") == 2


def test_sources_that_fall_silent_stop_issuance_and_their_return_resumes_it(rooms: Rooms) -> None:
    source = HandSource([0.0, 0.0, 0.0])
    service = rooms.timestamps(source)
    with pytest.raises(ClockUntrusted):
        issue(service, rooms)  # nothing measured yet
    asyncio.run(service.measure())
    source.offsets = [None, None, None]
    for _ in range(4):  # four minutes: what was measured is still fresh
        rooms.clock.advance(seconds=60)
        asyncio.run(service.measure())
        issue(service, rooms)
    rooms.clock.advance(seconds=90)
    asyncio.run(service.measure())
    with pytest.raises(ClockUntrusted):
        issue(service, rooms)
    clock = state(service, rooms)
    assert clock.reason == "stale"
    assert [(item.offset_seconds, item.reason_en) for item in clock.sources] == [(None, "does not answer")] * 3
    source.offsets = [0.0, None, 0.0]
    asyncio.run(service.measure())
    issue(service, rooms)


def test_a_measuring_process_that_died_stops_issuance(rooms: Rooms) -> None:
    service = rooms.timestamps(HandSource())
    asyncio.run(service.measure())
    rooms.clock.advance(minutes=6)
    with pytest.raises(ClockUntrusted):
        issue(service, rooms)
    assert state(service, rooms).reason == "stale"


def test_with_external_sources_a_confirmation_waits_for_them(rooms: Rooms) -> None:
    service = rooms.timestamps(HandSource([0.0]))
    asyncio.run(service.measure())
    rooms.step_clock(30)
    request = m.ConfirmRequest(observed=rooms.clock.now(), reference="手表")
    operator = call_of(None, rooms.clock, role=Role.PLATFORM_SYSTEM)
    assert not asyncio.run(service.confirm_clock(operator, request)).trusted  # nobody but the operator says so
    with pytest.raises(ClockUntrusted):
        issue(service, rooms)
    asyncio.run(service.measure())
    issue(service, rooms)


def test_status_names_the_configured_servers(rooms: Rooms) -> None:
    clock = state(rooms.timestamps(HandSource([0.0, 0.0, 0.0])), rooms)
    assert clock.external
    assert clock.note_en == "external time sources (NTP): ntp0, ntp1, ntp2; at least 2 of them must agree"
    assert "ntp0、ntp1、ntp2" in clock.note_zh


def test_status_says_honestly_that_there_is_no_external_source(rooms: Rooms) -> None:
    clock = state(rooms.timestamp, rooms)
    assert not clock.external
    assert "no external time source" in clock.note_en and "未配置外部时间源" in clock.note_zh
    assert clock.trusted and clock.sources == []


def test_the_history_is_kept_with_its_verdicts(rooms: Rooms) -> None:
    start = rooms.clock.now()
    source = HandSource([0.25, -0.25])
    service = rooms.timestamps(source)
    asyncio.run(service.measure())
    rooms.clock.advance(seconds=60)
    source.offsets = [4.0, None]
    asyncio.run(service.measure())
    found = asyncio.run(
        service.drift(
            call_of("ten_a", rooms.clock), m.DriftRequest(start=start, end=rooms.clock.now() + timedelta(seconds=1))
        )
    )
    assert [(item.source, item.offset_seconds, item.trusted, item.reason) for item in found.items] == [
        ("kernel", 0.0, True, ""),
        ("ntp0", 0.25, True, ""),
        ("ntp1", -0.25, True, ""),
        ("kernel", 0.0, True, ""),
        ("ntp0", 4.0, False, ""),
        ("ntp1", None, False, "unreachable"),
    ]
