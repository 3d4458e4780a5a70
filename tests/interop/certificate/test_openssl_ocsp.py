"""openssl ocsp asks the platform over HTTPS, at the address that a certificate names."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.platform import RunningPlatform, Tenant

from miyun.client import Client
from miyun.core.operation import Role
from miyun.gm import sm2
from miyun.wire import ocsp, oid, pem
from miyun.wire.algorithm import SignatureAlgorithm
from miyun.wire.crl import Reason
from miyun.wire.name import Name
from miyun.wire.pkcs10 import CertificationRequestInfo
from miyun.wire.spki import sm2_spki
from miyun.wire.x509 import Certificate, load_certificates, parse_certificate

pytestmark = pytest.mark.engine

KEYS = {"ecdsa": ("EC", "ec_paramgen_curve:P-256"), "rsa": ("RSA", "rsa_keygen_bits:2048")}


class Folder:
    """Where openssl works: the roots, an issuing CA and what is issued."""

    def __init__(self, path: Path, platform: RunningPlatform, family: str) -> None:
        self.path = path
        with platform.http() as http:
            items = {item["ca"]: item for item in http.get("/v1/certificates/authorities").json()["items"]}
        (path / "root.pem").write_text(items[f"{family}-root"]["pem"])
        (path / "issuer.pem").write_text(items[f"{family}-issuing"]["pem"])
        self.url = items[f"{family}-issuing"]["ocsp_url"]

    @property
    def issuer(self) -> Certificate:
        return load_certificates((self.path / "issuer.pem").read_text())[0]

    def openssl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        if shutil.which("openssl") is None:
            if os.environ.get("CI") == "true":
                pytest.fail("openssl is missing")
            pytest.skip("openssl is missing")
        environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        return subprocess.run(
            ["openssl", *arguments], cwd=self.path, env=environ, capture_output=True, text=True, timeout=60, check=False
        )

    def ask(self, *arguments: str) -> str:
        chain = ("-issuer", "issuer.pem", "-CAfile", "root.pem", "-verify_other", "issuer.pem")
        done = self.openssl("ocsp", "-url", self.url, *chain, *arguments)
        assert "Response verify OK" in done.stderr, done.stderr + done.stdout
        return done.stdout


@pytest.fixture
def security(platform: RunningPlatform, tenant_a: Tenant) -> Client:
    with platform.session(platform.person(Role.TENANT_SECURITY, tenant_a)) as client:
        yield client  # type: ignore[misc]


@pytest.mark.parametrize("family", KEYS)
def test_good_until_revoked_and_unknown_when_never_issued(
    platform: RunningPlatform, security: Client, tmp_path: Path, family: str
) -> None:
    folder = Folder(tmp_path, platform, family)
    algorithm, option = KEYS[family]
    folder.openssl("genpkey", "-algorithm", algorithm, "-pkeyopt", option, "-out", "key.pem")
    folder.openssl("req", "-new", "-key", "key.pem", "-subj", "/C=CN/CN=app", "-out", "app.csr")
    issued = security.call("certificate.issue", template="application", csr=(tmp_path / "app.csr").read_text())
    (tmp_path / "app.pem").write_text(issued["pem"])
    assert folder.openssl("x509", "-in", "app.pem", "-noout", "-ocsp_uri").stdout.strip() == folder.url

    for hashed in ("-sha1", "-sha256"):
        assert "app.pem: good" in folder.ask(hashed, "-cert", "app.pem")  # with a nonce
        assert "app.pem: good" in folder.ask(hashed, "-no_nonce", "-cert", "app.pem")
    serial = issued["certificate"]["serial"]
    security.call("certificate.suspend", serial=serial)
    for nonce in ((), ("-no_nonce",)):
        answer = folder.ask(*nonce, "-cert", "app.pem")
        assert "app.pem: revoked" in answer and "Reason: certificateHold" in answer
    security.call("certificate.resume", serial=serial)
    assert "app.pem: good" in folder.ask("-no_nonce", "-cert", "app.pem")
    security.call("certificate.revoke", serial=serial, reason="key_compromise")
    for nonce in ((), ("-no_nonce",)):
        answer = folder.ask(*nonce, "-cert", "app.pem", "-serial", "0x1234")
        assert "app.pem: revoked" in answer and "Reason: keyCompromise" in answer
        assert "0x1234: unknown" in answer


def sm2_certificate(security: Client) -> Certificate:
    secret = sm2.generate_private_key()
    info = CertificationRequestInfo(Name.of(("C", "CN"), ("CN", "应用")), sm2_spki(sm2.public_key(secret)))
    signed = info.sign(SignatureAlgorithm.SM2_SM3, lambda message: sm2.sign(secret, message))
    csr = pem.encode(pem.CERTIFICATE_REQUEST, signed)
    return load_certificates(security.call("certificate.issue", template="application", csr=csr)["pem"])[0]


@pytest.mark.parametrize("hash_oid", [oid.SHA1, oid.SHA256, oid.SM3])
def test_sm2_answers_come_by_get_too_and_change_at_once(
    platform: RunningPlatform, security: Client, tmp_path: Path, hash_oid: str
) -> None:
    folder, leaf = Folder(tmp_path, platform, "sm2"), sm2_certificate(security)
    encoded = ocsp.OcspRequest((ocsp.CertId.of(folder.issuer, leaf.serial, hash_oid),)).encode()
    address = "/ocsp/sm2-issuing/" + quote(base64.b64encode(encoded).decode(), safe="")
    with platform.http() as http:
        first, second = http.get(address), http.get(address)
        assert first.content == second.content, "signed once, given twice"
        assert first.headers["content-type"] == "application/ocsp-response"
        assert first.headers["cache-control"] == "public, no-transform, max-age=60"
        _, read = ocsp.parse_response(first.content)
        now = datetime.now(UTC)
        assert read is not None
        responder = read.verify(folder.issuer, now)
        assert responder.extension(oid.OCSP_NOCHECK) is not None
        assert read.status_of(folder.issuer, leaf.serial, now).good
        security.call("certificate.revoke", serial=f"{leaf.serial:032x}", reason="superseded")
        for _ in range(6):  # whichever worker answers
            _, read = ocsp.parse_response(http.get(address).content)
            assert read is not None
            status = read.status_of(folder.issuer, leaf.serial, datetime.now(UTC))
            assert (status.good, status.reason) == (False, Reason.SUPERSEDED)


def test_what_is_no_question_for_this_authority_gets_the_protocols_own_error(
    platform: RunningPlatform, security: Client, tmp_path: Path
) -> None:
    folder = Folder(tmp_path, platform, "sm2")
    root = load_certificates((tmp_path / "root.pem").read_text())[0]
    strange = ocsp.OcspRequest((ocsp.CertId.of(root, 5),)).encode()
    headers = {"content-type": "application/ocsp-request"}
    with platform.http() as http:
        for address, body, expected in (
            ("/ocsp/sm2-issuing", strange, ocsp.Status.UNAUTHORIZED),
            ("/ocsp/sm2-issuing", b"hello", ocsp.Status.MALFORMED_REQUEST),
            ("/ocsp/sm2-issuing", b"0" * 20_000, ocsp.Status.MALFORMED_REQUEST),
            ("/ocsp/sm2-root", strange, ocsp.Status.UNAUTHORIZED),
            ("/ocsp/nobody", strange, ocsp.Status.UNAUTHORIZED),
        ):
            answer = http.post(address, content=body, headers=headers)
            assert answer.status_code == 200 and answer.headers["content-type"] == "application/ocsp-response"
            assert ocsp.parse_response(answer.content) == (expected, None)
        assert ocsp.parse_response(http.get("/ocsp/sm2-issuing/!!").content)[0] is ocsp.Status.MALFORMED_REQUEST
    assert parse_certificate(folder.issuer.der).is_ca


def test_slashes_of_base64_may_come_as_they_are(platform: RunningPlatform, security: Client, tmp_path: Path) -> None:
    """Some clients send them so, and one slash too many before it."""
    folder, leaf = Folder(tmp_path, platform, "sm2"), sm2_certificate(security)
    texts = (
        base64.b64encode(ocsp.OcspRequest((ocsp.CertId.of(folder.issuer, serial),)).encode()).decode()
        for serial in range(leaf.serial, leaf.serial + 10_000)
    )
    slashed = next(text for text in texts if "/" in text and "//" not in text)
    with platform.http() as http:
        answers = [http.get(f"/ocsp/sm2-issuing{before}{slashed}") for before in ("/", "//")]
    for answer in answers:
        status, read = ocsp.parse_response(answer.content)
        assert status is ocsp.Status.SUCCESSFUL and read is not None
