"""xmlsec1 verifies our XML signatures and we verify its own, RSA and ECDSA; both refuse what was changed."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from tests.rooms import rooms_in
from tests.unit.offerings.signature.test_xml import Desk, codes

from miyun.wire.x509 import parse_certificate

pytestmark = pytest.mark.engine


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(rooms_in(tmp_path))


def xmlsec(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    if shutil.which("xmlsec1") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("xmlsec1 is missing")
        pytest.skip("xmlsec1 is missing")
    return subprocess.run(["xmlsec1", *arguments], cwd=folder, capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize("algorithm", ["EC-P256", "RSA-3072"])
def test_xmlsec_verifies_ours(desk: Desk, tmp_path: Path, algorithm: str) -> None:
    desk.signer(algorithm)
    signed = desk.sign()
    root = desk.rooms.certificate.authorities.find("rsa-root" if algorithm == "RSA-3072" else "ecdsa-root")
    assert root is not None
    (tmp_path / "root.pem").write_text(parse_certificate(root.der).to_pem())
    at = desk.rooms.clock.now().strftime("%Y-%m-%d %H:%M:%S")
    command = ["--verify", "--trusted-pem", "root.pem", "--verification-time", at, "--enabled-key-data", "x509"]
    (tmp_path / "signed.xml").write_bytes(signed)
    good = xmlsec(tmp_path, *command, "signed.xml")
    assert good.returncode == 0, good.stderr.decode()
    (tmp_path / "signed.xml").write_bytes(signed.replace(b">100<", b">900<"))
    assert xmlsec(tmp_path, *command, "signed.xml").returncode != 0


TEMPLATE = """<doc><amount>100</amount><Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignedInfo>
<CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>
<SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#{method}"/>
<Reference URI=""><Transforms><Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>
<Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/></Transforms>
<DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><DigestValue/></Reference></SignedInfo>
<SignatureValue/><KeyInfo><X509Data><X509Certificate/></X509Data></KeyInfo></Signature></doc>"""


@pytest.mark.parametrize("method", ["rsa-sha256", "ecdsa-sha256"])
def test_we_verify_what_xmlsec_signed(desk: Desk, tmp_path: Path, method: str) -> None:
    private = (
        rsa.generate_private_key(public_exponent=65537, key_size=2048)
        if method.startswith("rsa")
        else ec.generate_private_key(ec.SECP256R1())
    )
    spki = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    issued = asyncio.run(
        desk.rooms.issuer.issue("ten_a", template="person", subject={"CN": "x"}, spki=spki, at=desk.rooms.clock.now())
    )
    key = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "key.pem").write_bytes(key)
    (tmp_path / "certificate.pem").write_text(parse_certificate(issued.der).to_pem())
    (tmp_path / "template.xml").write_text(TEMPLATE.format(method=method))
    made = xmlsec(
        tmp_path, "--sign", "--privkey-pem", "key.pem,certificate.pem", "--output", "signed.xml", "template.xml"
    )
    assert made.returncode == 0, made.stderr.decode()
    signed = (tmp_path / "signed.xml").read_bytes()
    assert codes(desk.verify(signed)) == []
    assert codes(desk.verify(signed.replace(b">100<", b">900<"))) == ["digest"]
