"""Orders at outside ACME servers: at pebble by HTTP and by DNS, and at the platform itself."""

from __future__ import annotations

import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from tests.interop.ssl_certificate.programs import Pebble, environ, program
from tests.outside_ca import csr, new_key
from tests.platform import RunningPlatform, Tenant

from miyun.client import Client, MiyunError
from miyun.core.operation import Role

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def client(acme: RunningPlatform, tenant: Tenant) -> Iterator[Client]:
    with acme.session(acme.person(Role.TENANT_SYSTEM, tenant)) as client:
        yield client


@pytest.fixture(scope="module")
def account(client: Client, pebble: Pebble) -> str:
    """At pebble, by its external account key."""
    cas = {item["ca"]: item for item in client.call("ssl_certificate.ca.list")["items"]}
    if cas["pebble"]["account"] is None:
        kid, mac_key = pebble.external
        client.call("ssl_certificate.ca.open_account", ca="pebble", kid=kid, mac_key=mac_key)
    return "pebble"


@pytest.fixture
def site(acme: RunningPlatform, pebble: Pebble) -> Iterator[None]:
    """The web site of every name: it sends the CA on to the platform."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(301)
            self.send_header("Location", acme.url + self.path)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", pebble.http_port), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield
    server.shutdown()
    server.server_close()


def wait(client: Client, order: str, *states: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = client.call("ssl_certificate.order.get", order=order)
        if found["summary"]["state"] in states:
            return dict(found)
        time.sleep(0.5)
    raise AssertionError(f"the order is {found['summary']}")


def verify(folder: Path, chain: str, root: str) -> None:
    (folder / "chain.pem").write_text(chain)
    (folder / "root.pem").write_text(root)
    command = [program("openssl"), "verify", "-partial_chain", "-trusted", "root.pem", "-untrusted", "chain.pem"]
    subprocess.run([*command, "chain.pem"], cwd=folder, env=environ(), check=True, capture_output=True)


@pytest.mark.parametrize("solver", ["http-01", "dns-01"])
def test_pebble_issues_what_is_ordered(client: Client, account: str, site: None, solver: str, tmp_path: Path) -> None:
    name = f"www.{secrets.token_hex(4)}.example.cn"
    names = (name, f"*.{name}") if solver == "dns-01" else (name, f"m.{name}")
    made = client.call("ssl_certificate.order.create", csr=csr(new_key(), *names), ca=account, solver=solver)
    found = wait(client, made["order"], "issued", "failed")
    assert found["summary"]["state"] == "issued", found["summary"]["error"]
    certificates = found["certificates"].split("-----BEGIN")
    verify(tmp_path, found["certificates"], "-----BEGIN" + certificates[-1])


def test_the_reason_of_a_failure_is_told(client: Client, account: str) -> None:
    """Nobody answers at the name."""
    name = f"www.{secrets.token_hex(4)}.example.cn"
    made = client.call("ssl_certificate.order.create", csr=csr(new_key(), name), ca=account)
    found = wait(client, made["order"], "failed")
    assert name in found["summary"]["error"] or "connection" in found["summary"]["error"]


def test_a_wrong_external_key_opens_no_account(client: Client, acme: RunningPlatform) -> None:
    with pytest.raises(MiyunError) as refused:
        client.call("ssl_certificate.ca.open_account", ca="itself", kid="eab_x", mac_key="AAAA")
    assert refused.value.code == "OutsideCaRefused"


def test_the_platform_orders_from_itself(client: Client, new_external_key: Callable[[], tuple[str, str]]) -> None:
    kid, mac_key = new_external_key()
    client.call("ssl_certificate.ca.open_account", ca="itself", kid=kid, mac_key=mac_key)
    name = f"www.{secrets.token_hex(4)}.example.cn"
    made = client.call("ssl_certificate.order.create", csr=csr(new_key(), name), ca="itself", solver="dns-01")
    assert wait(client, made["order"], "issued", "failed")["summary"]["state"] == "issued"


def test_a_renewal_is_rehearsed_at_pebble(client: Client, account: str, site: None) -> None:
    host = f"www.{secrets.token_hex(4)}.example.cn"
    endpoint = client.call("ssl_certificate.endpoint.add", host=host)["endpoint"]
    made = client.call("ssl_certificate.endpoint.rehearse", endpoint=endpoint, ca=account)
    assert made["rehearsal"] is True
    assert wait(client, made["order"], "issued", "failed")["summary"]["state"] == "issued"
    with pytest.raises(MiyunError) as refused:
        client.call("ssl_certificate.order.deployed", order=made["order"], place="www-1")
    assert refused.value.code == "WrongOrderState"
    assert client.call("ssl_certificate.endpoint.get", endpoint=endpoint)["summary"]["rehearsal"] == made["order"]
