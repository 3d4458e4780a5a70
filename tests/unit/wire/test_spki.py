"""Why a signature is refused is only told; telling it never raises."""

from __future__ import annotations

import pytest

from miyun.gm import sm2, sm3
from miyun.wire import spki

PRIVATE = bytes.fromhex("3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8")
KEY = spki.sm2_spki(sm2.public_key(PRIVATE))


def test_a_signature_over_the_plain_hash_is_recognised() -> None:
    signature = sm2.sign_digest(PRIVATE, sm3.digest(b"message"))
    assert spki.verifies_without_za(KEY, b"message", signature)
    assert not spki.verifies_without_za(KEY, b"message", sm2.sign(PRIVATE, b"message"))


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        KEY[:-1],
        KEY[:6] + b"\x80" + KEY[7:],  # an object identifier that is none
        KEY[:26] + bytes([KEY[26]]) + bytes(64),  # a point that is not on the curve
        bytes([KEY[0] ^ 1]) + KEY[1:],
    ],
)
def test_a_damaged_key_is_no_reason_and_no_error(damaged: bytes) -> None:
    assert not spki.verifies_without_za(damaged, b"message", sm2.sign(PRIVATE, b"message"))
