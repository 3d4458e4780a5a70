"""PEM armour (RFC 7468)."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from miyun.wire.errors import DecodeError

CERTIFICATE: Final = "CERTIFICATE"
CRL: Final = "X509 CRL"
CERTIFICATE_REQUEST: Final = "CERTIFICATE REQUEST"
CMS: Final = "CMS"

_MAX_SIZE: Final = 64 * 1024 * 1024
_LABEL: Final = re.compile(r"[A-Z0-9][A-Z0-9 ]{0,62}")
_BEGIN: Final = "-----BEGIN "
_DASHES: Final = "-----"
_ALIASES: Final = {"NEW CERTIFICATE REQUEST": CERTIFICATE_REQUEST, "TRUSTED CERTIFICATE": CERTIFICATE, "PKCS7": CMS}


def encode(label: str, body: bytes) -> str:
    """One armoured block with lines of 64 characters."""
    text = base64.b64encode(body).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join([f"{_BEGIN}{label}{_DASHES}", *lines, f"-----END {label}{_DASHES}", ""])


def decode_all(text: str | bytes, label: str) -> list[bytes]:
    """Bodies of every block with this label, in order; other blocks and text between are passed over.

    Raises DecodeError for a damaged block or when there is none.
    """
    if len(text) > _MAX_SIZE:
        raise DecodeError("text too large", field="PEM")
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    found: list[bytes] = []
    position = 0
    while (begin := text.find(_BEGIN, position)) >= 0:
        start = begin + len(_BEGIN)
        stop = text.find(_DASHES, start, start + 80)
        name = text[start:stop] if stop >= 0 else ""
        if not _LABEL.fullmatch(name):
            raise DecodeError("malformed BEGIN line", offset=begin, field="PEM")
        closing = f"-----END {name}{_DASHES}"
        end = text.find(closing, stop)
        if end < 0:
            raise DecodeError(f"no END line for {name}", offset=begin, field="PEM")
        if _ALIASES.get(name, name) == label:
            found.append(_body(text[stop + len(_DASHES) : end], begin))
        position = end + len(closing)
    if not found:
        raise DecodeError(f"no block {label}", field="PEM")
    return found


def decode(text: str | bytes, label: str) -> bytes:
    """Body of the first block with this label."""
    return decode_all(text, label)[0]


def _body(text: str, offset: int) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise DecodeError("not base64", offset=offset, field="PEM") from None
