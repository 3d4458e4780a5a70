"""Whether an XML signature is right, over what, and by whose certificate. A certificate is judged elsewhere.

Only one form is taken, so that what is signed is never in question: one signature, a child of the root over the whole
document without it, or alone over content that the verifier brings. Wrapped signatures have no place in it.
"""

from __future__ import annotations

import base64
import binascii
import copy
import hmac

from cryptography import x509 as cryptography_x509
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.verifier import SignatureConfiguration, XMLVerifier

from miyun.core.confinement import Refused
from miyun.gm.errors import InvalidSignature
from miyun.offerings.signature.xml.documents import Element, canonical, parse_document, signatures_in, tag
from miyun.offerings.signature.xml.model import (
    ECDSA_SHA256,
    ENVELOPED,
    EXCLUSIVE,
    RSA_SHA256,
    SHA256,
    SM2_SM3,
    SM3,
    Verified,
)
from miyun.wire import der, spki
from miyun.wire.algorithm import DigestAlgorithm as OurDigest
from miyun.wire.algorithm import SignatureAlgorithm
from miyun.wire.errors import DecodeError
from miyun.wire.x509 import Certificate, parse_certificate

_METHODS = frozenset({SignatureMethod.RSA_SHA256, SignatureMethod.ECDSA_SHA256})


class _Verifier(XMLVerifier):
    """signxml writes documents in ASCII to copy them, which no element with a Chinese name survives."""

    def _tostring(self, xml_node, **options):
        return etree.tostring(xml_node, encoding="UTF-8", **options)


def check(xml: bytes, content: bytes | None) -> Verified:
    """`content`: what a detached signature is over. Raises Refused."""
    root = parse_document(xml)
    found = signatures_in(root)
    if not found:
        raise Refused("no_signature")
    if len(found) > 1:
        raise Refused("xml_form", "more than one signature")
    [signature] = found
    is_detached = signature is root
    if not is_detached and signature.getparent() is not root:
        raise Refused("xml_form", "the signature is not a child of the document's root")
    if is_detached and content is None:
        raise Refused("no_content")
    if not is_detached and content is not None:
        raise Refused("xml_form", "the signature is over the document, not over other content")
    method = _checked_form(signature, is_detached)
    certificates = _certificates(signature)
    if method == SM2_SM3:
        signed = _check_sm2(root, signature, certificates[0], content)
    else:
        signed = _check_by_signxml(root, signature, certificates[0], content)
    return Verified(tuple(item.der for item in certificates), method, signed)


def _checked_form(signature: Element, is_detached: bool) -> str:
    """The signature method, when the form is ours."""
    info = _only(signature, "SignedInfo")
    _only(signature, "SignatureValue")
    c14n = _only(info, "CanonicalizationMethod").get("Algorithm")
    reference = _only(info, "Reference")
    transforms = [item.get("Algorithm") for item in reference.iter(tag("Transform"))]
    uri = reference.get("URI")
    # Inclusive canonical form is not taken: that of libxml2 has namespace declarations that do not belong there.
    if c14n != EXCLUSIVE:
        raise Refused("xml_form", f"canonicalization {c14n}")
    if is_detached:
        if not uri or uri.startswith("#") or transforms:
            raise Refused("xml_form", "a detached signature names a file and transforms nothing")
    else:
        if uri != "" or transforms != [ENVELOPED, EXCLUSIVE]:
            raise Refused("xml_form", "the reference is not to the whole document without the signature")
    method, digest = _only(info, "SignatureMethod").get("Algorithm"), _only(reference, "DigestMethod").get("Algorithm")
    if (method, digest) not in ((SM2_SM3, SM3), (RSA_SHA256, SHA256), (ECDSA_SHA256, SHA256)):
        raise Refused("xml_form", f"algorithms {method} and {digest}")
    return str(method)


def _only(parent: Element, name: str) -> Element:
    found = parent.findall(tag(name))
    if len(found) != 1:
        raise Refused("xml_form", f"exactly one {name}")
    return found[0]


def _certificates(signature: Element) -> tuple[Certificate, ...]:
    """The signer's first."""
    found: list[Certificate] = []
    for item in signature.iterfind(f"{tag('KeyInfo')}/{tag('X509Data')}/{tag('X509Certificate')}"):
        try:
            found.append(parse_certificate(_octets(item)))
        except DecodeError as error:
            if not found:
                raise Refused("no_certificate", str(error)) from None
        if len(found) > 16:
            raise Refused("xml_form", "too many certificates")
    if not found:
        raise Refused("no_certificate")
    return tuple(found)


def _octets(element: Element) -> bytes:
    try:
        return base64.b64decode("".join((element.text or "").split()), validate=True)
    except (binascii.Error, ValueError):
        raise Refused("xml_form", "not base64") from None


def _without(root: Element, signature: Element) -> Element:
    """A copy of the document without its signature; the text behind it stays."""
    place = root.index(signature)
    duplicate = copy.deepcopy(root.getroottree()).getroot()
    gone = duplicate[place]
    if gone.tail:
        before = gone.getprevious()
        if before is not None:
            before.tail = (before.tail or "") + gone.tail
        else:
            duplicate.text = (duplicate.text or "") + gone.tail
    duplicate.remove(gone)
    return duplicate


def _check_sm2(root: Element, signature: Element, certificate: Certificate, content: bytes | None) -> bytes:
    info = _only(signature, "SignedInfo")
    if any(len(item) for item in info.iter(tag("Transform"), tag("CanonicalizationMethod"))):
        raise Refused("xml_form", "parameters of a canonicalization")
    signed = content if content is not None else canonical(_without(root, signature))
    said = _octets(_only(_only(info, "Reference"), "DigestValue"))
    if not hmac.compare_digest(OurDigest.SM3.digest(signed), said):
        raise Refused("digest")
    value = _octets(_only(signature, "SignatureValue"))
    if len(value) != 64:
        raise Refused("signature")
    encoded = der.sequence(*(der.integer(int.from_bytes(part, "big")) for part in (value[:32], value[32:])))
    message = canonical(info)
    try:
        spki.verify(certificate.spki_der, SignatureAlgorithm.SM2_SM3, message, encoded)
    except InvalidSignature:
        if spki.verifies_without_za(certificate.spki_der, message, encoded):
            raise Refused("no_za") from None
        raise Refused("signature") from None
    except DecodeError as error:
        raise Refused("unsupported_key", str(error)) from None
    return signed


def _check_by_signxml(root: Element, signature: Element, certificate: Certificate, content: bytes | None) -> bytes:
    """The certificate's validity is for the trust directory: it is asked for at a time when it began."""
    config = SignatureConfiguration(
        require_x509=True,
        location="./" if content is None else ".//",
        expect_references=1,
        signature_methods=_METHODS,
        digest_algorithms=frozenset({DigestAlgorithm.SHA256}),
        verification_time=certificate.not_before,
    )
    try:
        result = _Verifier().verify(
            root,
            x509_cert=cryptography_x509.load_der_x509_certificate(certificate.der),
            uri_resolver=None if content is None else lambda uri: content,
            expect_config=config,
        )
    except SignXMLException as error:
        code = "digest" if "igest" in str(error) else "signature"
        raise Refused(code, str(error)[:200]) from None
    except (ValueError, TypeError, KeyError, AttributeError, etree.LxmlError) as error:
        raise Refused("signature", str(error)[:200]) from None
    verified = result if not isinstance(result, list) else result[0]
    return verified.signed_data
