"""Signed files of others: XML documents and PDF files."""

from __future__ import annotations

import base64

from tests.fuzz.target import Target
from tests.unit.wire.authority import NOW, RSA, SM2, pki

from miyun.core.confinement import Refused
from miyun.gm import sm3
from miyun.offerings.signature.operations import CALLS
from miyun.offerings.signature.pdf import placing, reading
from miyun.offerings.signature.pdf.operations import operations
from miyun.offerings.signature.xml import checking, making
from miyun.wire import cms


def _xml() -> list[bytes]:
    signed = []
    for algorithm in (SM2, RSA):
        leaf = pki(algorithm).leaf
        prepared = making.enveloped(
            '<a xmlns:b="urn:b">批复<b:c/></a>'.encode(), algorithm.name, [leaf.certificate.der]
        )
        signed.append(prepared.finished(algorithm, leaf.key.sign(prepared.to_sign)))
    return signed


def _pdf() -> list[bytes]:
    leaf = pki().leaf
    [sign, _] = operations(CALLS, frozenset())
    placed = placing.place(base64.b64decode(sign.example["pdf"]), "pkcs7", NOW, "x")
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
    Target("signed XML", lambda data: checking.check(data, None), _xml, (Refused,), prefixes_refused=False),
    Target("signed PDF", reading.signatures, _pdf, (Refused,), prefixes_refused=False),
]
