from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.interop.ssl_certificate.programs import Certbot, NameServer, Pebble, name_server, running_pebble
from tests.platform import App, RunningPlatform, Tenant, free_port, spec, unique

from miyun.core.operation import Role

HTTP_PORT = free_port()


@pytest.fixture(scope="session")
def names(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NameServer]:
    with name_server(tmp_path_factory.mktemp("names")) as server:
        yield server


@pytest.fixture(scope="session")
def pebble(names: NameServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    with running_pebble(tmp_path_factory.mktemp("pebble"), names) as server:
        yield server


@pytest.fixture(scope="session")
def acme(names: NameServer, pebble: Pebble) -> Iterator[RunningPlatform]:
    """A platform that believes this machine's name server, asks names on a port that tests may listen on, and orders
    from pebble and from itself."""
    home, port = Path(tempfile.mkdtemp(prefix="my", dir="/tmp")), free_port()
    (home / "hook").write_text(names.hook())
    (home / "hook").chmod(0o755)
    (home / "miyun.toml").write_text(
        f"""[acme]
        dns_program = "{home}/hook"
        [acme.directories.pebble]
        url = "{pebble.directory}"
        ca_file = "{pebble.authority}"
        [acme.directories.itself]
        url = "https://127.0.0.1:{port}/acme/directory"
        ca_file = "{home}/secrets/listener-ca.pem"
        """
    )
    environ = {
        "MIYUN_OUTBOUND__ALLOW": "127.0.0.0/8",
        "MIYUN_ACME__HTTP_PORT": str(HTTP_PORT),
        "MIYUN_ACME__NAMESERVERS": f"127.0.0.1:{names.port}",
    }
    try:
        with RunningPlatform(environ=environ, home=home, port=port) as platform:
            (home / "secrets" / "listener-ca.pem").write_bytes(platform.authority.read_bytes())
            yield platform
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def tenant(acme: RunningPlatform) -> Tenant:
    return acme.activate(spec(unique("ssl")))


@pytest.fixture(scope="session")
def app(acme: RunningPlatform, tenant: Tenant) -> App:
    return acme.application(tenant, "网站")


@pytest.fixture
def new_external_key(acme: RunningPlatform, tenant: Tenant, app: App) -> Callable[[], tuple[str, str]]:
    """Another external account key."""

    def make() -> tuple[str, str]:
        with acme.session(acme.person(Role.TENANT_SYSTEM, tenant)) as client:
            made = client.call("ssl_certificate.external_key.create", application=app.id, name="网站")
        return made["external_key"], made["mac_key"]

    return make


@pytest.fixture
def certbot(acme: RunningPlatform, tmp_path: Path) -> Certbot:
    return Certbot(tmp_path, acme, HTTP_PORT)
