from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miyun.gm import sm3
from miyun.offerings.timestamp import merkle


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


ITEMS = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40)


@given(ITEMS)
def test_every_item_is_included_and_nowhere_else(items: list[bytes]) -> None:
    root, paths = merkle.tree(sha256, items)
    for index, (item, path) in enumerate(zip(items, paths, strict=True)):
        assert merkle.includes(sha256, root, item, index, len(items), path)
        assert not merkle.includes(sha256, root, item + b"x", index, len(items), path)
        for other in range(len(items)):
            if items[other] != item:
                assert not merkle.includes(sha256, root, item, other, len(items), path)


@given(ITEMS, st.data())
def test_a_damaged_proof_proves_nothing(items: list[bytes], data: st.DataObject) -> None:
    root, paths = merkle.tree(sha256, items)
    index = data.draw(st.integers(0, len(items) - 1))
    path = paths[index]
    assert not merkle.includes(sha256, root, items[index], index, len(items), [*path, bytes(32)])
    if path:
        assert not merkle.includes(sha256, root, items[index], index, len(items), path[:-1])
        at = data.draw(st.integers(0, len(path) - 1))
        broken = [bytes(32) if position == at else node for position, node in enumerate(path)]
        assert not merkle.includes(sha256, root, items[index], index, len(items), broken)


def naive(items: list[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, as it is written there."""
    if len(items) == 1:
        return sha256(b"\x00" + items[0])
    k = 1
    while k * 2 < len(items):
        k *= 2
    return sha256(b"\x01" + naive(items[:k]) + naive(items[k:]))


@given(ITEMS)
def test_the_root_is_that_of_rfc_6962(items: list[bytes]) -> None:
    assert merkle.tree(sha256, items)[0] == naive(items)


def test_indexes_outside_the_tree_are_refused() -> None:
    root, paths = merkle.tree(sm3.digest, [b"a", b"b"])
    assert not merkle.includes(sm3.digest, root, b"a", -1, 2, paths[0])
    assert not merkle.includes(sm3.digest, root, b"a", 2, 2, paths[0])
    assert not merkle.includes(sm3.digest, root, b"a", 0, 0, [])
    with pytest.raises(ValueError, match="at least one"):
        merkle.tree(sm3.digest, [])
