"""Names that somebody registers, by the public suffix list."""

from __future__ import annotations

import pytest

from miyun.offerings.ssl_certificate.acme.domains import is_public, registered_domain


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("www.example.com", "example.com"),
        ("*.example.com", "example.com"),
        ("a.b.example.gov.cn", "example.gov.cn"),
        ("a.example.zj.cn", "example.zj.cn"),
        ("www.example.co.uk", "example.co.uk"),
        ("www.city.kawasaki.jp", "city.kawasaki.jp"),  # an exception of the list
        ("a.someone.github.io", "someone.github.io"),  # a company's customers
        ("www.xn--fiq228c.xn--55qx5d.cn", "xn--fiq228c.xn--55qx5d.cn"),
        ("server.internal", "server.internal"),  # of no registry at all
        ("gov.cn", "gov.cn"),
        ("10.1.2.3", "10.1.2.3"),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
def test_a_registered_domain(name: str, domain: str) -> None:
    assert registered_domain(name) == domain


@pytest.mark.parametrize("name", ["gov.cn", "*.gov.cn", "co.uk", "xn--55qx5d.cn"])
def test_what_is_everybodys(name: str) -> None:
    assert is_public(name)


@pytest.mark.parametrize("name", ["example.gov.cn", "*.example.cn", "someone.github.io", "server.internal", "10.1.2.3"])
def test_what_is_somebodys(name: str) -> None:
    assert not is_public(name)
