"""RFC 4648 section 10, RFC 7515 appendix C, and what is refused."""

import pytest

from miyun.wire import base64url
from miyun.wire.errors import DecodeError


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"f", "Zg"),
        (b"fo", "Zm8"),
        (b"foo", "Zm9v"),
        (b"foob", "Zm9vYg"),
        (b"fooba", "Zm9vYmE"),
        (b"foobar", "Zm9vYmFy"),
        (bytes([3, 236, 255, 224, 193]), "A-z_4ME"),
    ],
)
def test_the_values_of_the_standards(data: bytes, text: str) -> None:
    assert base64url.encode(data) == text
    assert base64url.decode(text) == data


@pytest.mark.parametrize("text", ["Zg==", "Zh", "Z", "Zm9v\n", "Zm 9v", "A+z/4ME", "é", None, b"Zg"])
def test_anything_but_the_one_way_of_writing_it_is_refused(text: object) -> None:
    with pytest.raises(DecodeError, match="nonce: not base64url"):
        base64url.decode(text, "nonce")
