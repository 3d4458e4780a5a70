"""An outside authority that is OpenSSL's: its revocation lists and its OCSP responder, asked over HTTP, are understood,
and whoever is not allowed by the address policy is not asked."""

from __future__ import annotations

import asyncio
import http.server
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.rooms import rooms_in
from tests.standin import call_of

from miyun.core import outbound
from miyun.core.trust import Level, TrustVerdict
from miyun.offerings.certificate.trust import messages as m
from miyun.wire.x509 import load_certificates

pytestmark = pytest.mark.engine

CONFIG = """
[ca]
default_ca = d
[d]
dir = .
database = index.txt
serial = serial
crlnumber = crlnumber
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
default_crl_days = 1
default_days = 30
policy = p
x509_extensions = leaf
[p]
commonName = supplied
[leaf]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature,nonRepudiation
crlDistributionPoints = URI:http://evil.example/trap.crl
authorityInfoAccess = OCSP;URI:http://evil.example/trap
[responder]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = OCSPSigning
[ca_cert]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
"""


class OpenSsl:
    def __init__(self, folder: Path, kind: str) -> None:
        self.folder = folder
        (folder / "c.cnf").write_text(CONFIG)
        (folder / "index.txt").write_text("")
        (folder / "serial").write_text("1000\n")
        (folder / "crlnumber").write_text("01\n")
        self.kind = (
            ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "ec" else ["-newkey", "rsa:2048"]
        )
        self.run("req", "-x509", *self.kind, "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "60",
                 "-subj", "/CN=Outside", "-config", "c.cnf", "-extensions", "ca_cert")  # fmt: skip
        self.certify("responder", "responder")

    def run(self, *arguments: str) -> bytes:
        config = self.folder / "c.cnf"
        if arguments[0] == "req" and "distinguished_name" not in config.read_text():
            config.write_text(CONFIG + "[req]\ndistinguished_name = dn\n[dn]\n")
        done = subprocess.run(["openssl", *arguments], cwd=self.folder, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def certify(self, name: str, extensions: str = "leaf") -> bytes:
        self.run("req", *self.kind, "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}",
                 "-config", "c.cnf")  # fmt: skip
        self.run("ca", "-batch", "-config", "c.cnf", "-in", f"{name}.csr", "-out", f"{name}.pem", "-extensions",
                 extensions, "-notext")  # fmt: skip
        [certificate] = load_certificates((self.folder / f"{name}.pem").read_text())
        return certificate.der

    def revoke(self, name: str) -> None:
        self.run("ca", "-config", "c.cnf", "-revoke", f"{name}.pem", "-crl_reason", "keyCompromise")

    def crl(self) -> bytes:
        return self.run("ca", "-config", "c.cnf", "-gencrl")

    def answer(self, request: bytes) -> bytes:
        (self.folder / "request.der").write_bytes(request)
        self.run("ocsp", "-index", "index.txt", "-CA", "ca.pem", "-rsigner", "responder.pem", "-rkey", "responder.key",
                 "-reqin", "request.der", "-respout", "response.der", "-ndays", "1")  # fmt: skip
        return (self.folder / "response.der").read_bytes()


@pytest.fixture(params=["ec", "rsa"])
def authority(request: pytest.FixtureRequest, tmp_path: Path) -> OpenSsl:
    if shutil.which("openssl") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("openssl is missing")
        pytest.skip("openssl is missing")
    folder = tmp_path / "ca"
    folder.mkdir()
    return OpenSsl(folder, request.param)


@pytest.fixture
def url(authority: OpenSsl) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(authority.crl())

        def do_POST(self) -> None:
            self._send(authority.answer(self.rfile.read(int(self.headers["content-length"]))))

        def _send(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class Tenant:
    def __init__(self, folder: Path, authority: OpenSsl, url: str, allow: tuple[str, ...] = ("127.0.0.0/8",)) -> None:
        self.rooms = rooms_in(folder)
        self.rooms.clock.at = datetime.now(UTC)
        self.trust = self.rooms.certificate.trust
        self.refresher = self.trust.refresher(partial(outbound.fetch, policy=outbound.AddressPolicy.of(allow)))
        self.do(self.trust.create_list, m.CreateList(name="outside"))
        pem = (authority.folder / "ca.pem").read_text()
        self.do(
            self.trust.add_authority,
            m.AddAuthority(
                trust_list="outside", certificate=pem, crl_url=f"{url}/ca.crl", ocsp_url=f"{url}/ocsp", ocsp_nonce=True
            ),
        )

    def do(self, verb: Any, request: Any) -> Any:
        return asyncio.run(verb(call_of("ten_a", self.rooms.clock), request))

    def judge(self, certificate: bytes, level: Level) -> TrustVerdict:
        async def both() -> TrustVerdict:
            judged = asyncio.create_task(
                self.trust.directory.judge(
                    "ten_a",
                    certificate,
                    lists=["outside"],
                    at=datetime.now(UTC),
                    purpose="signature",
                    level=level,
                )
            )
            while not judged.done():
                await self.refresher.answers()
                await asyncio.sleep(0.05)
            return await judged

        self.rooms.clock.at = datetime.now(UTC)
        return asyncio.run(both())

    def fetch(self) -> None:
        self.rooms.clock.at = datetime.now(UTC)
        asyncio.run(self.refresher.lists())


def test_lists_and_answers_of_openssl_are_understood(authority: OpenSsl, url: str, tmp_path: Path) -> None:
    good, bad = authority.certify("good"), authority.certify("bad")
    tenant = Tenant(tmp_path, authority, url)
    tenant.fetch()
    for level in (Level.REVOCATION, Level.OCSP):
        verdict = tenant.judge(bad, level)
        assert (verdict.valid, verdict.revocation) == (True, "good"), verdict.reasons
    authority.revoke("bad")
    fresh = Tenant(tmp_path_of(tmp_path), authority, url)
    fresh.fetch()
    for level in (Level.REVOCATION, Level.OCSP):
        assert fresh.judge(good, level).revocation == "good"
        verdict = fresh.judge(bad, level)
        assert (verdict.valid, verdict.revocation) == (False, "revoked")
        [reason] = verdict.reasons
        assert [child.code for child in reason.children] == ["list" if level is Level.REVOCATION else "ocsp"]


def tmp_path_of(folder: Path) -> Path:
    other = folder / "second"
    other.mkdir()
    return other


def test_an_address_that_is_not_allowed_is_not_asked(authority: OpenSsl, url: str, tmp_path: Path) -> None:
    tenant = Tenant(tmp_path, authority, url, allow=())
    tenant.fetch()
    [shown] = tenant.do(tenant.trust.list_authorities, m.ListAuthorities(trust_list="outside")).items
    assert "Not allowed to connect" in shown.problem
    verdict = tenant.judge(authority.certify("good"), Level.OCSP)
    assert verdict.revocation == "unknown"
    assert "Not allowed" in verdict.reasons[0].children[0].detail
