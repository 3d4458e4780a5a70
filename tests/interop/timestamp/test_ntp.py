"""The clock against real chronyd servers: right, wrong, lost, silent, fed up; and what becomes of issuance."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.chronyd import time_server
from tests.platform import DIGEST, RunningPlatform, free_port, spec, unique
from tests.rooms import Rooms, rooms_in
from tests.standin import call_of

from miyun.client import ApiError, Client
from miyun.core.clock import SystemClock
from miyun.core.errors import ClockUntrusted
from miyun.core.operation import Empty
from miyun.core.settings import host_and_port
from miyun.gm import sm3
from miyun.offerings.timestamp import messages as m
from miyun.offerings.timestamp.model import Reading
from miyun.offerings.timestamp.ntp import NtpServer, NtpSource

pytestmark = pytest.mark.engine
REQUEST = m.IssueRequest(digest=sm3.digest(b"data"))


def source(*addresses: str, limit: float = 1.0) -> NtpSource:
    servers = [NtpServer(*host_and_port(address, 123)) for address in addresses]
    return NtpSource(servers, SystemClock(), limit, samples=8, spacing=0.01, timeout=5.0)


def ask(*addresses: str, limit: float = 1.0) -> list[Reading]:
    return asyncio.run(source(*addresses, limit=limit).readings())


def silent() -> str:
    return f"127.0.0.1:{free_port()}"


@contextmanager
def impostor(answer: Callable[[bytes], list[bytes]]) -> Iterator[str]:
    """A server that answers what the test says to each request."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as served:
        served.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                request, sender = served.recvfrom(100)
                if request == b"end":
                    return
                for packet in answer(request):
                    served.sendto(packet, sender)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{served.getsockname()[1]}"
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ending:
                ending.sendto(b"end", served.getsockname())
            thread.join()


def test_a_right_server_agrees_with_this_machine() -> None:
    with time_server() as server:
        [reading] = ask(server)
    assert reading.source == server and reading.reason == ""
    assert reading.offset is not None and abs(reading.offset) < 0.1


@pytest.mark.parametrize("ahead", [5.0, -3600.0])
def test_a_wrong_server_is_seen_to_be_wrong_by_so_much(ahead: float) -> None:
    with time_server(ahead=ahead) as server:
        [reading] = ask(server)
    assert reading.offset == pytest.approx(ahead, abs=0.1)


def test_servers_that_tell_no_time_say_why() -> None:
    with time_server(synchronised=False) as lost:
        readings = ask(lost, silent(), "name.invalid")
    assert [(item.offset, item.reason) for item in readings] == [
        (None, "unsynchronised"),
        (None, "unreachable"),
        (None, "unreachable"),
    ]


def test_a_kiss_of_death_is_obeyed() -> None:
    asked: list[bytes] = []

    def kiss(request: bytes) -> list[bytes]:
        asked.append(request)
        return [b"\xe4\x00\x00\x00" + bytes(8) + b"RATE" + bytes(8) + request[40:48] + bytes(16)]

    with impostor(kiss) as server:
        asking = source(server)
        for _ in range(3):
            assert asyncio.run(asking.readings()) == [Reading(server, None, "kiss:RATE")]
    assert len(asked) == 1


def test_an_answer_to_nothing_asked_is_passed_over() -> None:
    """Someone who cannot read the request floods forged answers: none counts, the right one does."""
    with time_server() as right:
        host, port = host_and_port(right, 123)

        def forge_then_relay(request: bytes) -> list[bytes]:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as relayed:
                relayed.connect((host, port))
                relayed.settimeout(5)
                relayed.send(request)
                true = relayed.recv(100)
            forged = true[:24] + bytes(8) + b"\xff" * 16
            return [forged, forged, true]

        with impostor(forge_then_relay) as server:
            [reading] = ask(server)
    assert reading.offset is not None and abs(reading.offset) < 0.2


def test_a_server_too_far_from_its_reference_is_of_no_use() -> None:
    with time_server() as server:
        assert ask(server, limit=1e-9) == [Reading(server, None, "uncertain")]


# what becomes of issuance


@pytest.fixture
def rooms(tmp_path: Path) -> Rooms:
    return rooms_in(tmp_path)


def judged(rooms: Rooms, *addresses: str) -> str:
    service = rooms.timestamps(source(*addresses))
    asyncio.run(service.measure())
    call = call_of("ten_a", rooms.clock)
    reason = asyncio.run(service.status(call, Empty())).clock.reason
    if reason:
        with pytest.raises(ClockUntrusted):
            asyncio.run(service.issue(call, REQUEST))
    else:
        asyncio.run(service.issue(call, REQUEST))
    return reason


def test_issuance_goes_by_the_majority_of_the_servers(rooms: Rooms) -> None:
    with ExitStack() as stack:
        right = [stack.enter_context(time_server()) for _ in range(2)]
        wrong = [stack.enter_context(time_server(ahead=ahead)) for ahead in (5.0, 5.2)]
        lost = stack.enter_context(time_server(synchronised=False))
        assert judged(rooms, right[0]) == ""
        rooms.clock.advance(minutes=10)  # each verdict by itself: earlier readings are no longer fresh
        assert judged(rooms, wrong[0]) == "drift"
        rooms.clock.advance(minutes=10)
        assert judged(rooms, *right, wrong[0]) == ""
        rooms.clock.advance(minutes=10)
        assert judged(rooms, right[0], *wrong) == "drift"
        rooms.clock.advance(minutes=10)
        assert judged(rooms, right[0], wrong[0]) == "disagreement"
        rooms.clock.advance(minutes=10)
        assert judged(rooms, right[0], lost, silent()) == "stale"
        rooms.clock.advance(minutes=10)
        assert judged(rooms, *right, silent()) == ""


@pytest.mark.parametrize(("wrong", "reason"), [(1, ""), (2, "drift")])
def test_a_platform_with_configured_servers(wrong: int, reason: str) -> None:
    """From the environment through the jobs process to a worker's answer and the evidence."""
    with ExitStack() as stack:
        servers = [stack.enter_context(time_server(ahead=5.0 if number < wrong else 0.0)) for number in range(3)]
        environ = {"MIYUN_TIME__SERVERS": ", ".join(servers)}
        running = stack.enter_context(RunningPlatform(workers=1, environ=environ))
        tenant = running.activate(spec(unique()))
        app = running.application(tenant, services=("timestamp",))
        deadline = time.monotonic() + 60
        while (clock := running.as_system(tenant, "timestamp.status").clock).measured_at is None:
            assert time.monotonic() < deadline, "nothing was measured"
            time.sleep(0.3)
        assert clock.reason == reason and [item.source for item in clock.sources] == servers
        assert [item.offset_seconds for item in clock.sources] == [
            pytest.approx(5.0 if number < wrong else 0.0, abs=0.9) for number in range(3)
        ]
        with running.client(app) as client:  # workers look for a new measurement every five seconds
            deadline = time.monotonic() + 60
            while (told := answer_of(client)) != ("ClockUntrusted" if reason else "issued"):
                assert time.monotonic() < deadline, told
                time.sleep(0.3)


def answer_of(client: Client) -> str:
    try:
        client.call("timestamp.issue", digest=DIGEST)
    except ApiError as refused:
        return refused.code
    return "issued"
