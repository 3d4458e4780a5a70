"""Whom the owner of a name lets issue for it (RFC 8659), by which account and which proof (RFC 8657)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

_CRITICAL: Final = 0x80
_KNOWN: Final = frozenset({"issue", "issuewild", "iodef", "issuemail", "issuevmc", "contactemail", "contactphone"})
_PARAMETER: Final = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)[ \t]*=[ \t]*([\x21-\x3a\x3c-\x7e]*)")


@dataclass(frozen=True, slots=True)
class CaaRecord:
    flags: int
    tag: str
    value: str


@dataclass(frozen=True, slots=True)
class Asked:
    """Who wants to issue: by which of our `domains`, for whose account, proven how."""

    domains: Collection[str]
    wildcard: bool
    account: str
    method: str


async def relevant(
    name: str, lookup: Callable[[str], Awaitable[Sequence[CaaRecord]]]
) -> tuple[Sequence[CaaRecord], str]:
    """The records of the name, or of the nearest one above it that has any (RFC 8659 3)."""
    labels = name.split(".")
    for start in range(len(labels)):
        place = ".".join(labels[start:])
        if found := await lookup(place):
            return found, place
    return (), name


def permits(records: Sequence[CaaRecord], asked: Asked) -> bool:
    """RFC 8659 4: no record is no objection; a critical property that is not known is one."""
    named = [(item.tag.lower(), item) for item in records]
    if any(item.flags & _CRITICAL and tag not in _KNOWN for tag, item in named):
        return False
    wild = [item for tag, item in named if tag == "issuewild"]
    issue = wild if asked.wildcard and wild else [item for tag, item in named if tag == "issue"]
    return not issue or any(_names_us(item.value, asked) for item in issue)


def _names_us(value: str, asked: Asked) -> bool:
    domain, _, rest = value.partition(";")
    if domain.strip(" \t").lower().rstrip(".") not in {item.lower() for item in asked.domains}:
        return False
    parameters: dict[str, str] = {}
    for text in filter(None, (part.strip(" \t") for part in rest.split(";"))):
        found = _PARAMETER.fullmatch(text)
        if found is None or found[1].lower() in parameters:
            return False  # what cannot be read permits nothing
        parameters[found[1].lower()] = found[2]
    if parameters.get("accounturi", asked.account) != asked.account:
        return False
    return asked.method in parameters.get("validationmethods", asked.method).split(",")
