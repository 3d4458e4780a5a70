"""Where names end that are registered by somebody: the public suffix list, as its package brings it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from miyun.core.outbound import is_address

if TYPE_CHECKING:  # read where it is asked: most workers never do
    from publicsuffixlist import PublicSuffixList


def registered_domain(name: str) -> str:
    """`a.b.example.com` → `example.com`, `a.example.gov.cn` → `example.gov.cn`; an address is its own."""
    host = name.removeprefix("*.")
    return host if is_address(host) else _suffixes().privatesuffix(host) or host


def is_public(name: str) -> bool:
    """Whether everybody registers names under it: nobody's certificate is for all of them (`gov.cn`, `*.gov.cn`)."""
    host = name.removeprefix("*.")
    return not is_address(host) and _registries().publicsuffix(host) == host


@cache
def _suffixes() -> PublicSuffixList:
    """With those under which a company lets its customers have names."""
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList()


@cache
def _registries() -> PublicSuffixList:
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList(accept_unknown=False, only_icann=True)
