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


def test_drift_beyond_the_tolerance_refuses_and_its_end_resumes(rooms: Rooms) -> None:
    source = HandSource()
    service = rooms.timestamps(source)
    asyncio.run(service.measure())
    issue(service, rooms)
    for offsets, good in (([5.0, 5.1, 0.0], False), ([0.2, -0.1, 9.0], True), ([-1.5], False), ([0.0], True)):
        source.offsets = offsets
        rooms.clock.advance(seconds=60)
        asyncio.run(service.measure())
        if good:
            issue(service, rooms)
        else:
            with pytest.raises(ClockUntrusted):
                issue(service, rooms)
            assert state(service, rooms).reason == "drift"
    operations = list(rooms.ledger.operations())
    assert operations.count("timestamp.clock.untrusted") == 2
    assert operations.count("timestamp.clock.trusted") == 2


def test_sources_that_fall_silent_stop_issuance(rooms: Rooms) -> None:
    source = HandSource()
    service = rooms.timestamps(source)
    with pytest.raises(ClockUntrusted):
        issue(service, rooms)  # nothing measured yet
    asyncio.run(service.measure())
    rooms.clock.advance(seconds=10)
    issue(service, rooms)
    rooms.clock.advance(minutes=6)
    with pytest.raises(ClockUntrusted):
        issue(service, rooms)
    assert state(service, rooms).reason == "stale"
    source.offsets = []
    asyncio.run(service.measure())
    rooms.clock.advance(seconds=10)
    with pytest.raises(ClockUntrusted):
        issue(service, rooms)


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
    source.offsets = [4.0]
    asyncio.run(service.measure())
    found = asyncio.run(
        service.drift(
            call_of("ten_a", rooms.clock), m.DriftRequest(start=start, end=rooms.clock.now() + timedelta(seconds=1))
        )
    )
    assert [(item.source, item.offset_seconds, item.trusted) for item in found.items] == [
        ("kernel", 0.0, True),
        ("ntp0", 0.25, True),
        ("ntp1", -0.25, True),
        ("kernel", 0.0, True),
        ("ntp0", 4.0, False),
    ]
