"""What CFCA answers for the encryption key of a double certificate. No standard describes it.

Known from public parsers and one published answer: a head of 64 hexadecimal digits (`0000000000000001` twice, then
zeros), the length of the rest as 16 decimal digits, and base64 of SEQUENCE { INTEGER 1, OCTET STRING }. The octets are
an SM2 ciphertext C1‖C3‖C2 without the prefix 04, under the request's temporary key, of x‖y‖d. Parsers meet answers
without the head, and with commas in the base64.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

from miyun.wire import der
from miyun.wire.errors import DecodeError, EncodeError

CIPHERTEXT_SIZE: Final = 64 + 32 + 96  # C1 without its prefix, C3, C2
_HEAD: Final = b"0000000000000001" * 2 + b"0" * 32
_LENGTH: Final = 16


def encode_cfca_key(ciphertext: bytes) -> bytes:
    """The answer as ASCII text. Raises EncodeError."""
    if len(ciphertext) != CIPHERTEXT_SIZE:
        raise EncodeError(f"{CIPHERTEXT_SIZE} octets", field="encryptedKey")
    body = base64.b64encode(der.sequence(der.integer(1), der.octet_string(ciphertext)))
    return _HEAD + str(len(body)).rjust(_LENGTH, "0").encode() + body


def parse_cfca_key(text: bytes) -> bytes:
    """The ciphertext of an answer, with or without its head. Raises DecodeError."""
    body = text.strip()
    if body.startswith(_HEAD):
        length, body = body[len(_HEAD) : len(_HEAD) + _LENGTH], body[len(_HEAD) + _LENGTH :]
        if not length.isdigit() or int(length) != len(body):
            raise DecodeError("the length does not fit", offset=len(_HEAD), field="length")
    try:
        encoded = base64.b64decode(body.replace(b",", b""), validate=True)
    except (binascii.Error, ValueError):
        raise DecodeError("not base64", field="key") from None
    outer = der.Reader(encoded, field="EncryptedPrivateKey", max_size=4096)
    reader = outer.enter()
    outer.end()
    if reader.integer("version") != 1:
        raise reader.fail("must be 1", "version")
    ciphertext = reader.octet_string("encryptedKey")
    reader.end()
    if len(ciphertext) != CIPHERTEXT_SIZE:
        raise reader.fail(f"expected {CIPHERTEXT_SIZE} octets", "encryptedKey")
    return ciphertext
