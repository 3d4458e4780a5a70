"""Evidence records (RFC 4998): that documents existed at a time, kept provable by time-stamps over time-stamps."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from miyun.wire import der
from miyun.wire.algorithm import DigestAlgorithm, read_digest
from miyun.wire.errors import EncodeError
from miyun.wire.tsp.token import SignedToken, check_token, parse_token

MAX_RECORD: Final = 16 * 1024 * 1024
MAX_CHAINS: Final = 64
MAX_TIMESTAMPS: Final = 256
MAX_LISTS: Final = 64
MAX_HASHES: Final = 1024
_VERSION: Final = der.integer(1)

Tree = tuple[tuple[bytes, ...], ...]
"""A reduced hash tree: the hashes of the documents, then what is needed at each level above them."""


@dataclass(frozen=True, slots=True)
class ArchiveTimestamp:
    """A time-stamp over the root of a tree, or without one over what is stamped itself."""

    algorithm: DigestAlgorithm
    token: bytes = field(repr=False)
    tree: Tree = field(default=(), repr=False)

    def encode(self) -> bytes:
        lists = b"".join(der.sequence(*map(der.octet_string, item)) for item in self.tree)
        stamped = parse_token(self.token)[0].message_imprint.algorithm
        named = b"" if stamped is self.algorithm else b"\xa0" + self.algorithm.identifier[1:]
        return der.sequence(named, der.explicit(2, lists) if self.tree else b"", self.token)


Chain = tuple[ArchiveTimestamp, ...]


@dataclass(frozen=True, slots=True)
class EvidenceRecord:
    """Chains in the order of time: within one, time-stamps renew each other; a new one begins with a new hash."""

    chains: tuple[Chain, ...]

    def encode(self) -> bytes:
        if not self.chains or not all(self.chains):
            raise EncodeError("at least one time-stamp in every chain", field="archiveTimeStampSequence")
        used = dict.fromkeys(stamp.algorithm for chain in self.chains for stamp in chain)
        algorithms = der.sequence(*(item.identifier for item in used))
        return der.sequence(_VERSION, algorithms, encode_chains(self.chains))


def encode_chains(chains: Sequence[Chain]) -> bytes:
    """ArchiveTimeStampSequence: what a new hash is taken over, besides the documents (RFC 4998 5.2)."""
    return der.sequence(*(der.sequence(*(stamp.encode() for stamp in chain)) for chain in chains))


def parse_evidence_record(encoded: bytes) -> EvidenceRecord:
    """Raises DecodeError."""
    outer = der.Reader(encoded, field="EvidenceRecord", max_size=MAX_RECORD)
    reader = outer.enter()
    outer.end()
    if reader.integer("version") != 1:
        raise reader.fail("only version 1 is known", "version")
    reader.read(der.SEQUENCE, "digestAlgorithms")
    for tag in (0xA0, 0xA1):  # cryptoInfos, encryptionInfo: protect nothing
        reader.read_if(tag)
    chains: list[Chain] = []
    listed = reader.enter(der.SEQUENCE, "archiveTimeStampSequence")
    reader.end()
    while listed.more:
        if len(chains) == MAX_CHAINS:
            raise listed.fail("too many chains")
        inner = listed.enter(der.SEQUENCE, "ArchiveTimeStampChain")
        chain: list[ArchiveTimestamp] = []
        while inner.more:
            if len(chain) == MAX_TIMESTAMPS:
                raise inner.fail("too many time-stamps")
            chain.append(_read_timestamp(inner.enter(der.SEQUENCE, "ArchiveTimeStamp")))
        if not chain:
            raise listed.fail("an empty chain", "ArchiveTimeStampChain")
        chains.append(tuple(chain))
    if not chains:
        raise listed.fail("no time-stamp", "archiveTimeStampSequence")
    return EvidenceRecord(tuple(chains))


def _read_timestamp(reader: der.Reader) -> ArchiveTimestamp:
    named = None
    if (content := reader.read_if(0xA0, "digestAlgorithm")) is not None:
        named = read_digest(der.Reader(der.tlv(der.SEQUENCE, content), field="digestAlgorithm"))
    reader.read_if(0xA1, "attributes")
    tree: list[tuple[bytes, ...]] = []
    if (lists := reader.enter_if(0xA2, "reducedHashtree")) is not None:
        while lists.more:
            if len(tree) == MAX_LISTS:
                raise lists.fail("too many lists", "reducedHashtree")
            hashes = lists.enter(der.SEQUENCE, "PartialHashtree")
            found: list[bytes] = []
            while hashes.more:
                if len(found) == MAX_HASHES:
                    raise hashes.fail("too many hashes", "PartialHashtree")
                found.append(hashes.octet_string("PartialHashtree"))
            if not found:
                raise lists.fail("an empty list", "PartialHashtree")
            tree.append(tuple(found))
    token = reader.raw_of(der.SEQUENCE, "timeStamp")
    reader.end()
    stamped = parse_token(token)[0].message_imprint.algorithm
    return ArchiveTimestamp(named or stamped, token, tuple(tree))


# --- trees -----------------------------------------------------------------------------------------------------------

Digest = Callable[[bytes], bytes]


def joined(digest: Digest, hashes: Sequence[bytes]) -> bytes:
    """Of several hashes, the hash of all in ascending order; a single one stands for itself (RFC 4998 4.2)."""
    return hashes[0] if len(hashes) == 1 else digest(b"".join(sorted(hashes)))


def build_trees(digest: Digest, groups: Sequence[Sequence[bytes]]) -> tuple[bytes, list[Tree]]:
    """The root over groups of document hashes, and for every group the reduced tree that leads there."""
    trees: list[list[tuple[bytes, ...]]] = [[tuple(sorted(group))] for group in groups]
    level = [(joined(digest, group), [number]) for number, group in enumerate(groups)]
    while len(level) > 1:
        above: list[tuple[bytes, list[int]]] = []
        for at in range(0, len(level) - 1, 2):
            (left, lefts), (right, rights) = level[at : at + 2]
            for members, sibling in ((lefts, right), (rights, left)):
                for number in members:
                    trees[number].append((sibling,))
            above.append((joined(digest, (left, right)), lefts + rights))
        if len(level) % 2:
            above.append(level[-1])
        level = above
    return level[0][0], [_merged(tree) for tree in trees]


def _merged(tree: list[tuple[bytes, ...]]) -> Tree:
    """A document alone stands in the first list beside its sibling, so that nobody hashes it once more."""
    if len(tree[0]) == 1 and len(tree) > 1:
        tree = [tuple(sorted(tree[0] + tree[1])), *tree[2:]]
    return tuple(tree)


def root_of(digest: Digest, tree: Tree) -> bytes:
    value: bytes | None = None
    for hashes in tree:
        value = joined(digest, hashes if value is None else (*hashes, value))
    assert value is not None, "a tree has lists"
    return value


def document_hashes(digest: Digest, documents: Sequence[bytes], earlier: Sequence[Chain]) -> list[bytes]:
    """As the first list of a chain has them; with `earlier` chains, each goes with the hash of those."""
    hashes = [digest(document) for document in documents]
    if not earlier:
        return hashes
    before = digest(encode_chains(earlier))
    return [digest(item + before) for item in hashes]


# --- to check --------------------------------------------------------------------------------------------------------


class NotProven(ValueError):
    """The record does not prove these documents; `text` says why in plain English."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


