"""Watched endpoints: what a handshake shows, when an alarm is raised, what a rehearsal leaves behind."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.outside_ca import OutsideAuthority, new_key
from tests.platform import free_port
from tests.standin import call_of
from tests.unit.offerings.ssl_certificate.desk import OTHER_TENANT, TENANT, Desk

from miyun.core.errors import AlreadyExists, InvalidArgument, NotFound
from miyun.offerings.ssl_certificate.endpoint import handshake
from miyun.offerings.ssl_certificate.endpoint import messages as m
from miyun.offerings.ssl_certificate.endpoint.model import Outcome, Seen, alarm_of
from miyun.offerings.ssl_certificate.messages import Export

NAME = "www.example.cn"
NOW = datetime(2026, 3, 2, tzinfo=UTC)


@contextmanager
def server(folder: Path, chain: str, key: Any) -> Iterator[int]:
    """A TLS server on loopback; its port."""
    (folder / "chain.pem").write_text(chain)
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "chain.pem", folder / "key.pem")
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(connection, server_side=True) as tls:
                    tls.recv(1)
            except OSError:
                connection.close()

    Thread(target=serve, daemon=True).start()
    yield listening.getsockname()[1]
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()


class Watch:
    def __init__(self, desk: Desk, tenant: str = TENANT) -> None:
        self.desk, self.tenant = desk, tenant
        desk.zone.hosts[NAME] = ["127.0.0.1"]

    def __call__(self, verb: str, request: Any) -> Any:
        method = getattr(self.desk.endpoints, verb)
        return asyncio.run(method(call_of(self.tenant, self.desk.clock), request))

    def look(self, endpoint: str) -> Any:
        self("check", m.EndpointRef(endpoint=endpoint))
        asyncio.run(self.desk.endpoints.run_due())
        return self("get", m.EndpointRef(endpoint=endpoint))


@pytest.fixture
def watch(desk: Desk) -> Watch:
    desk.clock.at = datetime.now(UTC)  # OpenSSL's is the real one
    return Watch(desk)


@pytest.fixture
def authority(desk: Desk, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> OutsideAuthority:
    """A CA that is believed here."""
    authority = OutsideAuthority(desk.clock.now())

    async def anchors(self: Any) -> list[str]:
        return [authority.certificate]

    monkeypatch.setattr("miyun.offerings.ssl_certificate.endpoint.service.Endpoints._anchors", anchors)
    return authority


@pytest.mark.parametrize(
    ("days", "names", "outcome"),
    [
        (90, (NAME,), "ok"),
        (20, (NAME,), "expiring"),
        (0, (NAME,), "expired"),
        (90, ("other.example.cn",), "wrong_name"),
    ],
)
def test_what_is_served_is_told(
    watch: Watch, authority: OutsideAuthority, tmp_path: Path, days: int, names: tuple[str, ...], outcome: str
) -> None:
    key = new_key()
    with server(tmp_path, authority.issue(key, *names, days=days), key) as port:
        endpoint = watch("add", m.AddEndpoint(host=NAME, port=port)).endpoint
        seen = watch.look(endpoint)
    assert seen.summary.outcome == outcome, seen.summary.reason
    assert seen.summary.names == list(names) and seen.summary.version == "TLSv1.3" and seen.summary.serial
    assert [check.outcome for check in seen.history] == [outcome]


def test_a_ca_that_is_not_known_is_told(watch: Watch, tmp_path: Path) -> None:
    key = new_key()
    with server(tmp_path, OutsideAuthority(watch.desk.clock.now()).issue(key, NAME), key) as port:
        endpoint = watch("add", m.AddEndpoint(host=NAME, port=port)).endpoint
        seen = watch.look(endpoint)
    assert seen.summary.outcome == "untrusted" and seen.summary.subject == f"CN={NAME}"


def test_what_does_not_answer_or_may_not_be_asked_is_told(watch: Watch) -> None:
    watch.desk.zone.hosts["inside.example.cn"] = ["10.0.0.1"]
    port = free_port()
    found = {
        host: watch.look(watch("add", m.AddEndpoint(host=host, port=port)).endpoint).summary.outcome
        for host in (NAME, "inside.example.cn", "nowhere.example.cn")
    }
    assert found == {NAME: "unreachable", "inside.example.cn": "refused", "nowhere.example.cn": "unreachable"}


def test_tlcp_is_listed_and_not_pretended(watch: Watch) -> None:
    endpoint = watch("add", m.AddEndpoint(host=NAME, protocol="tlcp")).endpoint
    assert watch.look(endpoint).summary.outcome == "unsupported"


def test_alarms_are_raised_once_each_and_again_for_another_certificate(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = watch.desk.clock
    served = {"not_after": clock.now() + timedelta(days=40), "serial": "A", "fingerprint": "a"}

    async def look(*_: Any, **__: Any) -> Seen:
        return Seen(Outcome.OK, **served)  # type: ignore[arg-type]

    monkeypatch.setattr("miyun.offerings.ssl_certificate.endpoint.service.look", look)
    endpoint = watch("add", m.AddEndpoint(host=NAME)).endpoint
    for _ in range(82):
        watch.look(endpoint)
        clock.advance(hours=12)
    entries = watch.desk.rooms.ledger.entries
    days = [entry.detail["days"] for entry in entries if entry.operation == "ssl_certificate.endpoint.alarm"]
    assert days == [30, 14, 7, 1]
    served |= {"not_after": clock.now() + timedelta(days=5), "serial": "B", "fingerprint": "b"}
    watch.look(endpoint)
    assert [e.detail["days"] for e in entries if e.operation == "ssl_certificate.endpoint.alarm"][4:] == [7]
    assert [check.serial for check in watch("get", m.EndpointRef(endpoint=endpoint)).history] == ["B", "A"]


@pytest.mark.parametrize(
    ("days", "alarm"), [(31, None), (30, 30), (15, 30), (14, 14), (7, 7), (2, 7), (1, 1), (0, 1), (-5, 1)]
)
def test_the_nearest_alarm_counts(days: int, alarm: int | None) -> None:
    assert alarm_of(NOW + timedelta(days=days), NOW) == alarm


@pytest.mark.parametrize("host", ["", " ", "a b", "http://a.cn", "0x7f.1", "127.1", "a/b", "user@a.cn", "a.cn:443"])
def test_a_host_that_is_none_is_refused(watch: Watch, host: str) -> None:
    with pytest.raises(InvalidArgument):
        watch("add", m.AddEndpoint(host=host))


def test_an_endpoint_is_watched_once_by_a_tenant(desk: Desk, watch: Watch) -> None:
    endpoint = watch("add", m.AddEndpoint(host=NAME)).endpoint
    with pytest.raises(AlreadyExists):
        watch("add", m.AddEndpoint(host="WWW.Example.CN."))
    stranger = Watch(desk, OTHER_TENANT)
    for verb in ("get", "check", "remove"):
        with pytest.raises(NotFound):
            stranger(verb, m.EndpointRef(endpoint=endpoint))
    assert stranger("add", m.AddEndpoint(host=NAME)).endpoint != endpoint
    assert len(watch("list_all", m.ListEndpoints()).items) == 1
    watch("remove", m.EndpointRef(endpoint=endpoint))
    assert watch("list_all", m.ListEndpoints()).items == []


def test_lists_are_paged_and_sorted(watch: Watch) -> None:
    hosts = [f"h{number}.example.cn" for number in range(7)]
    for host in reversed(hosts):
        watch("add", m.AddEndpoint(host=host))
    found, cursor = [], None
    while True:
        page = watch("list_all", m.ListEndpoints(sort="host", limit=3, cursor=cursor))
        found += [item.host for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == hosts


def test_a_server_that_says_nothing_does_not_hold_the_others(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshake, "SECONDS", 0.3)
    silent = socket.create_server(("127.0.0.1", 0))
    endpoint = watch("add", m.AddEndpoint(host=NAME, port=silent.getsockname()[1])).endpoint
    assert watch.look(endpoint).summary.outcome == "unreachable"
    silent.close()


def test_the_list_is_taken_away_as_a_file(watch: Watch) -> None:
    watch("add", m.AddEndpoint(host=NAME, note="=1+1"))

    async def export() -> str:
        call = call_of(TENANT, watch.desk.clock)
        download = await watch.desk.endpoints.export(call, Export())
        return b"".join([chunk async for chunk in download.chunks]).decode()

    text = asyncio.run(export())
    assert NAME in text and "域名或地址" in text and "'=1+1" in text  # no formula for a spreadsheet
