"""`miyun ssl deploy listener` on a running platform: another CA's certificate in front of it, and back again."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from tests.outside_ca import OutsideAuthority, new_key
from tests.platform import RunningPlatform, free_port

from miyun.edge.deployment import NotDeployed
from miyun.edge.listener import deployment
from miyun.edge.listener.deployment import ListenerGateway


@pytest.fixture(scope="module")
def behind() -> Iterator[RunningPlatform]:
    port = free_port()
    named = {"MIYUN_SERVER__PUBLIC_URL": f"https://localhost:{port}"}
    with RunningPlatform(workers=1, port=port, environ=named) as platform:
        yield platform


@pytest.fixture
def authority() -> OutsideAuthority:
    return OutsideAuthority()


def private(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    encryption: KeySerializationEncryption = NoEncryption(),  # noqa: B008
) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def files(authority: OutsideAuthority, *names: str) -> dict[str, bytes]:
    key = new_key()
    return {"fullchain.pem": authority.issue(key, *names).encode(), "privkey.pem": private(key)}


def connection(platform: RunningPlatform) -> ssl.SSLSocket:
    raw = socket.create_connection(("127.0.0.1", platform.port), 60)
    return platform.trust.wrap_socket(raw, server_hostname="localhost")


def issuer(platform: RunningPlatform) -> str:
    """Of the certificate that a new connection meets; it is verified."""
    with connection(platform) as met:
        found = met.getpeercert()
    assert found is not None
    return dict(part[0] for part in found["issuer"])["commonName"]  # type: ignore[misc,arg-type]


def answers(met: ssl.SSLSocket) -> bool:
    met.sendall(b"GET /healthz/alive HTTP/1.1\r\nhost: localhost\r\n\r\n")
    return met.recv(4096).startswith(b"HTTP/1.1 200")


def test_a_certificate_is_taken_for_new_connections_and_given_back(
    behind: RunningPlatform, authority: OutsideAuthority, tmp_path: Path
) -> None:
    for name, content in files(authority, "localhost").items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "ca.pem").write_text(authority.certificate)
    given = ["--certificate", "fullchain.pem", "--key", "privkey.pem", "--authority", "ca.pem"]

    def deploy(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "miyun.edge.cli", "ssl", "deploy", "listener", *arguments]
        return subprocess.run(command, env=behind.environ, cwd=tmp_path, capture_output=True, text=True, timeout=120)

    with connection(behind) as old:
        assert answers(old)
        pid = behind.pid("listener")
        done = deploy(*given)
        assert done.returncode == 0, done.stderr
        assert issuer(behind) == "Outside CA"
        assert answers(old), "a connection from before goes on"
        assert behind.pid("listener") == pid
    kept = Path(done.stdout.strip())
    assert kept.stat().st_mode & 0o777 == 0o600
    answer = httpx.get(f"{behind.url}/healthz", verify=behind.trust, trust_env=False)
    assert answer.status_code == 200

    os.kill(pid, signal.SIGKILL)
    behind.wait_replaced("listener", pid)
    assert issuer(behind) == "Outside CA", "it stays through a restart"

    again = deploy("--restore")
    assert again.returncode == 0, again.stderr
    assert issuer(behind) == "Miyun listener CA" and not kept.exists()
    assert authority.certificate.encode() not in behind.authority.read_bytes()
    assert deploy("--key", "privkey.pem").returncode == 2


def test_a_certificate_of_an_rsa_key_is_served_and_given_back(
    behind: RunningPlatform, authority: OutsideAuthority
) -> None:
    """The installation's own is of an ECDSA key, which clients prefer."""
    gateway, key = (
        ListenerGateway(behind.settings, authority.certificate.encode()),
        rsa.generate_private_key(65537, 2048),
    )
    chain = authority.issue(key, "localhost").encode()
    gateway.put({"fullchain.pem": chain, "privkey.pem": private(key)})
    assert issuer(behind) == "Outside CA"
    gateway.restore()
    assert issuer(behind) == "Miyun listener CA"


def test_what_does_not_fit_is_refused_before_anything_changes(
    behind: RunningPlatform, authority: OutsideAuthority
) -> None:
    trusted = authority.certificate.encode()
    good, before = files(authority, "localhost"), behind.authority.read_bytes()
    expired = OutsideAuthority()
    old = new_key()
    cases = {
        "another name": (files(authority, "www.example.gov.cn"), trusted, "localhost"),
        "another key": (good | {"privkey.pem": private(new_key())}, trusted, "key"),
        "another CA": (good, OutsideAuthority().certificate.encode(), "issued"),
        "a CA that nobody here trusts": (good, None, "--authority"),
        "over": (
            {"fullchain.pem": expired.issue(old, "localhost", days=-0.5).encode(), "privkey.pem": private(old)},
            expired.certificate.encode(),
            "expired",
        ),
        "a pass phrase": (
            good | {"privkey.pem": private(new_key(), BestAvailableEncryption(b"1234"))},
            trusted,
            "phrase",
        ),
        "no key": (good | {"privkey.pem": b"-----BEGIN"}, trusted, "private key in PEM"),
        "no certificate": (good | {"fullchain.pem": b"-----BEGIN"}, trusted, "PEM"),
    }
    for case, (given, trusting, told) in cases.items():
        with pytest.raises(NotDeployed) as refusal:
            ListenerGateway(behind.settings, trusting).put(given)
        assert told in str(refusal.value), case
        assert issuer(behind) == "Miyun listener CA", case
    assert behind.authority.read_bytes() == before
    assert not list(behind.home.glob("secrets/listener-deployed*"))


def test_a_listener_that_does_not_take_it_keeps_what_it_had(
    behind: RunningPlatform, authority: OutsideAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployment, "TAKES_SECONDS", 1.0)
    monkeypatch.setattr(deployment, "_HANDSHAKE_SECONDS", 0.5)
    gateway, before = ListenerGateway(behind.settings, authority.certificate.encode()), behind.authority.read_bytes()
    pid = behind.pid("listener")
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(NotDeployed, match="did not take it"):
            gateway.put(files(authority, "localhost"))
    finally:
        os.kill(pid, signal.SIGCONT)
    assert behind.authority.read_bytes() == before
    assert issuer(behind) == "Miyun listener CA"


def test_a_damaged_file_keeps_nobody_out(behind: RunningPlatform, authority: OutsideAuthority) -> None:
    gateway = ListenerGateway(behind.settings, authority.certificate.encode())
    kept = gateway.put(files(authority, "localhost"))
    kept.write_bytes(b"torn")
    pid = behind.kill("listener")
    behind.wait_replaced("listener", pid)
    assert issuer(behind) == "Miyun listener CA"
    kept.with_suffix(".unusable").unlink()
