"""PDF files: signed by our signers, verified by our trust, and every change after it is noticed."""

from __future__ import annotations

import asyncio
import io
from datetime import timedelta
from typing import Any

import pytest
from pypdf import PdfReader, PdfWriter
from tests.rooms import Rooms
from tests.standin import call_of

from miyun.core.errors import InvalidArgument
from miyun.offerings.signature import messages as s
from miyun.offerings.signature.archive import messages as a
from miyun.offerings.signature.pdf import messages as m

ALGORITHMS = ["SM2", "EC-P256", "RSA-3072"]


def document(pages: int = 2, *, password: str = "") -> bytes:
    writer = PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(595, 842)
    writer.add_metadata({"/Title": "关于某事的批复"})
    if password:
        writer.encrypt(password)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


class Desk:
    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms

    def do(self, verb: Any, request: Any) -> Any:
        return asyncio.run(verb(call_of("ten_a", self.rooms.clock), request))

    def signer(self, algorithm: Any = "EC-P256", name: str = "approval", common_name: str = "Approval System") -> str:
        create = s.CreateSigner(name=name, subject={"CN": common_name}, algorithm=algorithm)
        return str(self.do(self.rooms.signature.create_signer, create).certificate_serial)

    def sign(self, pdf: bytes, **fields: Any) -> bytes:
        request = m.SignPdf(**{"signer": "approval", "pdf": pdf} | fields)
        return bytes(self.do(self.rooms.signature.pdf.sign, request).pdf)

    def verify(self, pdf: bytes, **fields: Any) -> m.VerifiedPdf:
        return self.do(self.rooms.signature.pdf.verify, m.VerifyPdf(pdf=pdf, **fields))


@pytest.fixture
def desk(rooms: Rooms) -> Desk:
    return Desk(rooms)


def codes(view: m.VerifiedPdf) -> list[str]:
    found = [reason.code for reason in view.reasons]
    found += [reason.code for item in view.signatures for reason in item.reasons]
    assert view.valid is (not found)
    return found


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_signed_file_verifies_and_says_by_whom_and_when(desk: Desk, algorithm: str) -> None:
    serial = desk.signer(algorithm)
    original = document()
    signed = desk.sign(original, reason="批准", location="北京")
    assert signed.startswith(original), "a revision is added, nothing is rewritten"
    view = desk.verify(signed)
    assert codes(view) == []
    [found] = view.signatures
    assert (found.field, found.covers) == ("Signature1", "file")
    assert found.format == ("adbe.pkcs7.detached" if algorithm == "SM2" else "ETSI.CAdES.detached")
    assert found.signer is not None and found.signer.serial == serial
    assert found.signer.timestamp is not None and found.signer.timestamp.valid
    assert (found.signer.signing_time is None) is (algorithm != "SM2"), "PAdES keeps the claimed time in the file"
    assert PdfReader(io.BytesIO(signed)).metadata["/Title"] == "关于某事的批复"  # type: ignore[index]


