"""RFC 6962 with SM3: roots and proofs, against the definition written out."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from miyun.core.errors import InvalidArgument
from miyun.core.ledger.merkle import (
    Frontier,
    TreeFile,
    consistency,
    inclusion,
    root_at,
    verify_consistency,
    verify_inclusion,
)


def sm3(data: bytes) -> bytes:
    return hashlib.new("sm3", data).digest()


def tree_head(leaves: list[bytes]) -> bytes:
    """MTH, literally as section 2.1 defines it, over leaf hashes."""
    if not leaves:
        return sm3(b"")
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sm3(b"\x01" + tree_head(leaves[:k]) + tree_head(leaves[k:]))


@pytest.fixture
def leaves() -> list[bytes]:
    return [sm3(bytes([number])) for number in range(40)]


@pytest.fixture
def tree(tmp_path: Path, leaves: list[bytes]) -> TreeFile:
    file, frontier = TreeFile(tmp_path / "tree.bin"), Frontier()
    for leaf in leaves:
        nodes, before = bytearray(), frontier.size
        frontier.append(leaf, nodes)
        file.write(before, nodes)
    return file


def test_every_root_is_that_of_the_definition(tree: TreeFile, leaves: list[bytes]) -> None:
    for size in range(len(leaves) + 1):
        assert root_at(tree.node, size) == tree_head(leaves[:size])
        assert tree.frontier(size).root() == tree_head(leaves[:size])


def test_every_inclusion_proof_verifies_for_its_own_leaf_and_place_only(tree: TreeFile, leaves: list[bytes]) -> None:
    for size in range(1, len(leaves) + 1):
        root = root_at(tree.node, size)
        for seq in range(size):
            proof = inclusion(tree.node, seq, size)
            assert verify_inclusion(leaves[seq], seq, size, proof, root)
            assert not verify_inclusion(leaves[seq - 1], seq, size, proof, root) or size == 1
            assert not verify_inclusion(leaves[seq], seq + 1, size, proof, root)
            assert not verify_inclusion(leaves[seq], seq, size, [*proof, root], root)
            assert not verify_inclusion(leaves[seq], seq, size, proof[:-1], root) or not proof


def test_every_consistency_proof_verifies_and_a_rewritten_tree_does_not(tree: TreeFile, leaves: list[bytes]) -> None:
    roots = [root_at(tree.node, size) for size in range(len(leaves) + 1)]
    for new in range(len(leaves) + 1):
        for old in range(new + 1):
            proof = consistency(tree.node, old, new)
            assert verify_consistency(old, roots[old], new, roots[new], proof)
            if 0 < old < new:
                assert not verify_consistency(old, sm3(b"another"), new, roots[new], proof)
                assert not verify_consistency(old, roots[old], new, sm3(b"another"), proof)
                assert not verify_consistency(old, roots[old], new, roots[new], proof[:-1])


def test_a_proof_outside_the_tree_is_refused(tree: TreeFile) -> None:
    with pytest.raises(InvalidArgument):
        inclusion(tree.node, 7, 7)
    with pytest.raises(InvalidArgument):
        consistency(tree.node, 8, 7)


def test_a_tree_file_that_is_too_short_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="shorter"):
        TreeFile(tmp_path / "tree.bin").frontier(3)
