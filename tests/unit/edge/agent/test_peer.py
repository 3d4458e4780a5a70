"""The agent answers its own user's programs only, on a machine that has others."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from miyun.edge.agent import peer
from miyun.edge.agent.app import Agent
from miyun.edge.agent.consent import Consents

SOMEBODY_ELSE = 65534
other_users = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """As `miyun agent` serves it; its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    app = Agent(None, Consents(tmp_path / "agent.json"), port=address[1])  # type: ignore[arg-type]
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield address
    server.should_exit = True
    thread.join()


def status(address: tuple[str, int], *, family: socket.AddressFamily = socket.AF_INET) -> bytes:
    """What the agent answers a request of this process."""
    with socket.socket(family) as connection:
        connection.settimeout(30)
        host = address[0] if family is socket.AF_INET else f"::ffff:{address[0]}"
        connection.connect((host, address[1]))
        connection.sendall(b"GET /agent.css HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n\r\n" % address[1])
        return connection.recv(12)


def as_user(uid: int, address: tuple[str, int]) -> bytes:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setuid(uid)
            os.write(writing, status(address))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return said


def test_ones_own_programs_are_answered(agent: tuple[str, int]) -> None:
    assert status(agent) == b"HTTP/1.1 200"
    assert status(agent, family=socket.AF_INET6) == b"HTTP/1.1 200", "a program that speaks IPv4 through IPv6"


@other_users
def test_another_users_are_refused_whatever_they_say(agent: tuple[str, int]) -> None:
    assert as_user(SOMEBODY_ELSE, agent) == b"HTTP/1.1 403"


@other_users
def test_who_is_not_root_answers_root_and_nobody_else(agent: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer.os, "geteuid", lambda: SOMEBODY_ELSE)
    assert as_user(SOMEBODY_ELSE, agent) == b"HTTP/1.1 200"
    assert as_user(SOMEBODY_ELSE - 1, agent) == b"HTTP/1.1 403"
    assert status(agent) == b"HTTP/1.1 200"


def test_who_hangs_up_at_once_is_nobody() -> None:
    """The kernel calls a socket that was closed root's: its program could have sent a wrong PIN and be gone."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.socket()
        client.connect(listener.getsockname())
        client.sendall(b"POST /sof/SOF_Login HTTP/1.1")
        served, address = listener.accept()
        with served:
            assert peer.user_of(address, served.getsockname()) == os.geteuid()
            client.close()
            while served.recv(64):  # until its end has arrived
                pass
            assert peer.user_of(address, served.getsockname()) is None


def test_a_connection_that_the_machine_does_not_tell_of_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    assert peer.user_of(("127.0.0.1", 1), ("127.0.0.1", 2)) is None
    assert not peer.is_own({"client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2)})
    assert not peer.is_own({"client": None, "server": None})
    monkeypatch.setattr(peer, "_TABLES", (Path("/nowhere"),))
    assert peer.user_of(("127.0.0.1", 1), ("127.0.0.1", 2)) is None
