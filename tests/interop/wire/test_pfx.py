"""PFX files of ours opened by openssl and BouncyCastle, and openssl's by us."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.interop.bouncycastle.program import run, verify
from tests.unit.wire.authority import key, pki

from miyun.gm import rand, sm2
from miyun.wire import oid, pem
from miyun.wire.pkcs8 import parse_sm2_private_key, sm2_private_key
from miyun.wire.pkcs12 import Bag, Pbes2, PrivateKey, Protection, make_pfx, parse_pfx

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(
        shutil.which("openssl") is None and os.environ.get("CI") != "true",
        reason="the openssl program is not installed",
    ),
]
HMAC_SHA256 = "1.2.840.113549.2.9"  # OpenSSL 3.0 derives no key with HMAC-SM3
PASSWORD = "correct horse"
D = key().private
INFO = sm2_private_key(D, sm2.public_key(D))


def made(hmac: str) -> bytes:
    leaf = pki().leaf.certificate
    protection = Protection(lambda: Pbes2(rand.token(16), 2048, rand.token(16), hmac=hmac), rand.token(16))
    return make_pfx(PASSWORD, [PrivateKey(INFO, "key", b"\x01")], [Bag(leaf, "key", b"\x01")], protection)


def openssl(*arguments: str | Path) -> str:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout.decode()


def test_openssl_opens_ours(tmp_path: Path) -> None:
    (tmp_path / "a.pfx").write_bytes(made(HMAC_SHA256))
    text = openssl("pkcs12", "-in", tmp_path / "a.pfx", "-passin", f"pass:{PASSWORD}", "-nodes")
    assert parse_sm2_private_key(pem.decode(text, "PRIVATE KEY")) == D
    assert pem.decode(text, pem.CERTIFICATE) == pki().leaf.certificate.der


@pytest.mark.parametrize("cipher", ["SM4-CBC", "AES-256-CBC"])
@pytest.mark.parametrize("digest", ["sm3", "sha256"])
def test_we_open_openssls(tmp_path: Path, cipher: str, digest: str) -> None:
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:SM2", "-out", tmp_path / "k.pem")
    openssl("req", "-x509", "-new", "-key", tmp_path / "k.pem", "-sm3", "-subj", "/CN=a", "-out", tmp_path / "c.pem")
    openssl(
        *("pkcs12", "-export", "-inkey", tmp_path / "k.pem", "-in", tmp_path / "c.pem", "-certpbe", cipher),
        *("-keypbe", cipher, "-macalg", digest, "-passout", f"pass:{PASSWORD}", "-out", tmp_path / "a.p12"),
    )
    found = parse_pfx((tmp_path / "a.p12").read_bytes(), PASSWORD)
    point = sm2.public_key(parse_sm2_private_key(found.keys[0].info))
    assert found.certificates[0].certificate.public_key.point == point
    assert found.certificates[0].local_id == found.keys[0].local_id


@pytest.mark.parametrize("hmac", [oid.HMAC_SM3, HMAC_SHA256])
def test_bouncycastle_opens_ours(tmp_path: Path, hmac: str) -> None:
    (tmp_path / "a.pfx").write_bytes(made(hmac))
    assert verify("pfx", tmp_path / "a.pfx", "wrong password") == (False, verify("pfx", tmp_path / "a.pfx", "x")[1])
    said = run("pfx", tmp_path / "a.pfx", PASSWORD)
    assert {bytes.fromhex(line) for line in said.split()} == {D, pki().leaf.certificate.der}
