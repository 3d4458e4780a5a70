"""A signature as XML, from what is signed to the element."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from lxml import etree

from miyun.core.confinement import Refused
from miyun.offerings.signature.xml.documents import Element, canonical, parse_document, signatures_in, tag, to_bytes
from miyun.offerings.signature.xml.model import DS, ENVELOPED, EXCLUSIVE, METHODS, Prepared
from miyun.wire.algorithm import SignatureAlgorithm

_VALUE = "@"  # where the signature's value will stand


def enveloped(xml: bytes, algorithm: str, certificates: list[bytes]) -> Prepared:
    """Over the whole document, to be its last child. A document that has a signature is not signed again: the first
    would not verify any more. `algorithm`: the name of a SignatureAlgorithm; `certificates`: DER. Raises Refused."""
    root = parse_document(xml)
    if signatures_in(root):
        raise Refused("xml_signed")
    signature = _signature("", (ENVELOPED, EXCLUSIVE), canonical(root), algorithm, certificates)
    root.append(signature)
    return _prepared(signature, root)


def detached(content: bytes, uri: str, algorithm: str, certificates: list[bytes]) -> Prepared:
    """Over the octets of a file, which `uri` names. Parameters as of `enveloped`."""
    signature = _signature(uri, (), content, algorithm, certificates)
    return _prepared(signature, signature)


def _prepared(signature: Element, root: Element) -> Prepared:
    # Behind the last value there are certificates and closing tags: no text of the document's.
    before, after = to_bytes(root).rsplit(f">{_VALUE}<".encode(), 1)
    return Prepared(before + b">", b"<" + after, canonical(signature[0]))


def _signature(
    uri: str,
    transforms: Sequence[str],
    content: bytes,
    name: str,
    certificates: Sequence[bytes],
) -> Element:
    algorithm = SignatureAlgorithm[name]
    signature_method, digest_method = METHODS[algorithm]
    digest = algorithm.digest_algorithm.digest(content)
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
    _text(signature, "SignatureValue", _VALUE)
    data = etree.SubElement(etree.SubElement(signature, tag("KeyInfo")), tag("X509Data"))
    for certificate in certificates:
        _text(data, "X509Certificate", base64.b64encode(certificate).decode())
    return signature


def _text(parent: Element, name: str, text: str) -> None:
    etree.SubElement(parent, tag(name)).text = text
