"""The bundle that an applicant takes away (.p7b), read by openssl."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import CertificateSigningRequestBuilder, NameOID
from cryptography.x509 import Name as XName
from cryptography.x509 import NameAttribute as XAttribute
from tests.applicants import Holder, Office
from tests.rooms import rooms_in

from miyun.wire.x509 import load_certificates

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(
        shutil.which("openssl") is None and os.environ.get("CI") != "true",
        reason="the openssl program is not installed",
    ),
]


def request_of(kind: str) -> str:
    if kind == "sm2":
        return Holder("gateway").csr()
    key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
    made = CertificateSigningRequestBuilder().subject_name(XName([XAttribute(NameOID.COMMON_NAME, "gateway")]))
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


@pytest.mark.parametrize("kind", ["sm2", "ecdsa", "rsa"])
def test_openssl_prints_the_certificates_and_verifies_their_chain(tmp_path: Path, kind: str) -> None:
    office = Office(rooms_in(tmp_path))
    granted = asyncio.run(office.apply(request_of(kind), template="device"))
    (tmp_path / "a.p7b").write_bytes(asyncio.run(office.file(granted.application, "p7b")))
    printed = subprocess.run(
        ["openssl", "pkcs7", "-inform", "DER", "-in", str(tmp_path / "a.p7b"), "-print_certs"],
        capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    leaf, issuing, root = load_certificates(asyncio.run(office.file(granted.application, "chain")).decode())
    assert set(load_certificates(printed.stdout)) == {leaf, issuing, root}
    for name, certificate in (("leaf", leaf), ("issuing", issuing), ("root", root)):
        (tmp_path / name).write_text(certificate.to_pem())
    if kind == "sm2":
        return  # `openssl verify` has no word for the identity in signatures of SM2 CAs; BouncyCastle verifies those
    verified = subprocess.run(
        [
            *("openssl", "verify", "-attime", str(int(office.rooms.clock.now().timestamp()))),
            *("-CAfile", str(tmp_path / "root"), "-untrusted", str(tmp_path / "issuing"), str(tmp_path / "leaf")),
        ],
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert verified.returncode == 0, verified.stderr.decode()
