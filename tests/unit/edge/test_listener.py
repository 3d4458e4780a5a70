"""The TLS listener with real sockets: what clients see when workers are up, down, slow or full."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from miyun.core import settings as settings_module
from miyun.edge.listener.__main__ import context
from miyun.edge.listener.certificate import ListenerFiles, ensure, names
from miyun.edge.listener.splice import Exchange, Limits
from miyun.wire.proxy import HEAD, Origin, decode, encode, size_of

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="my", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def settings(home: Path) -> settings_module.Settings:
    loaded = settings_module.load(home, {})
    settings_module.prepare(loaded)
    return loaded


@asynccontextmanager
async def listener(
    settings: settings_module.Settings, workers: list[Answer | None], limits: Limits | None = None
) -> AsyncIterator[tuple[int, ssl.SSLContext, Exchange]]:
    """A listener before `workers`; None is a worker whose socket is there but that is dead."""
    files = ListenerFiles.of(settings)
    ensure(files, names(settings))
    run = settings.folder("run")
    sockets = [run / f"web-{number}.sock" for number in range(len(workers))]
    servers = []
    for path, answer in zip(sockets, workers, strict=True):
        if answer is None:
            continue
        servers.append(await asyncio.start_unix_server(answer, path))
    exchange = Exchange(sockets, limits or Limits())
    loop = asyncio.get_running_loop()
    server = await loop.create_server(exchange.protocol, "127.0.0.1", 0, ssl=context(files))
    try:
        yield server.sockets[0].getsockname()[1], ssl.create_default_context(cafile=files.ca), exchange
    finally:
        server.close()
        await exchange.drain(0.2)
        for worker in servers:
            worker.close()


async def origin(reader: asyncio.StreamReader) -> Origin:
    """What the listener says of a connection, before anything that its client does."""
    head = await reader.readexactly(HEAD)
    size = size_of(head)
    assert size is not None
    return decode(head + await reader.readexactly(size - HEAD))


def says(text: bytes) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await origin(reader)
        while True:
            try:
                await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(text) + text)
            await writer.drain()
        writer.close()

    return answer


async def ask(port: int, tls: ssl.SSLContext, request: bytes = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n") -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname="localhost")
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    answer = head + await reader.readexactly(length)
    writer.close()
    return answer


def test_a_client_that_trusts_the_listener_ca_is_answered_by_a_worker(settings: settings_module.Settings) -> None:
    async def scenario() -> None:
        async with listener(settings, [says(b"one")]) as (port, tls, _):
            assert (await ask(port, tls)).endswith(b"\r\n\r\none")

    asyncio.run(scenario())


def test_connections_spread_over_workers_and_skip_a_dead_one(settings: settings_module.Settings) -> None:
    async def scenario() -> None:
        async with listener(settings, [says(b"a"), None, says(b"c")]) as (port, tls, _):
            held = []
            seen = set()
            for _ in range(4):
                reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname="localhost")
                writer.write(b"GET / HTTP/1.1\r\n\r\n")
                await reader.readuntil(b"\r\n\r\n")
                seen.add(await reader.readexactly(1))
                held.append(writer)
            assert seen == {b"a", b"c"}
            for writer in held:
                writer.close()

    asyncio.run(scenario())


def test_no_worker_gives_503_with_retry_after_as_a_problem_document(settings: settings_module.Settings) -> None:
    async def scenario() -> None:
        async with listener(settings, [None]) as (port, tls, _):
            answer = await ask(port, tls)
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"retry-after: 2" in answer
            assert b"application/problem+json" in answer
            assert b'"urn:miyun:error:Unavailable"' in answer

    asyncio.run(scenario())


def test_a_header_that_never_ends_is_refused_without_troubling_a_worker(settings: settings_module.Settings) -> None:
    async def scenario() -> None:
        limits = Limits(header_seconds=0.3)
        async with listener(settings, [says(b"one")], limits) as (port, tls, _):
            assert (await ask(port, tls, b"GET / HTTP/1.1\r\nhost: ")).startswith(b"HTTP/1.1 408 ")

    asyncio.run(scenario())


def test_an_oversized_header_is_refused(settings: settings_module.Settings) -> None:
    async def scenario() -> None:
        async with listener(settings, [says(b"one")], Limits(header_bytes=4096)) as (port, tls, _):
            request = b"GET / HTTP/1.1\r\nx: " + b"a" * 8192
            assert (await ask(port, tls, request)).startswith(b"HTTP/1.1 431 ")

    asyncio.run(scenario())


def test_connections_beyond_the_bound_are_told_so(settings: settings_module.Settings) -> None:
    async def scenario() -> None:
        async with listener(settings, [says(b"one")], Limits(connections=1)) as (port, tls, _):
            _, first = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname="localhost")
            await asyncio.sleep(0.05)
            reader, second = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname="localhost")
            assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 503 ")
            first.close()
            second.close()

    asyncio.run(scenario())


def test_a_client_that_does_not_read_stops_the_worker_from_filling_memory(settings: settings_module.Settings) -> None:
    total = 64 * 1024 * 1024
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await origin(reader)
        await reader.readuntil(b"\r\n\r\n")
        block = bytes(64 * 1024)
        for _ in range(total // len(block)):
            writer.write(block)
            await writer.drain()
            sent += len(block)
        writer.close()

    async def scenario() -> None:
        async with listener(settings, [flood], Limits(buffered_bytes=64 * 1024)) as (port, tls, _):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=tls, server_hostname="localhost", limit=64 * 1024
            )
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            await asyncio.sleep(0.7)
            assert sent < total // 2, "the listener buffered what the client does not read"
            received = 0
            while chunk := await reader.read(1 << 20):
                received += len(chunk)
            assert received == total
            writer.close()

    asyncio.run(scenario())


def test_a_silent_connection_is_closed(settings: settings_module.Settings) -> None:
    async def scenario() -> None:
        async with listener(settings, [says(b"one")], Limits(idle_seconds=0.3)) as (port, tls, exchange):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname="localhost")
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            await reader.readuntil(b"one")
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await asyncio.wait_for(reader.readexactly(1), 5)
            await asyncio.sleep(0.05)
            assert not exchange.clients
            writer.close()

    asyncio.run(scenario())


def test_keys_are_readable_by_their_owner_only(settings: settings_module.Settings) -> None:
    files = ListenerFiles.of(settings)
    ensure(files, names(settings))
    assert [os.stat(path).st_mode & 0o777 for path in (files.key, files.ca_key)] == [0o600, 0o600]


def test_a_good_certificate_is_kept(settings: settings_module.Settings) -> None:
    files = ListenerFiles.of(settings)
    assert ensure(files, names(settings))
    assert not ensure(files, names(settings))


def test_a_certificate_about_to_expire_is_renewed_under_the_same_ca(settings: settings_module.Settings) -> None:
    files = ListenerFiles.of(settings)
    ensure(files, names(settings))
    ca, old = files.ca.read_bytes(), x509.load_pem_x509_certificate(files.certificate.read_bytes())
    assert ensure(files, names(settings), datetime.now(UTC) + timedelta(days=340))
    new = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    assert files.ca.read_bytes() == ca
    assert new.not_valid_after_utc > old.not_valid_after_utc


def test_a_new_host_name_gets_a_new_certificate(settings: settings_module.Settings) -> None:
    files = ListenerFiles.of(settings)
    ensure(files, names(settings))
    assert ensure(files, (*names(settings), "miyun.example"))
    certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "miyun.example" in found.get_values_for_type(x509.DNSName)


def test_key_and_certificate_of_two_generations_are_replaced(settings: settings_module.Settings, home: Path) -> None:
    files = ListenerFiles.of(settings)
    ensure(files, names(settings))
    other = ListenerFiles(home / "ca", home / "ca.key", home / "leaf", home / "leaf.key")
    ensure(other, names(settings))
    files.key.write_bytes(other.key.read_bytes())
    assert ensure(files, names(settings))
    context(files)


def test_a_certificate_of_another_authority_is_left_alone(settings: settings_module.Settings, home: Path) -> None:
    key, certificate = _foreign_certificate()
    files = ListenerFiles.of(settings)
    files.certificate.write_bytes(certificate)
    files.key.write_bytes(key)
    assert not ensure(files, ("miyun.example",))
    assert files.certificate.read_bytes() == certificate


def _foreign_certificate() -> tuple[bytes, bytes]:
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Another CA")])
    now = datetime.now(UTC)
    certificate = (x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))).sign(
        key, hashes.SHA256()
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem, certificate.public_bytes(serialization.Encoding.PEM)


def test_a_worker_is_told_the_clients_address_before_anything_the_client_says(
    settings: settings_module.Settings,
) -> None:
    origins: list[Origin] = []
    heads: list[bytes] = []
    claimed = encode(Origin("192.0.2.1", 1, b"a certificate"))

    async def remember(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        origins.append(await origin(reader))
        heads.append(await reader.read(65536))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async def scenario() -> None:
        async with listener(settings, [remember]) as (port, tls, _):
            await ask(port, tls, claimed + b"GET / HTTP/1.1\r\n\r\n")

    asyncio.run(scenario())
    [told] = origins
    assert told.address == "127.0.0.1" and told.port > 0 and told.certificate is None
    assert heads[0].startswith(claimed)  # the client's own, where the worker expects HTTP
