"""What certificates name is served in the clear, to clients that ask there only, and nothing else is."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest
from tests.interop.certificate.test_openssl_ocsp import Folder
from tests.interop.ssl_certificate.programs import listens, program, running
from tests.platform import RunningPlatform, Tenant, free_port

from miyun.client import Client
from miyun.core.operation import Role
from miyun.wire.crl import parse_crl
from miyun.wire.x509 import load_certificates

pytestmark = pytest.mark.engine


@pytest.fixture
def security(platform: RunningPlatform, tenant_a: Tenant) -> Client:
    with platform.session(platform.person(Role.TENANT_SECURITY, tenant_a)) as client:
        yield client  # type: ignore[misc]


def test_nginx_staples_our_answer(platform: RunningPlatform, security: Client, tmp_path: Path) -> None:
    """nginx as Debian packages it knows OCSP by http:// only."""
    folder = Folder(tmp_path, platform, "ecdsa")
    folder.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "key.pem")
    folder.openssl("req", "-new", "-key", "key.pem", "-subj", "/C=CN/CN=www.example.cn", "-out", "www.csr")
    issued = security.call(
        "certificate.issue", template="tls_server", csr=(tmp_path / "www.csr").read_text(), names=["www.example.cn"]
    )
    (tmp_path / "chain.pem").write_text(issued["pem"] + (tmp_path / "issuer.pem").read_text())
    (tmp_path / "trusted.pem").write_text((tmp_path / "root.pem").read_text() + (tmp_path / "issuer.pem").read_text())
    port = free_port()
    (tmp_path / "nginx.conf").write_text(
        f"""pid {tmp_path}/nginx.pid; error_log stderr; daemon off; events {{}}
        http {{ access_log off; client_body_temp_path {tmp_path}; proxy_temp_path {tmp_path};
          fastcgi_temp_path {tmp_path}; uwsgi_temp_path {tmp_path}; scgi_temp_path {tmp_path};
          server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {tmp_path}/chain.pem;
            ssl_certificate_key {tmp_path}/key.pem; ssl_stapling on; ssl_stapling_verify on;
            ssl_trusted_certificate {tmp_path}/trusted.pem; }} }}"""
    )
    with running(
        [program("nginx"), "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")], tmp_path, lambda: listens(port)
    ):
        deadline = time.monotonic() + 60
        while True:  # nginx asks at its first connection, and staples from then on
            told = folder.openssl("s_client", "-connect", f"127.0.0.1:{port}", "-status", "-CAfile", "root.pem")
            if "OCSP Response Status: successful" in told.stdout:
                break
            assert time.monotonic() < deadline, told.stdout + (tmp_path / "nginx.out").read_text()
            time.sleep(0.2)
    assert "Cert Status: good" in told.stdout and "Verify return code: 0" in told.stdout


def test_a_certificates_list_and_issuer_are_where_it_says(platform: RunningPlatform, security: Client) -> None:
    [issuer] = [item for item in security.call("certificate.ca.list")["items"] if item["ca"] == "ecdsa-issuing"]
    with httpx.Client(trust_env=False) as http:
        told = http.get(issuer["crl_url"])
        assert told.status_code == 200 and "strict-transport-security" not in told.headers
        assert parse_crl(told.content).issuer == load_certificates(issuer["pem"])[0].subject
        ca = http.get(f"{platform.settings.publication_url}/ca/ecdsa-issuing.cer").content
        assert ca == load_certificates(issuer["pem"])[0].der


@pytest.mark.parametrize(
    "path", ["/", "/console/login", "/v1/certificates/authorities", "/healthz", "/metrics", "/acme/directory"]
)
def test_nothing_else_is_served_in_the_clear(platform: RunningPlatform, path: str) -> None:
    answer = httpx.get(f"{platform.settings.publication_url}{path}", trust_env=False, headers={"accept-language": "en"})
    assert answer.status_code == 421 and platform.url in answer.json()["remedy"]
