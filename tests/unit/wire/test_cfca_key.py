"""CFCA's answer with the encryption key. The sample is the one that the gmsm project published (MIT licence), with the
temporary key and the key that is in it."""

from __future__ import annotations

import pytest

from miyun.gm import sm2
from miyun.wire.cms.cfca_key import encode_cfca_key, parse_cfca_key
from miyun.wire.errors import DecodeError

TEMPORARY = bytes.fromhex("cacece36cac24aab94e52bcd5c0f552c95028f2856053135a1e47510b4c307ba")
PRIVATE = bytes.fromhex("f6e02c941a0dfdac58d8b3b1bc1bd136f179741b7465ebc7b0b25bb381840a3b")
BODY = (
    b"MIHGAgEBBIHArhtKwTVT8dPEkykVRpvQNMxHv/yeqtaKZiSp2MbjcqMZtPfKW8IatiIPPitNhQtU5C7gMbsUxgf5Yo16vDSXdoWqoOOaes2pEJwm"
    b"XWZI55lMMWc168WgzQ82fmMi05Vhlw9HNjGI3azE6MS5/ujSNGLZ0qAAmLnBiHlXFAXXAWRiy9MxZKwF4xKn6qMaKmkqbYmTbBbEJEhzJBmu0IJ1"
    b"kNDcTFirAyapghHSw267erSUwsHjkQis9mKYpzGied0E"
)
ANSWER = b"00000000000000010000000000000001" + b"0" * 32 + b"0000000000000268" + BODY


@pytest.mark.parametrize("text", [ANSWER, BODY, BODY[:64] + b"," + BODY[64:] + b"\n"], ids=["whole", "bare", "commas"])
def test_the_published_answer_is_opened(text: bytes) -> None:
    plain = sm2.decrypt(TEMPORARY, b"\x04" + parse_cfca_key(text), "c1c3c2")
    assert plain == sm2.public_key(PRIVATE)[1:] + PRIVATE


def test_ours_is_written_as_the_published_one() -> None:
    assert encode_cfca_key(parse_cfca_key(ANSWER)) == ANSWER


@pytest.mark.parametrize(
    "text",
    [b"", ANSWER[:-1], ANSWER + b"A", ANSWER.replace(b"268", b"269"), ANSWER.replace(b"268", b"26x"), b"MAA=", b"!"],
)
def test_what_is_cut_or_changed_is_refused(text: bytes) -> None:
    with pytest.raises(DecodeError):
        parse_cfca_key(text)
