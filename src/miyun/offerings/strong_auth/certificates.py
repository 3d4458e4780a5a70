"""Which certificates may log in, and whether a signature is a certificate's. Paths are built from what the platform and
the tenant trust, never from what the client sends, and no URL found in a certificate is fetched."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime

from miyun.core.errors import InvalidArgument
from miyun.core.i18n import Text
from miyun.core.ports import CertificateIssuer
from miyun.gm.errors import InvalidSignature
from miyun.offerings.strong_auth.errors import CertificateRefused, LoginFailed
from miyun.offerings.strong_auth.store import StrongAuthStore
from miyun.wire import pem, spki
from miyun.wire.algorithm import SignatureAlgorithm
from miyun.wire.errors import DecodeError
from miyun.wire.spki import KeyAlgorithm
from miyun.wire.x509 import Certificate, ChainError, Purpose, parse_certificate, verify_chain

_ALGORITHMS = {
    KeyAlgorithm.SM2: SignatureAlgorithm.SM2_SM3,
    KeyAlgorithm.EC_P256: SignatureAlgorithm.ECDSA_SHA256,
    KeyAlgorithm.RSA: SignatureAlgorithm.RSA_SHA256,
}
_SIGNS = frozenset({"digitalSignature", "nonRepudiation"})


class Certificates:
    """The judge of login certificates."""

    def __init__(self, *, store: StrongAuthStore, issuer: CertificateIssuer) -> None:
        self._store = store
        self._issuer = issuer

    async def accept(self, tenant: str, certificate: Certificate, at: datetime) -> str:
        """Raises CertificateRefused; answers how revocation was checked."""
        anchors = [parse_certificate(der) for der in await self._issuer.trust_anchors()]
        intermediates = [parse_certificate(der) for der in await self._issuer.intermediates()]
        anchors += [parse_certificate(der) for der in self._store.trusted(tenant)]
        try:
            chain = verify_chain(certificate, intermediates, anchors, at, purpose=Purpose.CLIENT_AUTH)
        except ChainError as error:
            raise CertificateRefused(error.reason, error.subject) from error
        # The encryption certificate of a pair: a key management centre may hold its private key too (GM/T 0034).
        if certificate.key_usage is not None and not certificate.key_usage & _SIGNS:
            raise CertificateRefused("key_usage", str(certificate.subject))
        if await self.is_revoked(certificate):
            raise CertificateRefused("revoked", str(certificate.subject))
        above = chain.certificates[min(1, len(chain.certificates) - 1)]
        # A foreign CA's status is not known here, and no URL of its certificate is fetched.
        return "good" if above.spki_der in {item.spki_der for item in await self._authorities()} else "unchecked"

    async def is_revoked(self, certificate: Certificate) -> bool:
        """By our own register, for what bears the name of one of our authorities, whatever path it was accepted by."""
        return await self._issuer.is_revoked(certificate.serial) and any(
            item.subject.matches(certificate.issuer) for item in await self._authorities()
        )

    async def _authorities(self) -> list[Certificate]:
        """The platform's own."""
        ders = [*await self._issuer.trust_anchors(), *await self._issuer.intermediates()]
        return [parse_certificate(der) for der in ders]


def read(text: str) -> Certificate:
    """PEM, or base64 of DER."""
    try:
        encoded = pem.decode(text, pem.CERTIFICATE) if "BEGIN" in text else base64.b64decode(text, validate=True)
        return parse_certificate(encoded)
    except (DecodeError, binascii.Error, ValueError) as error:
        reason = Text("不是有效的 X.509 证书（PEM 或 Base64 DER）", "is not an X.509 certificate (PEM or base64 DER)")
        raise InvalidArgument("certificate", reason) from error


def verify(certificate: Certificate, message: bytes, signature: bytes) -> None:
    """Raises LoginFailed unless the signature is the certificate's."""
    algorithm = _ALGORITHMS.get(certificate.public_key.algorithm)
    if algorithm is None:
        raise CertificateRefused("unsupported_key", str(certificate.subject))
    try:
        spki.verify(certificate.spki_der, algorithm, message, signature)
    except (InvalidSignature, DecodeError) as error:
        raise LoginFailed(field="signature") from error
