"""OpenSSL verifies our ECDSA and RSA messages, BouncyCastle our SM2 ones; both refuse other content."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.interop.bouncycastle.program import verify as bouncycastle
from tests.rooms import Rooms, rooms_in
from tests.standin import call_of

from miyun.gm import sm2
from miyun.offerings.signature import messages as m
from miyun.wire import cms
from miyun.wire.spki import parse_spki
from miyun.wire.x509 import certificates_pem, load_certificates, parse_certificate

pytestmark = pytest.mark.engine
DATA = "关于某事的批复\n".encode()


@pytest.fixture
def rooms(tmp_path: Path) -> Rooms:
    return rooms_in(tmp_path)


def openssl(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    if shutil.which("openssl") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("openssl is missing")
        pytest.skip("openssl is missing")
    return subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, timeout=60, check=False)


def signed(rooms: Rooms, algorithm: str, **fields: object) -> bytes:
    call = call_of("ten_a", rooms.clock)
    create = m.CreateSigner(name="approval", subject={"CN": "x"}, algorithm=algorithm)  # type: ignore[arg-type]
    asyncio.run(rooms.signature.create_signer(call, create))
    request = m.SignCmsRequest(signer="approval", content=DATA, **fields)  # type: ignore[arg-type]
    return asyncio.run(rooms.signature.sign_cms(call, request)).cms


@pytest.mark.parametrize("algorithm", ["EC-P256", "RSA-3072"])
@pytest.mark.parametrize("detached", [True, False], ids=["detached", "attached"])
def test_openssl_verifies_content_and_chain(rooms: Rooms, algorithm: str, detached: bool) -> None:
    folder = rooms.folder
    (folder / "data").write_bytes(DATA)
    (folder / "other").write_bytes(b"other")
    roots = certificates_pem(parse_certificate(der) for der in asyncio.run(rooms.issuer.trust_anchors()))
    (folder / "roots.pem").write_text(roots)
    (folder / "message.der").write_bytes(signed(rooms, algorithm, detached=detached, timestamp=True))
    at = str(int(rooms.clock.now().timestamp()))
    command = ["cms", "-verify", "-binary", "-inform", "DER", "-in", "message.der", "-CAfile", "roots.pem"]
    command += ["-attime", at, "-purpose", "any"]
    good = openssl(folder, *command, *(["-content", "data"] if detached else []))
    assert good.returncode == 0, good.stderr.decode()
    assert good.stdout == DATA
    if detached:
        assert openssl(folder, *command, "-content", "other").returncode != 0


def test_openssl_verifies_a_raw_sm2_signature(rooms: Rooms) -> None:
    folder = rooms.folder
    call = call_of("ten_a", rooms.clock)
    signer = asyncio.run(rooms.signature.create_signer(call, m.CreateSigner(name="approval", subject={"CN": "x"})))
    view = asyncio.run(rooms.signature.sign(call, m.SignRequest(signer="approval", message=DATA)))
    (folder / "data").write_bytes(DATA)
    (folder / "signature").write_bytes(view.signature)
    (folder / "certificate.pem").write_text(signer.certificate_pem)
    extracted = openssl(folder, "x509", "-in", "certificate.pem", "-noout", "-pubkey")
    (folder / "key.pem").write_bytes(extracted.stdout)
    command = ["dgst", "-sm3", "-verify", "key.pem", "-sigopt", "distid:1234567812345678", "-signature", "signature"]
    assert b"Verified OK" in openssl(folder, *command, "data").stdout
    (folder / "data").write_bytes(b"other")
    assert openssl(folder, *command, "data").returncode != 0


def test_bouncycastle_verifies_an_sm2_message(rooms: Rooms) -> None:
    folder = rooms.folder
    root = rooms.certificate.authorities.find("sm2-root")
    assert root is not None
    (folder / "root.pem").write_text(parse_certificate(root.der).to_pem())
    (folder / "message.der").write_bytes(signed(rooms, "SM2", dialect="RFC 5652", detached=True))
    (folder / "data").write_bytes(DATA)
    (folder / "other").write_bytes(b"other")
    at = str(int(rooms.clock.now().timestamp()))
    arguments = ("cms", folder / "root.pem", folder / "message.der", at)
    assert bouncycastle(*arguments, folder / "data") == (True, "")
    assert not bouncycastle(*arguments, folder / "other")[0]


def test_a_gbt_35275_message_is_what_the_standard_says(rooms: Rooms) -> None:
    """No other program here reads this dialect: its identifiers and SM2 signature are checked piece by piece."""
    message = signed(rooms, "SM2")
    info = cms.parse_signed_data(message)
    assert info.content_type == "1.2.156.10197.6.1.4.2.1"
    assert bytes.fromhex("060a2a811ccf550601040202") in message  # 1.2.156.10197.6.1.4.2.2 signedData
    [signer] = info.signers
    assert signer.certificate is not None and signer.signed_attributes is not None
    key = parse_spki(signer.certificate.spki_der)
    assert key.point is not None
    sm2.verify(key.point, signer.signed_attributes, signer.signature)
    assert len(load_certificates(certificates_pem(info.certificates))) == 2
