"""Others' programs around the ACME server: certbot, nginx, pebble and its name server, each in a folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from tests.platform import RunningPlatform, free_port


def program(name: str) -> str:
    """Its path; under CI a missing one fails the test."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} is missing")
        pytest.skip(f"{name} is missing")
    return found


def environ(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return {**kept, **more}


@contextmanager
def running(command: Sequence[str], folder: Path, ready: Callable[[], bool], **more: str) -> Iterator[None]:
    """The program, from when it is ready until the end of the block."""
    log = folder / f"{Path(command[0]).name}.out"
    with log.open("ab") as out:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=out, env=environ(**more))
    try:
        deadline = time.monotonic() + 60
        while not ready():
            assert process.poll() is None and time.monotonic() < deadline, log.read_text("utf-8", "replace")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(60)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass(frozen=True)
class NameServer:
    """pebble's test server: every name is at 127.0.0.1, and TXT records are what the test sets."""

    port: int
    management: int

    def set_txt(self, name: str, value: str) -> None:
        url = f"http://127.0.0.1:{self.management}/set-txt"
        httpx.post(url, json={"host": f"{name}.", "value": value}, trust_env=False).raise_for_status()

    def hook(self) -> str:
        """A program as `acme.dns_program` calls it."""
        data = '{\\"host\\":\\"$2.\\",\\"value\\":\\"$3\\"}'
        url = f"http://127.0.0.1:{self.management}"
        return f'''#!/bin/sh
case "$1" in present) way=set-txt;; clean) way=clear-txt;; *) exit 2;; esac
exec curl --noproxy "*" -sf -d "{data}" {url}/$way
'''


@contextmanager
def name_server(folder: Path) -> Iterator[NameServer]:
    server = NameServer(free_port(), free_port())
    command = [program("pebble-challtestsrv"), "-management", f"127.0.0.1:{server.management}"]
    command += ["-dns01", f"127.0.0.1:{server.port}", "-defaultIPv6", ""]
    command += ["-http01", "", "-https01", "", "-tlsalpn01", ""]
    with running(command, folder, lambda: listens(server.management) and listens(server.port)):
        yield server


@dataclass(frozen=True)
class Pebble:
    """Let's Encrypt's own small ACME server, which refuses good nonces now and then on purpose."""

    port: int
    http_port: int  # where it asks names
    external: tuple[str, str]
    authority: Path

    @property
    def directory(self) -> str:
        return f"https://127.0.0.1:{self.port}/dir"


@contextmanager
def running_pebble(folder: Path, names: NameServer) -> Iterator[Pebble]:
    kid, mac_key = "kid-1", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
    pebble = Pebble(free_port(), free_port(), (kid, mac_key), folder / "cert.pem")
    made = ("-keyout", "key.pem", "-out", "cert.pem", "-days", "30", "-nodes")
    whose = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-addext", "subjectAltName=IP:127.0.0.1")
    command = [program("openssl"), "req", "-x509", "-subj", "/CN=pebble", *whose, *made]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    config = {
        "listenAddress": f"127.0.0.1:{pebble.port}",
        "managementListenAddress": f"127.0.0.1:{free_port()}",
        "certificate": str(folder / "cert.pem"),
        "privateKey": str(folder / "key.pem"),
        "httpPort": pebble.http_port,
        "tlsPort": free_port(),
        "ocspResponderURL": "",
        "externalAccountBindingRequired": True,
        "externalAccountMACKeys": {kid: mac_key},
    }
    (folder / "config.json").write_text(json.dumps({"pebble": config}))
    command = [program("pebble"), "-config", "config.json", "-dnsserver", f"127.0.0.1:{names.port}", "-strict"]
    with running(command, folder, lambda: listens(pebble.port), PEBBLE_VA_NOSLEEP="1"):
        yield pebble


@dataclass
class Certbot:
    """Debian's certbot, unmodified, with its files in `folder`."""

    folder: Path
    platform: RunningPlatform
    http_port: int

    def run(self, *arguments: str, ok: bool = True) -> str:
        done = subprocess.run(
            [
                program("certbot"),
                *arguments,
                "--non-interactive",
                *("--config-dir", "config", "--work-dir", "work", "--logs-dir", "logs"),
                *("--server", f"{self.platform.url}/acme/directory"),
            ],
            cwd=self.folder,
            env=environ(REQUESTS_CA_BUNDLE=str(self.platform.authority)),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        said = done.stdout + done.stderr
        assert (done.returncode == 0) is ok, said
        return said

    def obtain(self, *names: str, eab: tuple[str, str], more: Sequence[str] = (), ok: bool = True) -> str:
        return self.run(
            "certonly",
            "--standalone",
            *("--http-01-port", str(self.http_port), "--http-01-address", "127.0.0.1"),
            *("--agree-tos", "--register-unsafely-without-email"),
            *("--eab-kid", eab[0], "--eab-hmac-key", eab[1]),
            *(part for name in names for part in ("-d", name)),
            *more,
            ok=ok,
        )

    def live(self, name: str) -> Path:
        return self.folder / "config" / "live" / name
