"""Merkle proofs of random trees against a tree that is built anew from its leaves."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from miyun.core.ledger.merkle import (
    Frontier,
    consistency,
    inclusion,
    root_at,
    verify_consistency,
    verify_inclusion,
)


def sm3(data: bytes) -> bytes:
    return hashlib.new("sm3", data).digest()


def naive_root(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    k = 1 << ((len(leaves) - 1).bit_length() - 1)
    return sm3(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:]))


def naive_node(leaves: list[bytes]):
    return lambda level, index: naive_root(leaves[index << level : (index + 1) << level])


trees = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=300, unique=True)


@given(trees, st.data())
def test_proofs_verify_and_a_changed_byte_anywhere_does_not(leaves: list[bytes], data: st.DataObject) -> None:
    size = len(leaves)
    seq = data.draw(st.integers(0, size - 1))
    root, node = naive_root(leaves), naive_node(leaves)
    assert root_at(node, size) == root
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    assert frontier.root() == root
    proof = inclusion(node, seq, size)
    assert len(proof) <= size.bit_length()
    assert verify_inclusion(leaves[seq], seq, size, proof, root)
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        byte = data.draw(st.integers(0, 31))
        forged = bytearray(proof[place])
        forged[byte] ^= 1
        assert not verify_inclusion(leaves[seq], seq, size, [*proof[:place], bytes(forged), *proof[place + 1 :]], root)
    wrong = data.draw(st.integers(0, size - 1).filter(lambda n: n != seq) if size > 1 else st.just(size))
    assert not verify_inclusion(leaves[seq], wrong, size, proof, root)


@given(trees, st.data())
def test_only_a_continuation_is_consistent(leaves: list[bytes], data: st.DataObject) -> None:
    new = len(leaves)
    old = data.draw(st.integers(1, new))
    proof = consistency(naive_node(leaves), old, new)
    assert verify_consistency(old, naive_root(leaves[:old]), new, naive_root(leaves), proof)
    place = data.draw(st.integers(0, old - 1))
    rewritten = [*leaves[:place], bytes(32), *leaves[place + 1 :]]
    if rewritten != leaves:
        assert not verify_consistency(old, naive_root(rewritten[:old]), new, naive_root(leaves), proof)
        forged = consistency(naive_node(rewritten), old, new)
        assert not verify_consistency(old, naive_root(leaves[:old]), new, naive_root(rewritten), forged)
