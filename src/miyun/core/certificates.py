"""Certificates as people hand them in, and signatures by their keys."""

from __future__ import annotations

import base64
import binascii

from miyun.core.errors import InvalidArgument
from miyun.core.i18n import Text
from miyun.gm.errors import InvalidSignature
from miyun.wire import pem, spki
from miyun.wire.errors import DecodeError
from miyun.wire.x509 import Certificate, parse_certificate


def read_certificate(text: str) -> Certificate:
    """PEM, or base64 of DER. Raises InvalidArgument."""
    try:
        encoded = pem.decode(text, pem.CERTIFICATE) if "BEGIN" in text else base64.b64decode(text, validate=True)
        return parse_certificate(encoded)
    except (DecodeError, binascii.Error, ValueError) as error:
        reason = Text("不是有效的 X.509 证书（PEM 或 Base64 DER）", "is not an X.509 certificate (PEM or base64 DER)")
        raise InvalidArgument("certificate", reason) from error


def has_signed(certificate: Certificate, message: bytes, signature: bytes) -> bool:
    """Whether the signature over the message is by the certificate's key."""
    try:
        spki.verify_message(certificate.spki_der, message, signature)
    except (InvalidSignature, DecodeError):
        return False
    return True
