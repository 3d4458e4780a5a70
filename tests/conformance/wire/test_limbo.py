"""Chains that must not be accepted are refused for the right reason, for every kind of key; others agree."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
from cryptography.x509 import DNSName, load_der_x509_certificate
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError
from tests.conformance.wire.limbo import Case, cases
from tests.unit.wire.authority import ECDSA, RSA, SM2

from miyun.wire import x509
from miyun.wire.algorithm import SignatureAlgorithm
from miyun.wire.errors import DecodeError

ALGORITHMS = (SM2, ECDSA, RSA)
IDS = [case.id for case in cases(ECDSA)]


@cache
def made(algorithm: SignatureAlgorithm) -> dict[str, Case]:
    return {case.id: case for case in cases(algorithm)}


def judge(case: Case) -> x509.ChainReason | str | None:
    try:
        leaf, root = x509.read_certificate(case.leaf), x509.read_certificate(case.root)
        between = [x509.read_certificate(item) for item in case.between]
    except DecodeError:
        return "malformed"
    try:
        x509.verify_chain(leaf, between, [root], case.at, purpose=case.purpose)
    except x509.ChainError as error:
        return error.reason
    return None


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda item: item.name)
@pytest.mark.parametrize("name", [*IDS, "no-za"])
def test_a_chain_is_refused_for_the_right_reason(algorithm: SignatureAlgorithm, name: str) -> None:
    if (case := made(algorithm).get(name)) is None:
        assert name == "no-za" and algorithm is not SM2
        return
    assert judge(case) == ("malformed" if case.malformed else case.reason)


@pytest.mark.engine
@pytest.mark.parametrize("algorithm", [ECDSA, RSA], ids=lambda item: item.name)
@pytest.mark.parametrize("name", IDS)
def test_openssl_agrees(algorithm: SignatureAlgorithm, name: str, tmp_path: Path) -> None:
    case = made(algorithm)[name]
    if not case.openssl:
        return
    if shutil.which("openssl") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("openssl is missing")
        pytest.skip("openssl is missing")
    for file, encoded in (("leaf", [case.leaf]), ("between", list(case.between)), ("root", [case.root])):
        (tmp_path / f"{file}.pem").write_text("".join(_pem(item) for item in encoded))
    between = ("-untrusted", "between.pem") if case.between else ()
    options = ("-purpose", "sslserver", "-x509_strict", "-attime", str(int(case.at.timestamp())))
    told = subprocess.run(
        ["openssl", "verify", *options, "-CAfile", "root.pem", *between, "leaf.pem"],
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        check=False,
    )
    good = case.reason is None and not case.malformed
    assert (told.returncode == 0) is good, told.stderr.decode()


def _pem(encoded: bytes) -> str:

    text = base64.encodebytes(encoded).decode()
    return f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("algorithm", [ECDSA, RSA], ids=lambda item: item.name)
@pytest.mark.parametrize("name", IDS)
def test_cryptography_refuses_them_too(algorithm: SignatureAlgorithm, name: str) -> None:
    """Its profile is that of browsers and stricter than ours, so that good chains are not its business."""
    case = made(algorithm)[name]
    if not case.cryptography or (case.reason is None and not case.malformed):
        return
    with pytest.raises((VerificationError, ValueError)):
        store = Store([load_der_x509_certificate(case.root)])
        verifier = (
            PolicyBuilder().store(store).time(case.at.replace(tzinfo=None)).build_server_verifier(DNSName("www.gov.cn"))
        )
        verifier.verify(
            load_der_x509_certificate(case.leaf), [load_der_x509_certificate(item) for item in case.between]
        )
