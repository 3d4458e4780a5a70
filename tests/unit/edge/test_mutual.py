"""The address that asks for certificates, with others' TLS clients: what the worker is told, and what is refused."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import shutil
import socket
import ssl
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from tests.sm2_tls import ask, key_file

from miyun.core import settings as settings_module
from miyun.edge.listener.certificate import ListenerFiles, ensure, names
from miyun.edge.listener.possession import PossessionContext
from miyun.edge.listener.splice import Exchange, Limits
from miyun.gm import sm2
from miyun.wire.proxy import HEAD, Origin, decode, size_of

Told = list[Origin]


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
async def mutual(
    settings: settings_module.Settings, *, handshake: float = 60.0, answer: bytes = b"ok"
) -> AsyncIterator[tuple[int, Told, PossessionContext]]:
    """Before one worker that remembers what it is told of each connection."""
    told: Told = []

    async def worker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readexactly(HEAD)
        size = size_of(head)
        assert size is not None
        told.append(decode(head + await reader.readexactly(size - HEAD)))
        head = await reader.readuntil(b"\r\n\r\n")
        if b"content-length: " in head.lower():
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(answer) + answer)
        await writer.drain()
        if b"connection: close" in head.lower():
            writer.close()

    files = ListenerFiles.of(settings)
    ensure(files, names(settings))
    path = settings.folder("run") / "web-0.sock"
    serving = await asyncio.start_unix_server(worker, path)
    exchange, context = Exchange([path], Limits()), PossessionContext(files)
    server = await asyncio.get_running_loop().create_server(
        exchange.protocol, "127.0.0.1", 0, ssl=context, ssl_handshake_timeout=handshake
    )
    try:
        yield server.sockets[0].getsockname()[1], told, context
    finally:
        server.close()
        await exchange.drain(0.2)
        serving.close()


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)


def key_pair(folder: Path, name: str, *kind: str, extra: tuple[str, ...] = ()) -> bytes:
    """A self-made certificate, `name`.pem and `name`.key; returns its DER."""
    kind = kind or ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    made = ("-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}", "-days", "2", *extra)
    openssl(folder, "req", "-x509", "-newkey", *kind, "-nodes", *made)
    return x509.load_pem_x509_certificate((folder / f"{name}.pem").read_bytes()).public_bytes(Encoding.DER)


async def run(*command: str, stdin: bytes = b"") -> tuple[int, bytes]:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await asyncio.wait_for(process.communicate(stdin), 60)
    return process.returncode or 0, said


async def curl(settings: settings_module.Settings, port: int, *arguments: str) -> tuple[int, bytes]:
    authority = str(ListenerFiles.of(settings).ca)
    return await run("curl", "-sS", "--noproxy", "*", "--cacert", authority, *arguments, f"https://localhost:{port}/")


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("kind", [(), ("ec", "-pkeyopt", "ec_paramgen_curve:P-384"), ("rsa:2048",), ("ed25519",)])
def test_the_worker_is_told_the_certificate_whose_key_the_client_holds(
    settings: settings_module.Settings, home: Path, version: str, kind: tuple[str, ...]
) -> None:
    der = key_pair(home, "client", *kind)

    async def scenario() -> None:
        async with mutual(settings) as (port, told, _):
            given = ("--cert", f"{home}/client.pem", "--key", f"{home}/client.key")
            assert await curl(settings, port, *given, "--tls-max", version) == (0, b"ok")
            assert await curl(settings, port, "--tls-max", version) == (0, b"ok")
            assert [origin.certificate for origin in told] == [der, b""]
            assert told[0].address == "127.0.0.1"

    uvloop.run(scenario())


def test_one_that_has_expired_or_is_of_nobody_known_comes_through_to_be_judged(
    settings: settings_module.Settings, home: Path
) -> None:
    """A person then reads a reason, where TLS would only end the connection."""
    key_pair(home, "old")
    key = serialization.load_pem_private_key((home / "old.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    name, then = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "old")]), datetime(2020, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, then, then + timedelta(days=1))
    expired = builder.sign(key, hashes.SHA256())
    (home / "old.pem").write_bytes(expired.public_bytes(Encoding.PEM))
    der = expired.public_bytes(Encoding.DER)

    async def scenario() -> None:
        async with mutual(settings) as (port, told, _):
            assert await curl(settings, port, "--cert", f"{home}/old.pem", "--key", f"{home}/old.key") == (0, b"ok")
            assert told[0].certificate == der

    uvloop.run(scenario())


def test_who_does_not_hold_the_key_does_not_come_in(settings: settings_module.Settings, home: Path) -> None:
    """A client that shows another's certificate, of which it has everything but the key."""
    key_pair(home, "victim")

    async def scenario() -> None:
        async with mutual(settings) as (port, told, _):
            assert not await asyncio.to_thread(impostor, port, home / "victim.pem")
            assert told == []

    uvloop.run(scenario())


