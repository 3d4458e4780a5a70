"""Small files that would keep their readers busy for hours, or fill the memory, are refused with that reason."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tests.rooms
from tests.rooms import Rooms
from tests.standin import call_of

from miyun.core.confinement import TOO_COSTLY, Confinement
from miyun.core.errors import InvalidArgument
from miyun.offerings.signature import messages as s
from miyun.offerings.signature.archive import messages as a
from miyun.offerings.signature.archive.errors import NotVerified
from miyun.offerings.signature.pdf import messages as pdf
from miyun.offerings.signature.xml import messages as xml


def cross_references(rows: int) -> bytes:
    """A PDF of a thousandth of the size of its own table of objects."""
    table = zlib.compress(bytes(4 * rows), 9)
    head = b"%PDF-1.7\n"
    about = b"<< /Type /XRef /W [1 2 1] /Size %d /Root 2 0 R /Filter /FlateDecode /Length %d >>" % (rows, len(table))
    stream = b"1 0 obj\n" + about + b"\nstream\n" + table + b"\nendstream\nendobj\n"
    return head + stream + b"startxref\n%d\n%%%%EOF\n" % len(head)


def fields(depth: int) -> bytes:
    """A PDF whose form has 2^depth fields: each names the next twice."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [3 0 R] >> >>",
        b"<< /Type /Pages /Kids [] /Count 0 >>",
    ]
    objects += [b"<< /T (a) /Kids [%d 0 R %d 0 R] >>" % (number, number) for number in range(4, 4 + depth)]
    objects.append(b"<< /T (z) /FT /Sig /V << /Type /Sig /ByteRange [0 1 2 3] /Contents <00> >> >>")
    out, places = b"%PDF-1.7\n", []
    for number, about in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, about)
    rows = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    table = b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\n" % (size, rows, size)
    return out + table + b"startxref\n%d\n%%%%EOF\n" % len(out)


def attributes(count: int) -> bytes:
    """One element whose attributes take the canonical form's sorting quadratic time."""
    return b"<r " + b" ".join(b'a%d=""' % number for number in range(count, 0, -1)) + b"/>"


PDFS = {"cross references": cross_references(1 << 26), "fields": fields(40)}


@pytest.fixture(scope="module")
def confinement() -> Iterator[Confinement]:
    with Confinement(seconds=2) as made:
        yield made


@pytest.fixture
def rooms(confinement: Confinement, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rooms:
    monkeypatch.setattr(tests.rooms, "confinement", lambda: confinement)
    return tests.rooms.rooms_in(tmp_path)


def do(rooms: Rooms, verb: Any, request: Any) -> Any:
    return asyncio.run(verb(call_of("ten_a", rooms.clock), request))


@pytest.mark.parametrize("name", PDFS)
def test_a_pdf_that_costs_too_much_is_not_valid(rooms: Rooms, name: str) -> None:
    assert len(PDFS[name]) < 300_000
    view = do(rooms, rooms.signature.pdf.verify, pdf.VerifyPdf(pdf=PDFS[name]))
    assert not view.valid and [reason.code for reason in view.reasons] == [TOO_COSTLY]


def test_nor_is_it_kept_or_signed(rooms: Rooms) -> None:
    do(rooms, rooms.signature.create_signer, s.CreateSigner(name="approval", subject={"CN": "Approval"}))
    with pytest.raises(NotVerified, match="more time or memory"):
        do(rooms, rooms.signature.archive.keep, a.KeepRequest(name="x", signed=PDFS["fields"], kind="pdf"))
    with pytest.raises(InvalidArgument) as refused:
        do(rooms, rooms.signature.pdf.sign, pdf.SignPdf(signer="approval", pdf=PDFS["fields"]))
    assert refused.value.field == "pdf" and "时间或内存" in refused.value.message.zh


def test_an_xml_document_that_costs_too_much_is_not_signed(rooms: Rooms) -> None:
    do(rooms, rooms.signature.create_signer, s.CreateSigner(name="approval", subject={"CN": "Approval"}))
    document = attributes(300_000)
    with pytest.raises(InvalidArgument) as refused:
        do(rooms, rooms.signature.xml.sign, xml.SignXml(signer="approval", xml=document))
    assert refused.value.field == "xml" and "时间或内存" in refused.value.message.zh
    assert do(rooms, rooms.signature.xml.sign, xml.SignXml(signer="approval", xml=attributes(10))).xml
