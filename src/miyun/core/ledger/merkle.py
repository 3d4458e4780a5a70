"""The Merkle tree of RFC 6962 with SM3, kept on disk so that roots and proofs of any past size need O(log n) reads.

Nodes of complete subtrees are appended to one file in the order in which they become complete (leaf 0, leaf 1, node
over 0..1, leaf 2 ...), so a node's place is arithmetic and nothing is ever rewritten. The file can be rebuilt from the
journal at any time; it is never the source of truth.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from miyun.core.digest import digest
from miyun.core.errors import InvalidArgument
from miyun.core.i18n import Text

HASH = 32
NodeAt = Callable[[int, int], bytes]


def node_hash(left: bytes, right: bytes) -> bytes:
    return digest(b"\x01" + left + right)


def stored_nodes(leaves: int) -> int:
    """How many complete-subtree nodes a tree of `leaves` leaves has (leaves included)."""
    return 2 * leaves - leaves.bit_count()


class Frontier:
    """Roots of the complete subtrees that cover the leaves so far, largest first: enough to append and to tell the
    root."""

    __slots__ = ("peaks", "size")

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        self.size = size
        self.peaks = list(peaks)

    def append(self, leaf: bytes, completed: bytearray | None = None) -> None:
        """Add a leaf; the nodes it completes are appended to `completed` in storage order."""
        node, size = leaf, self.size
        if completed is not None:
            completed += node
        while size & 1:
            node = digest(b"\x01" + self.peaks.pop() + node)
            if completed is not None:
                completed += node
            size >>= 1
        self.peaks.append(node)
        self.size += 1

    def root(self) -> bytes:
        """SM3 of nothing for the empty tree."""
        if not self.peaks:
            return digest(b"")
        node = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            node = node_hash(peak, node)
        return node

    def copy(self) -> Frontier:
        return Frontier(self.size, self.peaks)


class TreeFile:
    """The stored nodes. `write` is positional, so a failed batch is undone by writing the next one over it."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def close(self) -> None:
        os.close(self._fd)

    def node(self, level: int, index: int) -> bytes:
        """Root of the complete subtree over leaves [index·2^level, (index+1)·2^level)."""
        last = ((index + 1) << level) - 1
        return os.pread(self._fd, HASH, (stored_nodes(last) + level) * HASH)

    def write(self, leaves_before: int, nodes: bytes | bytearray) -> None:
        position, view = stored_nodes(leaves_before) * HASH, memoryview(nodes)
        while view:
            done = os.pwrite(self._fd, view, position)
            position, view = position + done, view[done:]

    def sync(self) -> None:
        os.fdatasync(self._fd)

    def cut(self, leaves: int) -> None:
        os.ftruncate(self._fd, stored_nodes(leaves) * HASH)

    def frontier(self, leaves: int) -> Frontier:
        """Read the frontier of the tree of the first `leaves` leaves. Raises ValueError when the file is shorter."""
        if os.fstat(self._fd).st_size < stored_nodes(leaves) * HASH:
            raise ValueError("the tree file is shorter than the tree")
        peaks, start = [], 0
        for level in reversed(range(leaves.bit_length())):
            if leaves >> level & 1:
                peaks.append(self.node(level, start >> level))
                start += 1 << level
        return Frontier(leaves, peaks)


def subtree(node: NodeAt, start: int, end: int) -> bytes:
    """MTH(D[start:end]) of RFC 6962, where `start` is aligned as the recursion of section 2.1 leaves it."""
    count = end - start
    if count & (count - 1) == 0:
        return node(count.bit_length() - 1, start // count)
    split = 1 << (count.bit_length() - 1)
    return node_hash(node(split.bit_length() - 1, start // split), subtree(node, start + split, end))


def root_at(node: NodeAt, size: int) -> bytes:
    return subtree(node, 0, size) if size else digest(b"")


def inclusion(node: NodeAt, seq: int, size: int) -> list[bytes]:
    """PATH(seq, D[size]), RFC 6962 section 2.1.1: siblings from the leaf upwards."""
    if not 0 <= seq < size:
        raise InvalidArgument("seq", Text("不在该规模的树内", "is not in the tree of that size"))
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        split = 1 << ((end - start - 1).bit_length() - 1)
        if seq - start < split:
            path.append(subtree(node, start + split, end))
            end = start + split
        else:
            path.append(subtree(node, start, start + split))
            start += split
    return path[::-1]


def consistency(node: NodeAt, old: int, new: int) -> list[bytes]:
    """PROOF(old, D[new]), RFC 6962 section 2.1.2. Empty when old is 0 or equals new."""
    if not 0 <= old <= new:
        raise InvalidArgument("old", Text("大于新的规模", "is larger than the new size"))
    if old in (0, new):
        return []
    proof: list[bytes] = []
    start, end, whole = 0, new, True  # `whole`: the old tree's root is known to the verifier
    while old != end:
        split = 1 << ((end - start - 1).bit_length() - 1)
        if old - start <= split:
            proof.append(subtree(node, start + split, end))
            end = start + split
        else:
            proof.append(subtree(node, start, start + split))
            start, whole = start + split, False
    if not whole:
        proof.append(subtree(node, start, end))
    return proof[::-1]


def verify_inclusion(leaf: bytes, seq: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """RFC 9162 section 2.1.3.2 (the same tree)."""
    if not 0 <= seq < size:
        return False
    first, last, node = seq, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if first & 1 or first == last:
            node = node_hash(sibling, node)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        first, last = first >> 1, last >> 1
    return last == 0 and node == root


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """RFC 9162 section 2.1.4.2. An empty old tree is consistent with every tree."""
    if old > new:
        return False
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return not proof and old_root == digest(b"")
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    first, last = old - 1, new - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    old_node = new_node = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if first & 1 or first == last:
            old_node, new_node = node_hash(sibling, old_node), node_hash(sibling, new_node)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            new_node = node_hash(new_node, sibling)
        first, last = first >> 1, last >> 1
    return last == 0 and old_node == old_root and new_node == new_root
