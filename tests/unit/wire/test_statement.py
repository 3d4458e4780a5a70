"""The texts that people's keys sign, and the origins they are bound to."""

from __future__ import annotations

import pytest

from miyun.wire import statement
from miyun.wire.origin import origin_of


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Cloud.Example.cn/", "https://cloud.example.cn"),
        ("https://cloud.example.cn:443/console?x#y", "https://cloud.example.cn"),
        ("https://127.0.0.1:8600", "https://127.0.0.1:8600"),
        ("http://[::1]:80", "http://[::1]"),
        ("https://user:secret@cloud.example.cn", "https://cloud.example.cn"),
    ],
)
def test_an_origin_is_what_browsers_send(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize("url", ["", "cloud.example.cn", "ftp://x", "https://", "https://x:port", "https://x:70000"])
def test_what_is_no_web_address_has_no_origin(url: str) -> None:
    with pytest.raises(ValueError):
        origin_of(url)


def test_a_text_tells_where_it_belongs() -> None:
    for head in (statement.SIGN_IN, statement.SIGN_ON, statement.CONFIRM):
        text = statement.compose(head, "plf_1", "https://one.test", "login")
        assert statement.place_of(text.encode()) == "https://one.test"


@pytest.mark.parametrize("signed", [b"", b"pay 1000", b"MIYUN-LOGIN-1\nten_a\napp_1", b" MIYUN-CONFIRM-2\na\nb"])
def test_another_text_belongs_nowhere(signed: bytes) -> None:
    assert statement.place_of(signed) is None


@pytest.mark.parametrize("signed", [b"MIYUN-CONFIRM-2", b"MIYUN-CONFIRM-2\nplf_1", b"MIYUN-LOGIN-3\n\xff\n\xff\n"])
def test_a_broken_one_belongs_to_nobody(signed: bytes) -> None:
    assert statement.place_of(signed) in ("", "\N{REPLACEMENT CHARACTER}")
