"""The one form of XML signature that is made and taken here, and the names of its algorithms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from miyun.wire.algorithm import SignatureAlgorithm
from miyun.wire.x509 import Certificate

MAX_XML: Final = 8 * 1024 * 1024
DS: Final = "http://www.w3.org/2000/09/xmldsig#"
ENVELOPED: Final = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
EXCLUSIVE: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
SHA256: Final = "http://www.w3.org/2001/04/xmlenc#sha256"
RSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
ECDSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
# No URI of SM2 or SM3 is registered (IANA's XML Security URIs, RFC 9231): their object identifiers stand in (RFC 3061).
SM3: Final = "urn:oid:1.2.156.10197.1.401"
SM2_SM3: Final = "urn:oid:1.2.156.10197.1.501"

METHODS: Final[dict[SignatureAlgorithm, tuple[str, str]]] = {
    SignatureAlgorithm.SM2_SM3: (SM2_SM3, SM3),
    SignatureAlgorithm.ECDSA_SHA256: (ECDSA_SHA256, SHA256),
    SignatureAlgorithm.RSA_SHA256: (RSA_SHA256, SHA256),
}
"""Signature method and digest method."""


class XmlRefused(ValueError):
    """A document that is not signed or taken here; `code` is a reason's."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(detail or code)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Verified:
    """A signature that is right. `signed`: exactly what it is over, in canonical form, or the detached content."""

    certificate: Certificate
    certificates: tuple[Certificate, ...]
    method: str
    signed: bytes = field(repr=False)