def impostor(port: int, certificate: Path) -> bool:
    """Whether its request was answered. OpenSSL lets nobody load a key that is not the certificate's: the public half
    of the certificate's is given a private half of somebody else's."""
    shown = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    assert isinstance(shown, ec.EllipticCurvePublicKey)
    x, y = (number.to_bytes(32, "big") for number in (shown.public_numbers().x, shown.public_numbers().y))
    own = (7).to_bytes(32, "big")
    curve = bytes.fromhex("a00a06082a8648ce3d030107")
    public = b"\xa1\x44\x03\x42\x00\x04" + x + y
    body = b"\x02\x01\x01\x04\x20" + own + curve + public
    key = base64.encodebytes(b"\x30" + bytes([len(body)]) + body).decode()
    pair = certificate.with_name("impostor.pem")
    pair.write_text(f"-----BEGIN EC PRIVATE KEY-----\n{key}-----END EC PRIVATE KEY-----\n" + certificate.read_text())
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    tls.load_cert_chain(pair)
    try:
        with socket.create_connection(("127.0.0.1", port), 60) as raw, tls.wrap_socket(raw) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
            return bool(connection.recv(100))
    except ssl.SSLError:
        return False


def test_large_bodies_pass_in_both_directions(settings: settings_module.Settings, home: Path) -> None:
    key_pair(home, "client")
    (home / "body").write_bytes(bytes(3_000_000))

    async def scenario() -> None:
        async with mutual(settings, answer=b"a" * 5_000_000) as (port, _, _context):
            given = ("--cert", f"{home}/client.pem", "--key", f"{home}/client.key")
            status, said = await curl(settings, port, *given, "--data-binary", f"@{home}/body")
            assert status == 0 and said == b"a" * 5_000_000

    uvloop.run(scenario())


def test_a_certificate_of_a_size_that_nobody_has_is_refused_in_words(
    settings: settings_module.Settings, home: Path
) -> None:
    key_pair(home, "huge", extra=("-addext", "nsComment=" + "a" * 60_000))

    async def scenario() -> None:
        async with mutual(settings) as (port, told, _):
            status, said = await curl(settings, port, "--cert", f"{home}/huge.pem", "--key", f"{home}/huge.key")
            assert status == 0 and b"CertificateTooLarge" in said and told == []

    uvloop.run(scenario())


def test_a_chain_without_end_is_cut_off_in_the_handshake(settings: settings_module.Settings, home: Path) -> None:
    key_pair(home, "client")
    one = (home / "client.pem").read_bytes()
    (home / "chain.pem").write_bytes(one * 400)

    async def scenario() -> None:
        async with mutual(settings) as (port, told, _):
            status, _said = await curl(settings, port, "--cert", f"{home}/chain.pem", "--key", f"{home}/client.key")
            assert status != 0 and told == []

    uvloop.run(scenario())


@pytest.mark.parametrize("begin", [b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01"])
def test_who_never_finishes_the_handshake_is_let_go(settings: settings_module.Settings, begin: bytes) -> None:
    async def scenario() -> None:
        async with mutual(settings, handshake=0.3) as (port, told, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(begin)
            with contextlib.suppress(ConnectionError):
                await asyncio.wait_for(reader.read(), 10)
            writer.close()
            assert told == []

    uvloop.run(scenario())


def test_no_session_is_taken_up_again(settings: settings_module.Settings, home: Path) -> None:
    """Each connection proves anew that the key is there."""
    key_pair(home, "client")

    async def scenario() -> None:
        async with mutual(settings) as (port, _, _context):
            authority = str(ListenerFiles.of(settings).ca)
            for version in ("-tls1_2", "-tls1_3"):
                command = ("openssl", "s_client", "-connect", f"localhost:{port}", "-CAfile", authority, version)
                given = ("-cert", f"{home}/client.pem", "-key", f"{home}/client.key", "-sess_out", f"{home}/session")
                (home / "session").unlink(missing_ok=True)
                status, said = await run(*command, *given)
                assert status == 0, said
                if (home / "session").exists():
                    _, said = await run(*command, *given[:4], "-sess_in", f"{home}/session")
                    assert b"Reused" not in said

    uvloop.run(scenario())


def test_a_renewed_certificate_is_shown_to_new_clients(settings: settings_module.Settings, home: Path) -> None:
    async def scenario() -> None:
        async with mutual(settings) as (port, _, context):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=_trusting(settings))
            assert ensure(ListenerFiles.of(settings), (*names(settings), "miyun.example"))
            context.renew()
            _, said = await run("openssl", "s_client", "-connect", f"localhost:{port}", "-showcerts")
            leaf = x509.load_pem_x509_certificate(said[said.index(b"-----BEGIN") :])
            alternative = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            assert "miyun.example" in alternative.get_values_for_type(x509.DNSName)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200"), "the connection of before goes on"
            writer.close()

    uvloop.run(scenario())


def _trusting(settings: settings_module.Settings) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ListenerFiles.of(settings).ca))


def test_an_sm2_certificate_is_told_too(settings: settings_module.Settings, home: Path) -> None:
    """By TLS 1.3 as RFC 8998 has it: the handshake is signed with SM2 and SM3."""
    private = sm2.generate_private_key()
    key_file(home / "sm2.key", private)
    made = ("-key", "sm2.key", "-sm3", "-out", "sm2.pem", "-subj", "/CN=sm2", "-days", "2")
    openssl(home, "req", "-x509", "-new", *made)
    shown = x509.load_pem_x509_certificate((home / "sm2.pem").read_bytes()).public_bytes(Encoding.DER)
    request = b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n"

    async def scenario() -> None:
        async with mutual(settings) as (port, told, _):
            version, answer = await asyncio.to_thread(ask, port, home / "sm2.pem", home / "sm2.key", request)
            assert version == "TLSv1.3" and answer.endswith(b"ok")
            assert [origin.certificate for origin in told] == [shown]

    uvloop.run(scenario())
