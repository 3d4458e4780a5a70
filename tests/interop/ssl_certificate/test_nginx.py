"""A running nginx takes a deployed certificate over, and keeps its old one when it does not like the new."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.interop.ssl_certificate.programs import environ, listens, program, running
from tests.outside_ca import OutsideAuthority, new_key
from tests.platform import free_port

from miyun.edge.deployment import Deployment, NotDeployed

pytestmark = pytest.mark.engine


def made(folder: Path, name: str) -> tuple[str, ...]:
    """Options of a new certificate and its key."""
    key = new_key()
    chain, private = folder / f"{name}.pem", folder / f"{name}.key"
    chain.write_text(OutsideAuthority().issue(key, name))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return "--certificate", str(chain), "--key", str(private)


def served(port: int) -> bytes:
    return ssl.get_server_certificate(("127.0.0.1", port)).encode()


def wait_for(port: int, chain: bytes) -> None:
    deadline = time.monotonic() + 60
    while not chain.startswith(served(port)):
        assert time.monotonic() < deadline, "nginx serves another certificate"
        time.sleep(0.1)


def test_nginx_takes_over_what_is_deployed(tmp_path: Path) -> None:
    port, config, tls = free_port(), tmp_path / "nginx.conf", tmp_path / "tls"
    config.write_text(
        f"""pid {tmp_path}/nginx.pid; error_log stderr; events {{}}
        http {{ access_log off; client_body_temp_path {tmp_path}; proxy_temp_path {tmp_path};
          fastcgi_temp_path {tmp_path}; uwsgi_temp_path {tmp_path}; scgi_temp_path {tmp_path};
          server {{ listen 127.0.0.1:{port} ssl;
            ssl_certificate {tls}/current/fullchain.pem; ssl_certificate_key {tls}/current/privkey.pem; }} }}"""
    )
    nginx = program("nginx")
    deploy = [sys.executable, "-m", "miyun.edge.cli", "ssl", "deploy", "nginx", "--folder", str(tls)]
    first, second = made(tmp_path, "first.example.cn"), made(tmp_path, "second.example.cn")
    # before the server runs there is nothing to reload
    Deployment(tls, [nginx, "-t", "-c", str(config)], ["true"]).put(
        {"fullchain.pem": Path(first[1]).read_bytes(), "privkey.pem": Path(first[3]).read_bytes()}
    )
    with running([nginx, "-c", str(config), "-g", "daemon off;"], tmp_path, lambda: listens(port)):
        wait_for(port, Path(first[1]).read_bytes())
        command = [*deploy, "--nginx", nginx, "--config", str(config), *second]
        done = subprocess.run(command, env=environ(), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        wait_for(port, Path(second[1]).read_bytes())
        before = os.readlink(tls / "current")
        broken = Deployment(tls, [nginx, "-t", "-c", str(config)], [nginx, "-s", "reload", "-c", str(config)])
        with pytest.raises(NotDeployed):
            broken.put({"fullchain.pem": Path(first[1]).read_bytes(), "privkey.pem": b"no key"})
        assert os.readlink(tls / "current") == before
        wait_for(port, Path(second[1]).read_bytes())
