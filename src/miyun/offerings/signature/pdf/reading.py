"""The signatures of a PDF file, and what of the file each is over. Nothing is judged here."""

from __future__ import annotations

import io

from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import DEFAULT_DIFF_POLICY, SuspiciousModification
from pyhanko.sign.fields import enumerate_sig_fields
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.status import SignatureCoverageLevel

from miyun.core.confinement import Refused
from miyun.offerings.signature.pdf.model import MAX_SIGNATURES, Coverage, Found

_COVERAGE: dict[SignatureCoverageLevel, Coverage] = {
    SignatureCoverageLevel.ENTIRE_FILE: "file",
    SignatureCoverageLevel.ENTIRE_REVISION: "revision",
}


def signatures(pdf: bytes) -> list[Found]:
    """Every signature and document time-stamp, oldest first. Raises Refused."""
    try:
        reader = PdfFileReader(io.BytesIO(pdf), strict=False)
        if reader.encrypted:
            raise Refused("pdf_encrypted")
        embedded = list(reader.embedded_signatures)
        if len(embedded) > MAX_SIGNATURES:
            raise Refused("pdf_unreadable", f"more than {MAX_SIGNATURES} signatures")
        read = [_found(pdf, item) for item in embedded]
        names = {item.name for item in read}
        # Of a kind that pyHanko does not read (a seal, an old format): it is there, and nobody here can vouch for it.
        filled = (str(found[0]) for found in enumerate_sig_fields(reader, filled_status=True))
        return [*read, *(Found(name, "", b"", b"", "none") for name in filled if name not in names)]
    except Refused:
        raise
    except (
        PdfError,
        SignatureValidationError,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        AssertionError,
        RecursionError,
    ) as error:
        raise Refused("pdf_unreadable", str(error)[:200]) from None


def _found(pdf: bytes, item: EmbeddedPdfSignature) -> Found:
    document = item.sig_object_type == "/DocTimeStamp"
    kind = "DocTimeStamp" if document else str(item.sig_object.get("/SubFilter", "")).lstrip("/")
    name, padded = str(item.field_name), bytes(item.pkcs7_content)
    message = _without_padding(padded)
    signed = _signed(pdf, [int(number) for number in item.byte_range], padded)
    if signed is None:
        return Found(name, kind, message, b"", "none")
    level = item.evaluate_signature_coverage()
    item.coverage = level  # type: ignore[assignment]  # what came later is judged by it
    coverage = _COVERAGE.get(level, "none")
    modified = ""
    if coverage == "revision":
        changes = item.evaluate_modifications(DEFAULT_DIFF_POLICY)
        modified = str(changes) if isinstance(changes, SuspiciousModification) else ""
    return Found(name, kind, message, signed, coverage, modified[:200])


def _signed(pdf: bytes, ranges: list[int], padded: bytes) -> bytes | None:
    """The octets that the signature is over, unless anything but the signature itself is left out between them."""
    if len(ranges) != 4 or min(ranges) < 0:
        return None
    first, size, second, rest = ranges
    if first != 0 or second + rest > len(pdf) or size > second:
        return None
    gap = pdf[size:second]
    if gap[:1] != b"<" or gap[-1:] != b">" or gap[1:-1].lower() != padded.hex().encode():
        return None
    return pdf[:size] + pdf[second : second + rest]


def _without_padding(padded: bytes) -> bytes:
    """The DER element at the beginning: what follows it is room that was not needed."""
    if len(padded) < 2 or padded[1] == 0x80:
        return padded.rstrip(b"\0")
    size = padded[1]
    start = 2
    if size & 0x80:
        count = size & 0x7F
        size = int.from_bytes(padded[2 : 2 + count], "big")
        start += count
    return padded[: start + size]
