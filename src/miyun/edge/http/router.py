"""Which endpoint a path belongs to. Only the addresses of operations and pages; the console's are Litestar's.

Litestar 2 cannot resolve path parameters of plain ASGI handlers, which the data plane needs: bodies are read and
answers sent here without copies. A segment is percent-decoded by itself, so that a value may contain an encoded slash.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import unquote

_PARAMETER = re.compile(r"\{(\w+)\}")
_REST = re.compile(r"\{(\w+)\.\.\.\}")
Target = TypeVar("Target")


@dataclass(slots=True)
class _Node(Generic[Target]):
    target: Target | None = None
    names: tuple[str, ...] = ()  # of the path's parameters, in order
    literal: dict[str, _Node[Target]] = field(default_factory=dict)
    mixed: dict[str, tuple[re.Pattern[str], _Node[Target]]] = field(default_factory=dict)  # "{ca}.crl"
    parameter: _Node[Target] | None = None
    rest: _Node[Target] | None = None  # "{request...}": all that follows, slashes among it


class Router(Generic[Target]):
    """Built from path templates. A literal segment wins over `{ca}.crl`, which wins over `{ca}`, and that over
    `{rest...}`, the end of a path whatever slashes are in it."""

    def __init__(self, targets: Mapping[str, Target]) -> None:
        self._plain: dict[str, Target] = {}
        self._root: _Node[Target] = _Node()
        for template, target in targets.items():
            names = (*_PARAMETER.findall(template), *_REST.findall(template))  # the rest comes last
            if not names:
                self._plain[template] = target
            node = self._root
            for segment in template.strip("/").split("/"):
                node = _child(node, segment)
            node.target, node.names = target, names

    def match(self, raw_path: str) -> tuple[Target, dict[str, str]] | None:
        """The target and its parameters for a path as it was sent; None when there is none."""
        if (plain := self._plain.get(raw_path)) is not None:
            return plain, {}
        try:
            segments = [unquote(segment, errors="strict") for segment in raw_path[1:].split("/")]
        except UnicodeDecodeError:
            return None
        found = _search(self._root, segments, 0, [])
        if found is None:
            return None
        node, values = found
        assert node.target is not None
        return node.target, dict(zip(node.names, values, strict=True))


def _child(node: _Node[Target], segment: str) -> _Node[Target]:
    if _REST.fullmatch(segment):
        node.rest = node.rest or _Node()
        return node.rest
    if _PARAMETER.fullmatch(segment):
        node.parameter = node.parameter or _Node()
        return node.parameter
    if _PARAMETER.search(segment):
        parts = _PARAMETER.split(segment)  # text, name, text, name … text
        pattern = "".join("(.+)" if index % 2 else re.escape(part) for index, part in enumerate(parts))
        return node.mixed.setdefault(pattern, (re.compile(pattern), _Node()))[1]
    return node.literal.setdefault(segment, _Node())


def _search(
    node: _Node[Target], segments: list[str], index: int, values: list[str]
) -> tuple[_Node[Target], list[str]] | None:
    if index == len(segments):
        return (node, values) if node.target is not None else None
    segment = segments[index]
    if (literal := node.literal.get(segment)) is not None and (
        found := _search(literal, segments, index + 1, values)
    ) is not None:
        return found
    for pattern, child in node.mixed.values():
        if (match := pattern.fullmatch(segment)) and (
            found := _search(child, segments, index + 1, [*values, *match.groups()])
        ) is not None:
            return found
    if node.parameter is not None and segment:
        found = _search(node.parameter, segments, index + 1, [*values, segment])
        if found is not None:
            return found
    if node.rest is not None and any(segments[index:]):
        return node.rest, [*values, "/".join(segments[index:])]
    return None