def test_the_time_stamp_outlives_the_certificate(desk: Desk) -> None:
    serial = desk.signer()
    signed, plain = desk.sign(document()), desk.sign(document(), timestamp=False)
    desk.rooms.clock.advance(days=1)
    asyncio.run(desk.rooms.issuer.revoke(int(serial, 16), "superseded", desk.rooms.clock.now()))
    desk.rooms.clock.advance(minutes=1)
    assert codes(desk.verify(signed)) == []
    assert codes(desk.verify(plain)) == ["revoked"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_verifies_it_goes_with_the_file(desk: Desk, algorithm: str) -> None:
    desk.signer(algorithm)
    signed = desk.sign(document(), long_term=True)
    assert b"/DSS" in signed and b"/OCSPs" in signed and b"/CRLs" in signed
    [shown] = desk.verify(signed).signatures
    assert shown.valid and shown.covers == "revision" and shown.reasons == []
    assert len(desk.verify(desk.sign(signed)).signatures) == 2
    with pytest.raises(InvalidArgument) as refused:
        desk.sign(document(), long_term=True, timestamp=False)
    assert refused.value.field == "long_term"


def test_a_second_signature_adds_a_revision(desk: Desk) -> None:
    desk.signer()
    desk.signer("RSA-3072", "second")
    desk.signer("SM2", "third")
    once = desk.sign(document())
    view = desk.verify(desk.sign(desk.sign(once, signer="second"), signer="third"))
    assert codes(view) == []
    assert [(item.field, item.covers) for item in view.signatures] == [
        ("Signature1", "revision"),
        ("Signature2", "revision"),
        ("Signature3", "file"),
    ]


def test_a_visible_signature(desk: Desk) -> None:
    desk.signer()
    desk.signer("EC-P256", "chinese", "审批系统")
    for signer in ("approval", "chinese"):
        signed = desk.sign(document(), signer=signer, visible=m.Visible(page=2))
        assert codes(desk.verify(signed)) == []
        annotation = PdfReader(io.BytesIO(signed)).pages[1]["/Annots"][0].get_object()  # type: ignore[index]
        assert [int(number) for number in annotation["/Rect"]] == [36, 36, 236, 86]
        assert "/AP" in annotation
    for wrong in (m.Visible(page=9), m.Visible(left=10, right=10)):
        with pytest.raises(InvalidArgument):
            desk.sign(document(), visible=wrong)


def altered(pdf: bytes, at: int) -> bytes:
    return pdf[:at] + bytes((pdf[at] ^ 1,)) + pdf[at + 1 :]


def test_a_changed_octet_is_noticed(desk: Desk) -> None:
    desk.signer()
    signed = desk.sign(document())
    title = signed.index(b"/Title")
    assert codes(desk.verify(altered(signed, title + 12))) == ["digest"]
    place = signed.index(b"2a864886f70d010904") + 30  # in the messageDigest of the signature
    digit = b"0" if signed[place : place + 1] != b"0" else b"1"
    assert codes(desk.verify(signed[:place] + digit + signed[place + 1 :])) == ["digest"]


def test_a_page_that_is_changed_afterwards_is_noticed(desk: Desk) -> None:
    from pyhanko.pdf_utils.generic import NumberObject, pdf_name
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

    desk.signer()
    writer = IncrementalPdfFileWriter(io.BytesIO(desk.sign(document())), strict=False)
    page, _ = writer.find_page_for_modification(0)
    page.get_object()[pdf_name("/Rotate")] = NumberObject(180)
    writer.mark_update(page)
    out = io.BytesIO()
    writer.write(out)
    view = desk.verify(out.getvalue())
    assert codes(view) == ["pdf_modified"]
    assert view.signatures[0].covers == "revision"


def test_octets_put_beside_the_signature_are_noticed(desk: Desk) -> None:
    """The gap that is not signed must hold the signature and nothing else."""
    desk.signer()
    signed = desk.sign(document())
    end = signed.index(b">", signed.index(b"/Contents <"))
    assert codes(desk.verify(signed[: end - 2] + b"> " + signed[end:])) in (["pdf_coverage"], ["pdf_kind"])
    where = signed.index(b"/ByteRange [0 ") + len(b"/ByteRange [0 ")
    size = signed[where : signed.index(b" ", where)]
    smaller = str(int(size) - 1).encode()
    assert len(smaller) == len(size)
    moved = signed[:where] + smaller + signed[where + len(size) :]
    assert codes(desk.verify(moved)) == ["pdf_coverage", "digest"]


def test_a_signature_of_another_kind_is_not_passed_over(desk: Desk) -> None:
    desk.signer()
    signed = desk.sign(desk.sign(document()))
    other = signed.replace(b"/ETSI.CAdES.detached", b"/GM.sm2seal.detached", 1)
    assert "pdf_kind" in codes(desk.verify(other))


def test_what_is_not_signed_or_not_readable(desk: Desk) -> None:
    assert codes(desk.verify(document())) == ["no_signature"]
    assert codes(desk.verify(b"%PDF-1.7 nonsense")) == ["pdf_unreadable"]
    assert codes(desk.verify(b"")) == ["pdf_unreadable"]
    assert codes(desk.verify(document(password="geheim"))) == ["pdf_encrypted"]
    desk.signer()
    for wrong in (b"", b"hello", document(password="geheim"), document()[:200]):
        with pytest.raises(InvalidArgument) as refused:
            desk.sign(wrong)
        assert refused.value.field == "pdf"


def test_pades_is_not_for_sm2(desk: Desk) -> None:
    desk.signer("SM2")
    with pytest.raises(InvalidArgument):
        desk.sign(document(), format="pades")


def test_a_signed_file_is_kept_as_evidence(desk: Desk) -> None:
    desk.signer()
    archive = desk.rooms.signature.archive
    kept = desk.do(archive.keep, a.KeepRequest(name="批复", kind="pdf", signed=desk.sign(document())))
    assert "Approval" in kept.signers
    assert kept.proven_at is not None and desk.rooms.clock.now() - kept.proven_at < timedelta(seconds=1)
    with pytest.raises(Exception, match="not signed"):
        desk.do(archive.keep, a.KeepRequest(name="批复", kind="pdf", signed=document()))
