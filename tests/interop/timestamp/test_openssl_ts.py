"""`openssl ts` makes the query and verifies our response; SM2 tokens are BouncyCastle's to judge."""

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

from miyun.core.errors import MiyunError
from miyun.core.operation import Reply, Role
from miyun.gm import sm3
from miyun.offerings.timestamp import protocol
from miyun.wire.algorithm import DigestAlgorithm
from miyun.wire.tsp import MessageImprint, build_request
from miyun.wire.x509 import certificates_pem, parse_certificate

pytestmark = pytest.mark.engine


@pytest.fixture
def rooms(tmp_path: Path) -> Rooms:
    return rooms_in(tmp_path)


def openssl(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    if shutil.which("openssl") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("openssl is missing")
        pytest.skip("openssl is missing")
    return subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, timeout=60, check=False)


def answer(rooms: Rooms, policy: str, query: bytes) -> Reply:
    """What the protocol edge does, without the network."""
    call = call_of("ten_a", rooms.clock, role=Role.APPLICATION)
    try:
        request = protocol.decode(query, {"policy": policy})
        return protocol.encode(asyncio.run(rooms.timestamp.rfc3161(call, request)))
    except MiyunError as error:
        return protocol.error(error)


def trusted(rooms: Rooms) -> str:
    return certificates_pem(parse_certificate(der) for der in asyncio.run(rooms.issuer.trust_anchors()))


@pytest.mark.parametrize("policy", ["ecdsa", "rsa"])
@pytest.mark.parametrize("options", [("-sha256", "-cert"), ("-sha512", "-cert", "-no_nonce"), ("-sha256",)])
def test_openssl_verifies_the_response_to_its_own_query(rooms: Rooms, policy: str, options: tuple[str, ...]) -> None:
    folder = rooms.folder
    (folder / "data").write_bytes(b"data")
    (folder / "roots.pem").write_text(trusted(rooms))
    assert openssl(folder, "ts", "-query", "-data", "data", *options, "-out", "query.tsq").returncode == 0
    (folder / "reply.tsr").write_bytes(answer(rooms, policy, (folder / "query.tsq").read_bytes()).body)
    command = [
        "ts",
        "-verify",
        "-in",
        "reply.tsr",
        "-CAfile",
        "roots.pem",
        "-attime",
        str(int(rooms.clock.now().timestamp())),
    ]
    if "-cert" not in options:
        signer = rooms.timestamp.authorities.signer(policy).tsa
        pool = certificates_pem(parse_certificate(der) for der in (signer.der, *signer.chain))
        (folder / "pool.pem").write_text(pool)
        command += ["-untrusted", "pool.pem"]
    verified = openssl(folder, *command, "-queryfile", "query.tsq")
    assert verified.returncode == 0, verified.stderr.decode()
    assert openssl(folder, *command, "-data", "data").returncode == 0
    (folder / "other").write_bytes(b"other")
    assert openssl(folder, *command, "-data", "other").returncode != 0


def test_openssl_reads_our_refusal_of_sha1(rooms: Rooms) -> None:
    folder = rooms.folder
    (folder / "data").write_bytes(b"data")
    assert openssl(folder, "ts", "-query", "-data", "data", "-sha1", "-out", "query.tsq").returncode == 0
    (folder / "reply.tsr").write_bytes(answer(rooms, "ecdsa", (folder / "query.tsq").read_bytes()).body)
    text = openssl(folder, "ts", "-reply", "-in", "reply.tsr", "-text").stdout.decode()
    assert "Status: Rejected" in text
    assert "unrecognized or unsupported algorithm identifier" in text


def test_openssl_prints_time_accuracy_and_policy(rooms: Rooms) -> None:
    folder = rooms.folder
    (folder / "data").write_bytes(b"data")
    openssl(folder, "ts", "-query", "-data", "data", "-sha256", "-out", "query.tsq")
    rooms.clock.advance(milliseconds=250)
    (folder / "reply.tsr").write_bytes(answer(rooms, "ecdsa", (folder / "query.tsq").read_bytes()).body)
    text = openssl(folder, "ts", "-reply", "-in", "reply.tsr", "-text").stdout.decode()
    assert "Mar  2 08:30:00.25 2026 GMT" in text
    assert "Accuracy: 0x01 seconds" in text
    assert "Policy OID: 2.25.34379794761442409980687482614274884532.1.2" in text


def test_bouncycastle_verifies_an_sm2_token(rooms: Rooms) -> None:
    folder = rooms.folder
    (folder / "data").write_bytes(b"data")
    root = rooms.certificate.authorities.find("sm2-root")
    assert root is not None
    (folder / "root.pem").write_text(parse_certificate(root.der).to_pem())
    query = build_request(MessageImprint.of(DigestAlgorithm.SM3, sm3.digest(b"data")), nonce=99)
    (folder / "query.tsq").write_bytes(query)
    (folder / "reply.tsr").write_bytes(answer(rooms, "sm2", query).body)
    assert bouncycastle("timestamp", folder / "root.pem", folder / "reply.tsr", folder / "query.tsq") == (True, "")