@dataclass(frozen=True, slots=True)
class Link:
    """A time-stamp whose signature is right and which proves what it has to. Its certificate must have been good at
    `until`, when the next one took over; None: now."""

    signed: SignedToken
    until: datetime | None

    @property
    def time(self) -> datetime:
        return self.signed.tst_info.gen_time


def check_record(record: EvidenceRecord, documents: Sequence[bytes]) -> list[Link]:
    """Every time-stamp of a record over exactly these documents, first to last. Whether their signers are trusted is
    the caller's question. Raises NotProven, InvalidSignature, TimeStampMismatch, DecodeError."""
    links: list[SignedToken] = []
    for number, chain in enumerate(record.chains):
        algorithm = chain[0].algorithm
        hashes = document_hashes(algorithm.digest, documents, record.chains[:number])
        stamped = _first_root(chain[0], hashes)
        for place, stamp in enumerate(chain):
            if stamp.algorithm is not algorithm:
                raise NotProven("a chain changes its hash")
            if place:
                stamped = _renewed_root(stamp, algorithm.digest(chain[place - 1].token))
            links.append(check_token(stamp.token, digest=stamped))
    times = [item.tst_info.gen_time for item in links]
    if times != sorted(times):
        raise NotProven("a time-stamp is older than the one that it renews")
    return [Link(item, until) for item, until in zip(links, [*times[1:], None], strict=True)]


def _first_root(stamp: ArchiveTimestamp, hashes: list[bytes]) -> bytes:
    if not stamp.tree:
        if len(hashes) != 1:
            raise NotProven("it is for a single document")
        return hashes[0]
    first = sorted(stamp.tree[0])
    alone = len(hashes) == 1 and len(first) == 2  # with its sibling
    same = first == sorted(hashes) if not alone else any(hmac.compare_digest(hashes[0], item) for item in first)
    if not same:
        raise NotProven("the documents are not those that were time-stamped")
    return root_of(stamp.algorithm.digest, stamp.tree)


def _renewed_root(stamp: ArchiveTimestamp, hashed: bytes) -> bytes:
    if not stamp.tree:
        return hashed
    if hashed not in stamp.tree[0]:
        raise NotProven("a renewal is not over the time-stamp before it")
    return root_of(stamp.algorithm.digest, stamp.tree)
