"""The one form of XML signature that is made and taken here, and the names of its algorithms."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Final

from miyun.wire import der
from miyun.wire.algorithm import SignatureAlgorithm

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


@dataclass(frozen=True, slots=True)
class Verified:
    """A signature that is right. `certificates`: DER, the signer's first; `signed`: exactly what it is over, in
    canonical form, or the detached content."""

    certificates: tuple[bytes, ...] = field(repr=False)
    method: str
    signed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A signature that waits for its value, which stands between `before` and `after`; `to_sign`: SignedInfo in
    canonical form."""

    before: bytes = field(repr=False)
    after: bytes = field(repr=False)
    to_sign: bytes = field(repr=False)

    def finished(self, algorithm: SignatureAlgorithm, value: bytes) -> bytes:
        """The document, or for a detached signature the element alone. `value`: DER for SM2 and ECDSA, raw for RSA."""
        if algorithm.scheme in ("sm2", "ecdsa"):
            value = fixed(value)
        return self.before + base64.b64encode(value) + self.after


def fixed(signature: bytes) -> bytes:
    """r ‖ s of 32 octets each, as XMLDSig 1.1 6.4.3 has ECDSA; SM2 does alike."""
    reader = der.Reader(signature).enter()
    return b"".join(reader.integer().to_bytes(32, "big") for _ in range(2))
