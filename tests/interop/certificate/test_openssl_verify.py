"""OpenSSL and BouncyCastle accept our chains and lists, and reject a revoked certificate."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.interop.bouncycastle.program import verify as bouncycastle
from tests.rooms import Rooms, rooms_in
from tests.standin import call_of

from miyun.offerings.certificate.messages import (
    ConfigureRequest,
    CrlRequest,
    IssuedView,
    IssueRequest,
    RevokeRequest,
)
from miyun.offerings.certificate.model import AuthorityReason
from miyun.wire.x509 import parse_certificate

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


def write_authority(rooms: Rooms, family: str) -> None:
    for role in ("root", "issuing"):
        authority = rooms.certificate.authorities.find(f"{family}-{role}")
        assert authority is not None
        (rooms.folder / f"{role}.pem").write_text(parse_certificate(authority.der).to_pem())
        reply = asyncio.run(rooms.certificate.crl(call_of(None, rooms.clock), CrlRequest(ca=authority.id)))
        (rooms.folder / f"{role}.crl").write_bytes(reply.body)
        openssl(rooms.folder, "crl", "-inform", "DER", "-in", f"{role}.crl", "-out", f"{role}.crl.pem")


KEYS = {"ecdsa": ("ec", "ec_paramgen_curve:P-256"), "rsa": ("rsa", "rsa_keygen_bits:2048")}


def issue_for(rooms: Rooms, key: tuple[str, ...], sign: tuple[str, ...]) -> IssuedView:
    """A certificate for a key and request that OpenSSL makes."""
    folder = rooms.folder
    made = openssl(folder, "genpkey", *key, "-out", "key.pem")
    assert made.returncode == 0, made.stderr.decode()
    requested = openssl(folder, "req", "-new", "-key", "key.pem", *sign, "-subj", "/C=CN/CN=app", "-out", "app.csr")
    assert requested.returncode == 0, requested.stderr.decode()
    request = IssueRequest(template="application", csr=(folder / "app.csr").read_text())
    issued = asyncio.run(rooms.certificate.issue(call_of("ten_a", rooms.clock), request))
    (folder / "app.pem").write_text(issued.pem)
    return issued


@pytest.mark.parametrize("family", KEYS)
def test_openssl_verifies_a_certificate_until_it_is_revoked(rooms: Rooms, family: str) -> None:
    algorithm, option = KEYS[family]
    issued = issue_for(rooms, ("-algorithm", algorithm, "-pkeyopt", option), ("-sha256",))
    write_authority(rooms, family)

    def check() -> subprocess.CompletedProcess[bytes]:
        at = str(int(rooms.clock.now().timestamp()) + 1)
        chain = ("-CAfile", "root.pem", "-untrusted", "issuing.pem", "-crl_check_all")
        lists = ("-CRLfile", "root.crl.pem", "-CRLfile", "issuing.crl.pem")
        return openssl(rooms.folder, "verify", "-attime", at, *chain, *lists, "app.pem")

    good = check()
    assert good.returncode == 0, good.stderr.decode()
    rooms.clock.advance(minutes=1)
    request = RevokeRequest(serial=issued.certificate.serial)
    asyncio.run(rooms.certificate.revoke(call_of("ten_a", rooms.clock), request))
    write_authority(rooms, family)
    bad = check()
    assert bad.returncode != 0
    assert "certificate revoked" in bad.stderr.decode()


@pytest.mark.parametrize("family", KEYS)
def test_openssl_refuses_an_expired_certificate(rooms: Rooms, family: str) -> None:
    algorithm, option = KEYS[family]
    issue_for(rooms, ("-algorithm", algorithm, "-pkeyopt", option), ("-sha256",))
    rooms.clock.advance(days=366)
    asyncio.run(rooms.certificate.bootstrap())
    write_authority(rooms, family)
    at = str(int(rooms.clock.now().timestamp()) + 1)
    chain = ("-CAfile", "root.pem", "-untrusted", "issuing.pem", "-crl_check", "-CRLfile", "issuing.crl.pem")
    bad = openssl(rooms.folder, "verify", "-attime", at, *chain, "app.pem")
    assert bad.returncode != 0
    assert "certificate has expired" in bad.stderr.decode()


@pytest.mark.parametrize("family", KEYS)
def test_openssl_reads_lists_of_shards_and_of_changes(rooms: Rooms, family: str) -> None:
    """A base list of before, with the list of changes of after, and no other: OpenSSL sees the revocation."""
    algorithm, option = KEYS[family]
    service, folder, ca = rooms.certificate, rooms.folder, f"{family}-issuing"

    def fetch(name: str, **which: Any) -> None:
        reply = asyncio.run(service.crl(call_of(None, rooms.clock), CrlRequest(ca=ca, shard=1, **which)))
        (folder / "x.crl").write_bytes(reply.body)
        told = openssl(folder, "crl", "-inform", "DER", "-in", "x.crl", "-out", name, "-text", "-CAfile", "issuing.pem")
        assert b"verify OK" in told.stderr, told.stderr.decode()

    def check(*lists: str) -> str:
        at = str(int(rooms.clock.now().timestamp()) + 1)
        chain = ("-CAfile", "root.pem", "-untrusted", "issuing.pem", "-crl_check", "-extended_crl", "-use_deltas")
        files = [part for name in lists for part in ("-CRLfile", name)]
        found = openssl(folder, "verify", "-attime", at, *chain, *files, "app.pem")
        return "good" if found.returncode == 0 else found.stderr.decode()

    configure = ConfigureRequest(ca=ca, shards=1, deltas=True)
    asyncio.run(service.configure(call_of(None, rooms.clock), configure))
    write_authority(rooms, family)
    issued = issue_for(rooms, ("-algorithm", algorithm, "-pkeyopt", option), ("-sha256",))
    rooms.clock.advance(hours=13)
    asyncio.run(service.bootstrap())
    fetch("base.pem")
    assert check("base.pem") == "good"
    assert "different CRL scope" in check("issuing.crl.pem")
    rooms.clock.advance(minutes=1)
    request = RevokeRequest(serial=issued.certificate.serial)
    asyncio.run(service.revoke(call_of("ten_a", rooms.clock), request))
    fetch("delta.pem", delta=True)
    assert check("base.pem") == "good"
    assert "certificate revoked" in check("base.pem", "delta.pem")


def test_openssls_sm2_request_becomes_a_certificate_that_bouncycastle_verifies(rooms: Rooms) -> None:
    # OpenSSL 3.0 gives the SM2 identity to the leaf only, so that it cannot verify a chain of SM2 certificates.
    issue_for(rooms, ("-algorithm", "sm2"), ("-sm3", "-sigopt", "distid:1234567812345678"))
    write_authority(rooms, "sm2")
    folder = rooms.folder
    at = str(int(rooms.clock.now().timestamp()))
    chain = (folder / "app.pem").read_text() + (folder / "issuing.pem").read_text()
    (folder / "chain.pem").write_text(chain)
    assert bouncycastle("certificate", folder / "root.pem", folder / "chain.pem", at) == (True, "")
    assert bouncycastle("crl", folder / "issuing.pem", folder / "issuing.crl") == (True, "")


@pytest.mark.parametrize("family", KEYS)
def test_openssl_refuses_a_revoked_authority_and_takes_its_successor(rooms: Rooms, family: str) -> None:
    service, folder = rooms.certificate, rooms.folder
    algorithm, option = KEYS[family]
    key = ("-algorithm", algorithm, "-pkeyopt", option)

    def check(leaf: str, issuing: str) -> str:
        at = str(int(rooms.clock.now().timestamp()) + 1)
        chain = ("-CAfile", "root.pem", "-untrusted", f"{issuing}.pem", "-crl_check_all")
        lists = ("-CRLfile", "root.crl.pem", "-CRLfile", f"{issuing}.crl.pem")
        found = openssl(folder, "verify", "-attime", at, *chain, *lists, leaf)
        return "good" if found.returncode == 0 else found.stderr.decode()

    def ask(issuing: str) -> str:
        asked = openssl(folder, "ocsp", "-issuer", "root.pem", "-cert", f"{issuing}.pem", "-no_nonce", "-reqout", "q")
        assert asked.returncode == 0, asked.stderr.decode()
        answer = asyncio.run(service.responder.answer(f"{family}-root", (folder / "q").read_bytes()))
        (folder / "a").write_bytes(answer)
        question = ("-issuer", "root.pem", "-cert", f"{issuing}.pem", "-CAfile", "root.pem")
        # OpenSSL judges by the clock on the wall; the rooms' stands still.
        told = openssl(folder, "ocsp", *question, "-respin", "a", "-validity_period", "999999999")
        return told.stdout.decode() + told.stderr.decode()

    def write(issuing: str, name: str) -> None:
        write_authority(rooms, family)
        authority = service.authorities.find(issuing)
        assert authority is not None
        (folder / f"{name}.pem").write_text(parse_certificate(authority.der).to_pem())
        (folder / "x.crl").write_bytes(service.revocation.newest(issuing).der)
        openssl(folder, "crl", "-inform", "DER", "-in", "x.crl", "-out", f"{name}.crl.pem")

    issue_for(rooms, key, ("-sha256",))
    (folder / "app.pem").rename(folder / "before.pem")
    write(f"{family}-issuing", "old")
    assert check("before.pem", "old") == "good"
    assert "old.pem: good" in ask("old")
    rooms.clock.advance(minutes=1)
    ended = service.ceremonies.revoke(f"{family}-issuing", AuthorityReason.CA_COMPROMISE, rooms.roots)  # type: ignore[arg-type]
    asyncio.run(ended)
    asyncio.run(service.bootstrap())
    issue_for(rooms, key, ("-sha256",))
    write(f"{family}-issuing", "old")
    write(f"{family}-2-issuing", "new")
    assert "certificate revoked" in check("before.pem", "old")
    assert check("app.pem", "new") == "good"
    told = ask("old")
    assert "old.pem: revoked" in told and "cACompromise" in told
    assert "new.pem: good" in ask("new")
