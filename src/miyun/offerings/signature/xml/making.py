"""A signature as XML, from what is signed to the element."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from lxml import etree

from miyun.offerings.signature.xml.documents import Element, canonical, parse_document, signatures_in, tag, to_bytes
from miyun.offerings.signature.xml.model import DS, ENVELOPED, EXCLUSIVE, METHODS, XmlRefused
from miyun.wire import der
from miyun.wire.algorithm import SignatureAlgorithm
from miyun.wire.x509 import Certificate


@dataclass(frozen=True, slots=True)
class Prepared:
    """A signature that waits for its value; `to_sign`: SignedInfo in canonical form. `root` None: detached."""

    signature: Element
    to_sign: bytes
    algorithm: SignatureAlgorithm
    root: Element | None


def enveloped(xml: bytes, algorithm: SignatureAlgorithm, certificates: Sequence[Certificate]) -> Prepared:
    """Over the whole document, to be its last child. A document that has a signature is not signed again: the first
    would not verify any more. Raises XmlRefused."""
    root = parse_document(xml)
    if signatures_in(root):
        raise XmlRefused("xml_signed")
    digest = algorithm.digest_algorithm.digest(canonical(root))
    signature = _signature("", (ENVELOPED, EXCLUSIVE), digest, algorithm, certificates)
    root.append(signature)
    return Prepared(signature, canonical(signature[0]), algorithm, root)


def detached(content: bytes, uri: str, algorithm: SignatureAlgorithm, certificates: Sequence[Certificate]) -> Prepared:
    """Over the octets of a file, which `uri` names."""
    digest = algorithm.digest_algorithm.digest(content)
    signature = _signature(uri, (), digest, algorithm, certificates)
    return Prepared(signature, canonical(signature[0]), algorithm, None)


def finish(prepared: Prepared, value: bytes) -> bytes:
    """The document, or for a detached signature the element alone. `value`: DER for SM2 and ECDSA, raw for RSA."""
    if prepared.algorithm.scheme in ("sm2", "ecdsa"):
        value = fixed(value)
    _text(prepared.signature, "SignatureValue", base64.b64encode(value).decode(), at=1)
    return to_bytes(prepared.root if prepared.root is not None else prepared.signature)


def fixed(signature: bytes) -> bytes:
    """r ‖ s of 32 octets each, as XMLDSig 1.1 6.4.3 has ECDSA; SM2 does alike."""
    reader = der.Reader(signature).enter()
    return b"".join(reader.integer().to_bytes(32, "big") for _ in range(2))


def _signature(
    uri: str,
    transforms: Sequence[str],
    digest: bytes,
    algorithm: SignatureAlgorithm,
    certificates: Sequence[Certificate],
) -> Element:
    signature_method, digest_method = METHODS[algorithm]
    signature = etree.Element(tag("Signature"), nsmap={"ds": DS})
    info = etree.SubElement(signature, tag("SignedInfo"))
    etree.SubElement(info, tag("CanonicalizationMethod"), Algorithm=EXCLUSIVE)
    etree.SubElement(info, tag("SignatureMethod"), Algorithm=signature_method)
    reference = etree.SubElement(info, tag("Reference"), URI=uri)
    if transforms:
        listed = etree.SubElement(reference, tag("Transforms"))
        for transform in transforms:
            etree.SubElement(listed, tag("Transform"), Algorithm=transform)
    etree.SubElement(reference, tag("DigestMethod"), Algorithm=digest_method)
    _text(reference, "DigestValue", base64.b64encode(digest).decode())
    data = etree.SubElement(etree.SubElement(signature, tag("KeyInfo")), tag("X509Data"))
    for certificate in certificates:
        _text(data, "X509Certificate", base64.b64encode(certificate.der).decode())
    return signature


def _text(parent: Element, name: str, text: str, at: int | None = None) -> None:
    element = etree.SubElement(parent, tag(name))
    element.text = text
    if at is not None:
        parent.insert(at, element)
