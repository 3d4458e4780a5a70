"""Signed files of others: XML documents and PDF files."""

from __future__ import annotations

import base64

from tests.fuzz.target import Target
from tests.unit.wire.authority import NOW, RSA, SM2, pki

from miyun.gm import sm3
from miyun.offerings.signature.operations import CALLS
from miyun.offerings.signature.pdf import placing, reading
from miyun.offerings.signature.pdf.model import PdfRefused
from miyun.offerings.signature.pdf.operations import operations
from miyun.offerings.signature.xml import checking, making
from miyun.offerings.signature.xml.model import XmlRefused
from miyun.wire import cms


def _xml() -> list[bytes]:
    signed = []
    for algorithm in (SM2, RSA):
        leaf = pki(algorithm).leaf
        prepared = making.enveloped('<a xmlns:b="urn:b">批复<b:c/></a>'.encode(), algorithm, [leaf.certificate])
        signed.append(making.finish(prepared, leaf.key.sign(prepared.to_sign)))
    return signed


def _pdf() -> list[bytes]:
    leaf = pki().leaf
    [sign, _] = operations(CALLS, frozenset())
    placed = placing.place(base64.b64decode(sign.example["pdf"]), "pkcs7", at=NOW, name="x")
    attributes = cms.signed_attributes_to_sign(sm3.digest(placed.signed))
    message = cms.assemble(
        certificate=leaf.certificate,
        algorithm=SM2,
        signature=leaf.key.sign(attributes),
        content=None,
        signed_attributes=attributes,
        certificates=[leaf.certificate],
    )
    return [placed.filled(message)]


TARGETS = [
    Target("signed XML", lambda data: checking.check(data, None), _xml, (XmlRefused,), prefixes_refused=False),
    Target("signed PDF", reading.signatures, _pdf, (PdfRefused,), prefixes_refused=False),
]
