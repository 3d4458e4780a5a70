"""A Merkle tree as in RFC 6962 2.1, over any hash: leaf H(0x00 ‖ data), node H(0x01 ‖ left ‖ right)."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence

Hash = Callable[[bytes], bytes]


def leaf_hash(hashed: Hash, data: bytes) -> bytes:
    return hashed(b"\x00" + data)


def tree(hashed: Hash, items: Sequence[bytes]) -> tuple[bytes, list[list[bytes]]]:
    """(root, inclusion proof of each item: siblings from the leaf upwards). At least one item."""
    if not items:
        raise ValueError("a tree has at least one leaf")
    level = [leaf_hash(hashed, item) for item in items]
    paths: list[list[bytes]] = [[] for _ in items]
    position = list(range(len(items)))
    while len(level) > 1:
        for item, at in enumerate(position):
            # The last node of an odd level has no sibling and goes up as it is.
            if at ^ 1 < len(level):
                paths[item].append(level[at ^ 1])
            position[item] = at >> 1
        level = [
            hashed(b"\x01" + level[at] + level[at + 1]) if at + 1 < len(level) else level[at]
            for at in range(0, len(level), 2)
        ]
    return level[0], paths


def root_of(hashed: Hash, data: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that an inclusion proof leads to (RFC 9162 2.1.3.2); None when its length does not fit the place."""
    if not 0 <= index < size:
        return None
    node = leaf_hash(hashed, data)
    last = size - 1
    left = list(path)
    while last:
        if index & 1 or index != last:
            if not left:
                return None
            sibling = left.pop(0)
            node = hashed(b"\x01" + sibling + node) if index & 1 else hashed(b"\x01" + node + sibling)
        index >>= 1
        last >>= 1
    return None if left else node


def includes(hashed: Hash, root: bytes, data: bytes, index: int, size: int, path: Sequence[bytes]) -> bool:
    """Whether the proof shows that `data` is item `index` of the `size` items under `root`."""
    found = root_of(hashed, data, index, size, path)
    return found is not None and hmac.compare_digest(found, root)
