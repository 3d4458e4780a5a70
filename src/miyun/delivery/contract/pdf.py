"""Text of a PDF by pypdf. A page that shows only a picture makes the whole file unreadable: nothing may be missing."""

from __future__ import annotations

import io
import logging
import re

import pypdf
from pypdf._text_extraction import _layout_mode  # where letters stand: pypdf has no public name for it
from pypdf.generic import ContentStream

from miyun.core.i18n import Text
from miyun.delivery.contract.pdf_lines import Piece, assemble

_PAGE_NUMBER = re.compile(
    r"^\s*(?:[-—–]\s*\d{1,4}\s*[-—–]|第\s*\d+\s*页(?:\s*[,，/]?\s*共\s*\d+\s*页)?|\d{1,3}\s*/\s*\d{1,3})\s*$"
)


def extract(data: bytes, name: str) -> str:
    """All pages' text, one line a line; columns keep their distance so that tables can be told."""
    from miyun.delivery.contract.document import MAX_PAGES, UnreadableDocument

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise UnreadableDocument(name, Text("PDF 已加密。", "the PDF is encrypted."))
        count = len(reader.pages)
        if count > MAX_PAGES:
            raise UnreadableDocument(name, Text(f"超过 {MAX_PAGES} 页。", f"more than {MAX_PAGES} pages."))
        texts, pictures = [], []
        for number, page in enumerate(reader.pages, 1):
            text = _page_text(page)
            if len(re.sub(r"\s", "", text)) < 4 and _has_picture(page):
                pictures.append(str(number))
            texts.append(text)
    except UnreadableDocument:
        raise
    except Exception:
        # pypdf raises whatever a broken file provokes; the user needs one answer.
        raise UnreadableDocument(name, Text("PDF 已损坏。", "the PDF is damaged.")) from None
    if pictures:
        pages = ", ".join(pictures[:10]) + (" …" if len(pictures) > 10 else "")
        raise UnreadableDocument(
            name, Text(f"第 {pages} 页是扫描图像，没有文字。", f"page {pages} is a scanned image without text.")
        )
    if not "".join(texts).strip():
        raise UnreadableDocument(name, Text("PDF 中没有文字（扫描件）。", "the PDF holds no text (a scan)."))
    lines = [line for text in texts for line in text.split("\n") if not _PAGE_NUMBER.match(line)]
    return "\n".join(lines)


def _page_text(page: pypdf.PageObject) -> str:
    try:
        return "\n".join(assemble(_pieces(page)))
    except Exception:
        # The layout mode knows fewer fonts than the plain one.
        return page.extract_text()


def _pieces(page: pypdf.PageObject) -> list[Piece]:
    contents = page.get_contents()
    if contents is None:
        return []
    operations = iter(ContentStream(contents, page.pdf, "bytes").operations)
    groups = _layout_mode.text_show_operations(operations, page._layout_mode_fonts(), True, None)
    return [Piece(g["tx"], g["displaced_tx"], g["ty"] * g["flip_sort"], g["font_height"], g["text"]) for g in groups]


def _has_picture(page: pypdf.PageObject) -> bool:
    resources = page.get("/Resources")
    objects = resources.get_object().get("/XObject") if resources is not None else None
    if objects is None:
        return False
    return any(ref.get_object().get("/Subtype") in ("/Image", "/Form") for ref in objects.get_object().values())
