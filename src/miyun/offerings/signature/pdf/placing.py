"""A new revision of a PDF file with room for a signature."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime

from asn1crypto import crl, ocsp, x509
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.sign.fields import SigFieldSpec, SigSeedSubFilter, enumerate_sig_fields
from pyhanko.sign.general import SigningError
from pyhanko.sign.signers.cms_embedder import PdfCMSEmbedder, SigAppearanceSetup, SigIOSetup, SigObjSetup
from pyhanko.sign.signers.pdf_byterange import SignatureObject
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko.stamp import TextStampStyle

from miyun.core.confinement import Refused
from miyun.offerings.signature.pdf.model import MAX_SIGNATURES, RESERVED, Appearance, PdfFormat, Placed

_FILTERS = {"pades": SigSeedSubFilter.PADES, "pkcs7": SigSeedSubFilter.ADOBE_PKCS7_DETACHED}


def place(
    pdf: bytes,
    form: PdfFormat,
    at: datetime,
    name: str,
    reason: str = "",
    location: str = "",
    appearance: Appearance | None = None,
) -> Placed:
    """Raises Refused."""
    try:
        writer = IncrementalPdfFileWriter(io.BytesIO(pdf), strict=False)
        if writer.prev.encrypted:
            raise Refused("pdf_encrypted")
        taken = {str(found[0]) for found in enumerate_sig_fields(writer.prev)}
        if len(taken) >= MAX_SIGNATURES:
            raise Refused("pdf_unreadable", f"more than {MAX_SIGNATURES} signature fields")
        field = _free_name(sorted(taken))
        spec = SigFieldSpec(
            field, on_page=appearance.page if appearance else 0, box=appearance.box if appearance else None
        )
        steps = PdfCMSEmbedder(new_field_spec=spec).write_cms(field, writer)
        next(steps)
        signature = SignatureObject(
            timestamp=at,
            subfilter=_FILTERS[form],
            name=name,
            reason=reason or None,
            location=location or None,
            bytes_reserved=2 * RESERVED,
        )
        steps.send(SigObjSetup(sig_placeholder=signature, appearance_setup=_shown(appearance, at)))
        prepared, output = steps.send(SigIOSetup(md_algorithm="sha256"))
    except (
        PdfError,
        SigningError,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        if isinstance(error, Refused):
            raise
        raise Refused("pdf_unreadable", str(error)[:200]) from None
    return Placed(output.getvalue(), prepared.reserved_region_start, prepared.reserved_region_end, field)


def add_material(
    pdf: bytes, message: bytes, certificates: list[bytes], lists: list[bytes], answers: list[bytes]
) -> bytes:
    """A revision with a document security store (ETSI EN 319 142-1 5.4) for the signature whose contents are `message`.
    Certificates, revocation lists and OCSP answers are DER."""
    out = io.BytesIO(pdf)
    DocumentSecurityStore.add_dss(
        out,
        message,
        certs=[x509.Certificate.load(item) for item in certificates],
        crls=[crl.CertificateList.load(item) for item in lists],
        ocsps=[ocsp.OCSPResponse.load(item) for item in answers],
        strict=False,
    )
    return out.getvalue()


def _free_name(taken: Sequence[str]) -> str:
    return next(name for number in range(1, len(taken) + 2) if (name := f"Signature{number}") not in taken)


def _shown(appearance: Appearance | None, at: datetime) -> SigAppearanceSetup | None:
    if appearance is None:
        return None
    style = TextStampStyle(stamp_text="%(text)s\n%(ts)s", timestamp_format="%Y-%m-%d %H:%M:%S %z")
    return SigAppearanceSetup(style=style, timestamp=at, name=None, text_params={"text": appearance.text})
