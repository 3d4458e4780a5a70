"""base64url without padding (RFC 4648 section 5, RFC 7515 section 2)."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from miyun.wire.errors import DecodeError

_ALPHABET: Final = re.compile(r"[A-Za-z0-9_-]*")


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: object, field: str = "") -> bytes:
    """Without padding, and in the one way of writing it. Raises DecodeError."""
    if not isinstance(text, str) or not _ALPHABET.fullmatch(text):
        raise DecodeError("not base64url", field=field)
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise DecodeError("not base64url", field=field) from None
    if encode(data) != text:
        raise DecodeError("not base64url in its one form", field=field)
    return data
