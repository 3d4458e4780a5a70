"""Files of all kinds into lines; what holds no text is refused with a reason."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from pathlib import Path

import docx
import pytest
from docx.oxml import OxmlElement
from docx.oxml.ns import qn

from miyun.delivery.contract import document
from miyun.delivery.contract.checker import check
from miyun.delivery.contract.document import UnreadableDocument
from miyun.delivery.contract.render import check_json, to_json

EXAMPLE = Path(__file__).parents[4] / "examples" / "contracts" / "contract.txt"


def _pdf(pages: list[list[str]], *, picture: bool = False) -> bytes:
    """A small PDF whose Chinese text can be copied: a Type 0 font with a ToUnicode map, or only a picture."""
    characters = sorted({c for page in pages for line in page for c in line})
    codes = {c: i + 1 for i, c in enumerate(characters)}
    objects: list[bytes] = []

    def add(body: bytes) -> int:
        objects.append(body)
        return len(objects)

    def stream(data: bytes, extra: bytes = b"") -> bytes:
        packed = zlib.compress(data)
        return b"<< /Length %d /Filter /FlateDecode %s>>\nstream\n%s\nendstream" % (len(packed), extra, packed)

    pairs = "\n".join(f"<{i:04x}> <{ord(c):04x}>" for c, i in codes.items())
    cmap = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def /CMapType 2 def\n"
        "1 begincodespacerange <0000> <ffff> endcodespacerange\n"
        f"{len(codes)} beginbfchar\n{pairs}\nendbfchar endcmap end end"
    )
    widths = " ".join(f"{i} [{1000 if ord(c) > 255 else 500}]" for c, i in codes.items())
    unicode_map = add(stream(cmap.encode()))
    descendant = add(
        b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /SimSun /DW 1000 /W [%s] "
        b"/CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> >>" % widths.encode()
    )
    font = add(
        b"<< /Type /Font /Subtype /Type0 /BaseFont /SimSun /Encoding /Identity-H "
        b"/DescendantFonts [%d 0 R] /ToUnicode %d 0 R >>" % (descendant, unicode_map)
    )
    image = add(
        stream(
            b"\x00", b"/Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8 "
        )
    )
    parent = len(objects) + 2 * len(pages) + 1
    kids = []
    for page in pages:
        rows = []
        for row, line in enumerate(page):
            hexed = "".join(f"{codes[c]:04x}" for c in line)
            rows.append(f"BT /F1 10 Tf 1 0 0 1 40 {800 - 14 * row} Tm <{hexed}> Tj ET")
        content = add(stream("\n".join(rows).encode() if not picture else b"q 500 0 0 700 0 0 cm /I Do Q"))
        kids.append(
            add(
                b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 900 842] /Contents %d 0 R "
                b"/Resources << /Font << /F1 %d 0 R >> /XObject << /I %d 0 R >> >> >>" % (parent, content, font, image)
            )
        )
    add(b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), b" ".join(b"%d 0 R" % k for k in kids)))
    catalog = add(b"<< /Type /Catalog /Pages %d 0 R >>" % parent)
    out, offsets = io.BytesIO(), []
    out.write(b"%PDF-1.7\n")
    for number, body in enumerate(objects, 1):
        offsets.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    out.write(b"".join(b"%010d 00000 n \n" % o for o in offsets))
    out.write(b"trailer << /Size %d /Root %d 0 R >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, catalog, start))
    return out.getvalue()


def _paged(text: str) -> list[list[str]]:
    lines = text.split("\n")
    return [[*lines[i : i + 50], f"第 {i // 50 + 1} 页"] for i in range(0, len(lines), 50)]


def test_a_text_pdf_says_the_same_as_its_text(layout: Callable[[str], str], tmp_path: Path) -> None:
    text = layout("decimal_pipes")
    (tmp_path / "c.txt").write_text(text, "utf-8")
    (tmp_path / "c.pdf").write_bytes(_pdf(_paged(text)))
    one, two = check_json(tmp_path / "c.txt"), check_json(tmp_path / "c.pdf")
    for key in ("total", "services", "payments"):
        plain = [one["contract"][key], two["contract"][key]]
        if key != "total":
            keys = (
                ("name", "amount", "quantity") if key == "services" else ("amount", "due", "clause", "capitals_amount")
            )
            plain = [[{k: item[k] for k in keys} for item in side] for side in plain]
        assert plain[0] == plain[1]
    assert [f for f in two["findings"] if f["severity"] == "error"] == []


def test_a_table_aligned_by_blanks_survives_a_pdf(layout: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "c.pdf").write_bytes(_pdf(_paged(layout("chapters_aligned"))))
    services = check_json(tmp_path / "c.pdf")["contract"]["services"]
    assert [(s["name"], s["amount"]) for s in services] == [
        ("签名验签服务", "42500.00"),
        ("强身份认证服务", "36000.00"),
        ("应用接入服务", "20000.00"),
    ]


def _docx(text: str) -> bytes:
    """The layout with real Word tables and automatic numbers for 第N条."""
    paper = docx.Document()
    rows: list[list[str]] = []

    def flush() -> None:
        if rows:
            table = paper.add_table(rows=0, cols=len(rows[0]))
            for row in rows:
                for cell, value in zip(table.add_row().cells, row, strict=True):
                    cell.text = value
            rows.clear()

    for line in text.split("\n"):
        if "\t" in line:
            rows.append(line.split("\t"))
            continue
        flush()
        paper.add_paragraph(line)
    flush()
    buffer = io.BytesIO()
    paper.save(buffer)
    return buffer.getvalue()


def test_a_docx_with_tables_says_the_same_as_its_text(layout: Callable[[str], str], tmp_path: Path) -> None:
    text = layout("articles")
    (tmp_path / "c.txt").write_text(text, "utf-8")
    (tmp_path / "c.docx").write_bytes(_docx(text))
    assert check_json(tmp_path / "c.txt")["contract"] == check_json(tmp_path / "c.docx")["contract"]


def test_automatic_numbers_of_word_are_read(tmp_path: Path) -> None:
    paper = docx.Document()
    numbering = paper.part.numbering_part.element
    abstract = OxmlElement("w:abstractNum")
    abstract.set(qn("w:abstractNumId"), "90")
    for level, (style, text) in enumerate((("chineseCounting", "第%1条"), ("decimal", "%2."))):
        item = OxmlElement("w:lvl")
        item.set(qn("w:ilvl"), str(level))
        for tag, value in (("w:start", "1"), ("w:numFmt", style), ("w:lvlText", text)):
            child = OxmlElement(tag)
            child.set(qn("w:val"), value)
            item.append(child)
        abstract.append(item)
    numbering.insert(0, abstract)
    number = OxmlElement("w:num")
    number.set(qn("w:numId"), "91")
    reference = OxmlElement("w:abstractNumId")
    reference.set(qn("w:val"), "90")
    number.append(reference)
    numbering.append(number)
    for level, text in ((0, "总则"), (1, "定义"), (1, "解释"), (0, "价款"), (1, "合同总价为人民币100元。")):
        paragraph = paper.add_paragraph(text)
        properties = paragraph._p.get_or_add_pPr().get_or_add_numPr()
        properties.get_or_add_ilvl().val = level
        properties.get_or_add_numId().val = 91
    paper.save(str(tmp_path / "c.docx"))
    result = check(tmp_path / "c.docx")
    assert [c.label for c in result.tree.clauses[1:]] == ["第一条", "第一条 1", "第一条 2", "第二条", "第二条 1"]
    assert result.contract.total is not None and result.contract.total.clause == "第二条 1"


def test_tracked_changes_are_said(tmp_path: Path) -> None:
    paper = docx.Document()
    paragraph = paper.add_paragraph("合同总价为人民币")
    for tag, text, kind in (("w:del", "200元", "w:delText"), ("w:ins", "100元", "w:t")):
        change, run, words = OxmlElement(tag), OxmlElement("w:r"), OxmlElement(kind)
        words.text = text
        run.append(words)
        change.append(run)
        paragraph._p.append(change)
    paper.save(str(tmp_path / "c.docx"))
    result = check(tmp_path / "c.docx")
    assert result.document.text.strip() == "合同总价为人民币100元"
    assert "tracked_changes" in {f.kind for f in result.findings}


def test_a_signature_table_of_two_columns_is_read_party_by_party(tmp_path: Path) -> None:
    paper = docx.Document()
    table = paper.add_table(rows=2, cols=2)
    for row, cells in enumerate((("甲方：东城局", "乙方：西城公司"), ("地址：东街1号", "地址：西街2号"))):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    paper.save(str(tmp_path / "c.docx"))
    client, supplier = check(tmp_path / "c.docx").contract.parties
    assert (client.fields["address"].value, supplier.fields["address"].value) == ("东街1号", "西街2号")


def _empty_docx() -> bytes:
    buffer = io.BytesIO()
    docx.Document().save(buffer)
    return buffer.getvalue()


UNREADABLE = {
    "scan.pdf": _pdf([[]], picture=True),
    "damaged.pdf": b"%PDF-1.7\nnothing of a PDF follows",
    "empty.txt": b"",
    "blank.txt": b"  \n\n",
    "binary.txt": bytes(range(256)) * 20,
    "image.txt": b"\x89PNG\r\n\x1a\n" + b"\x00" * 64,
    "old.doc": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 512,
    "notreally.docx": b"PK\x03\x04" + b"\x00" * 64,
    "nothing.docx": _empty_docx(),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_holds_no_text_is_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(UNREADABLE[name])
    with pytest.raises(UnreadableDocument) as caught:
        check(tmp_path / name)
    message = caught.value.message
    assert name in message.zh and name in message.en
    assert caught.value.reason.zh and caught.value.reason.en


def test_a_scanned_page_among_text_is_refused_by_its_number() -> None:
    mixed = _pdf([["合同总价为人民币100元。"], []])
    # The second page has no text; with the picture in its resources it is a scan.
    with pytest.raises(UnreadableDocument, match="page 2"):
        document.read_bytes(mixed, "mixed.pdf")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.txt", tmp_path):
        with pytest.raises(UnreadableDocument):
            check(path)


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "huge.txt"
    with path.open("wb") as file:
        file.truncate(document.MAX_BYTES + 1)
    with pytest.raises(UnreadableDocument):
        check(path)


def test_cells_broken_over_lines_are_put_together(layout: Callable[[str], str], tmp_path: Path) -> None:
    text = layout("articles").replace("强身份认证服务\t数字证书登录认证", "强身份\n认证服务\t数字证书\n登录认证")
    text = text.replace("基于 USBKey 的数字证书登录\n", "基于 USBKey 的\n数字证书登录\n")
    (tmp_path / "c.txt").write_text(text, "utf-8")
    first = check(tmp_path / "c.txt").contract.services[0]
    assert (first.name, first.description, first.remark) == (
        "强身份认证服务",
        "数字证书登录认证",
        "基于 USBKey 的数字证书登录",
    )
    assert len(check(tmp_path / "c.txt").contract.services) == 5


def test_an_annex_in_a_file_of_its_own_completes_the_contract(tmp_path: Path) -> None:
    whole = EXAMPLE.read_text("utf-8")
    at = whole.index("\n附件一：服务与价格明细")
    body, annex = tmp_path / "body.txt", tmp_path / "annex.txt"
    body.write_text(whole[:at], "utf-8")
    annex.write_text(whole[at:], "utf-8")
    alone = check(body)
    assert all(line.quantity is None and line.amount is None for line in alone.contract.services)
    assert any("annex" in finding.kind or "services" in finding.kind for finding in alone.findings)
    assert to_json(check(body, [annex]))["contract"] == to_json(check(EXAMPLE))["contract"]


def test_the_examples_are_read_without_an_error_and_each_row_is_a_service_of_its_own() -> None:
    for file in sorted(EXAMPLE.parent.glob("*.txt")):
        result = check(file)
        assert result.exit_code == 0, file
        offerings = [service["offering"] for service in to_json(result)["contract"]["services"]]
        assert None not in offerings and len(set(offerings)) == len(offerings), file
