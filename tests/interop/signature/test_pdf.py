"""Poppler's pdfsig and pyHanko's own validation agree with us on RSA and ECDSA files, good and spoiled."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from asn1crypto import x509 as asn1_x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko_certvalidator import ValidationContext
from tests.rooms import rooms_in
from tests.unit.offerings.signature.test_pdf import Desk, altered, document

pytestmark = pytest.mark.engine


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(rooms_in(tmp_path))


def pdfsig(folder: Path, pdf: bytes) -> str:
    if shutil.which("pdfsig") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("pdfsig is missing")
        pytest.skip("pdfsig is missing")
    (folder / "signed.pdf").write_bytes(pdf)
    done = subprocess.run(
        ["pdfsig", "-nocert", "signed.pdf"],
        cwd=folder,
        capture_output=True,
        timeout=60,
        check=False,
        env=os.environ | {"HOME": str(folder)},
    )
    return done.stdout.decode() + done.stderr.decode()


@pytest.mark.parametrize("algorithm", ["EC-P256", "RSA-3072"])
@pytest.mark.parametrize("form", ["pades", "pkcs7"])
def test_pdfsig_agrees(desk: Desk, tmp_path: Path, algorithm: str, form: str) -> None:
    desk.signer(algorithm)
    signed = desk.sign(document(), format=form)
    said = pdfsig(tmp_path, signed)
    assert "Signature is Valid." in said, said
    assert "Total document signed" in said
    assert "Approval System" in said
    title = signed.index(b"/Title")
    assert "Digest Mismatch." in pdfsig(tmp_path, altered(signed, title + 12))


@pytest.mark.parametrize("algorithm", ["EC-P256", "RSA-3072"])
def test_pyhanko_agrees(desk: Desk, algorithm: str) -> None:
    desk.signer(algorithm)
    signed = desk.sign(document())
    roots = [asn1_x509.Certificate.load(der) for der in asyncio.run(desk.rooms.issuer.trust_anchors())]
    context = ValidationContext(
        trust_roots=roots, moment=desk.rooms.clock.now(), allow_fetching=False, revocation_mode="soft-fail"
    )
    [embedded] = PdfFileReader(io.BytesIO(signed)).embedded_signatures
    status = validate_pdf_signature(embedded, context)
    assert status.bottom_line, status.pretty_print_details()
    assert status.timestamp_validity is not None and status.timestamp_validity.valid


@pytest.mark.parametrize("algorithm", ["EC-P256", "RSA-3072"])
def test_pyhanko_needs_nobody_to_ask(desk: Desk, algorithm: str) -> None:
    """PAdES B-LT: with the root alone, and revocation information asked of every certificate."""
    desk.signer(algorithm)
    roots = [asn1_x509.Certificate.load(der) for der in asyncio.run(desk.rooms.issuer.trust_anchors())]
    asked = {
        "trust_roots": roots,
        "moment": desk.rooms.clock.now(),
        "allow_fetching": False,
        "revocation_mode": "hard-fail",
    }
    reader = PdfFileReader(io.BytesIO(desk.sign(document(), long_term=True)))
    [embedded] = reader.embedded_signatures
    context = DocumentSecurityStore.read_dss(reader).as_validation_context(asked)
    status = validate_pdf_signature(embedded, context)
    assert status.bottom_line, status.pretty_print_details()
    assert status.timestamp_validity is not None and status.timestamp_validity.trusted
    alone = validate_pdf_signature(embedded, ValidationContext(**asked, crls=[], ocsps=[]))
    assert not alone.bottom_line, "it is the file's material that does it"
