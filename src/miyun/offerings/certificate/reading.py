"""What callers send as text: PEM, or base64 of DER."""

from __future__ import annotations

import base64
import binascii

from miyun.core.errors import InvalidArgument
from miyun.core.i18n import Text
from miyun.offerings.certificate.errors import unreadable
from miyun.wire.errors import DecodeError
from miyun.wire.x509 import Certificate, load_certificates


def binary_in(field: str, text: str) -> bytes | str:
    """PEM text as it is; otherwise the octets of a base64 text."""
    if "-----BEGIN" in text:
        return text
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidArgument(
            field, Text("既不是 PEM，也不是 DER 的 Base64", "neither PEM nor base64 of DER")
        ) from None


def certificates_in(field: str, text: str) -> list[Certificate]:
    """At least one. Raises InvalidArgument."""
    try:
        return load_certificates(binary_in(field, text))
    except DecodeError as error:
        raise unreadable(field, error) from None
