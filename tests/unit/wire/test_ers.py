"""Evidence records: trees as RFC 4998 draws them, and what a record proves and does not."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.wire.authority import NOW, SM2, pki

from miyun.wire import tsp
from miyun.wire.algorithm import DigestAlgorithm
from miyun.wire.errors import DecodeError, EncodeError
from miyun.wire.ers import (
    ArchiveTimestamp,
    EvidenceRecord,
    NotProven,
    build_trees,
    check_record,
    document_hashes,
    parse_evidence_record,
    root_of,
)

SHA = DigestAlgorithm.SHA256
SM3 = DigestAlgorithm.SM3


def token(algorithm: DigestAlgorithm, digest: bytes, at: datetime = NOW) -> bytes:
    imprint = tsp.MessageImprint.of(algorithm, digest)
    info = tsp.TstInfoTemplate("1.2.3", tsp.Accuracy(1), None, True).encode(5, at, imprint, None)
    frame = tsp.TokenTemplate(SM2, (pki().tsa.certificate, pki().issuing.certificate))
    attributes = frame.to_be_signed(info)
    return frame.assemble(info, attributes, pki().tsa.key.sign(attributes), True)


def h(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(sorted(parts))).digest()


def test_the_example_of_the_standard() -> None:
    """RFC 4998 4.2: three groups, of one document, of three, and of one."""
    h1, h3 = (hashlib.sha256(x).digest() for x in (b"d1", b"d3"))
    second = [hashlib.sha256(x).digest() for x in (b"d2a", b"d2b", b"d2c")]
    h2abc = h(*second)
    root, trees = build_trees(SHA.digest, [[h1], second, [h3]])
    assert root == h(h(h1, h2abc), h3)
    assert trees[0] == (tuple(sorted((h1, h2abc))), (h3,))
    assert trees[1] == (tuple(sorted(second)), (h1,), (h3,))
    assert trees[2] == (tuple(sorted((h3, h(h1, h2abc)))),)


@given(st.lists(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=4), min_size=1, max_size=40))
def test_every_reduced_tree_leads_to_the_root(groups: list[list[bytes]]) -> None:
    root, trees = build_trees(SHA.digest, groups)
    for group, tree in zip(groups, trees, strict=True):
        assert root_of(SHA.digest, tree) == root
        assert set(group) <= set(tree[0])
        assert len(tree) <= 1 + len(groups).bit_length()


GROUPS = [[b"a1", b"a2"], [b"b1", b"b2", b"b3"], [b"c1"], [b"d1", b"d2"]]


def record(which: int, algorithm: DigestAlgorithm = SHA) -> EvidenceRecord:
    root, trees = build_trees(algorithm.digest, [document_hashes(algorithm.digest, g, ()) for g in GROUPS])
    return EvidenceRecord(((ArchiveTimestamp(algorithm, token(algorithm, root), trees[which]),),))


def renewed(base: EvidenceRecord, at: datetime) -> EvidenceRecord:
    *earlier, last = base.chains
    algorithm = last[-1].algorithm
    following = ArchiveTimestamp(algorithm, token(algorithm, algorithm.digest(last[-1].token), at))
    return EvidenceRecord((*earlier, (*last, following)))


def rehashed(base: EvidenceRecord, documents: list[bytes], algorithm: DigestAlgorithm, at: datetime) -> EvidenceRecord:
    others = [[bytes(32), b"\1" * 32]]
    hashes = document_hashes(algorithm.digest, documents, base.chains)
    root, trees = build_trees(algorithm.digest, [hashes, *others])
    return EvidenceRecord((*base.chains, (ArchiveTimestamp(algorithm, token(algorithm, root, at), trees[0]),)))


@pytest.mark.parametrize("which", range(len(GROUPS)))
def test_a_record_proves_its_documents_and_no_others(which: int) -> None:
    made = parse_evidence_record(record(which).encode())
    [link] = check_record(made, GROUPS[which])
    assert (link.time, link.until) == (NOW, None)
    for wrong in ([b"other"], [*GROUPS[which], b"more"], GROUPS[(which + 1) % 4]):
        with pytest.raises(NotProven):
            check_record(made, wrong)


def test_renewals_of_both_kinds_hold_together() -> None:
    documents = GROUPS[1]
    base = record(1)
    year = timedelta(days=365)
    longer = renewed(renewed(base, NOW + year), NOW + 2 * year)
    other = rehashed(longer, documents, SM3, NOW + 3 * year)
    whole = parse_evidence_record(renewed(other, NOW + 4 * year).encode())
    links = check_record(whole, documents)
    assert [link.time for link in links] == [NOW + n * year for n in range(5)]
    assert [link.until for link in links] == [NOW + n * year for n in range(1, 5)] + [None]
    assert [len(chain) for chain in whole.chains] == [3, 2]
    with pytest.raises(NotProven):
        check_record(whole, GROUPS[0])


def test_a_record_whose_renewal_is_of_something_else() -> None:
    base = record(0)
    stranger = ArchiveTimestamp(SHA, token(SHA, bytes(32), NOW + timedelta(days=1)))
    with pytest.raises(tsp.TimeStampMismatch):
        check_record(EvidenceRecord(((*base.chains[0], stranger),)), GROUPS[0])
    tree = ((bytes(32), b"\1" * 32),)
    with pytest.raises(NotProven, match="before it"):
        check_record(
            EvidenceRecord(((*base.chains[0], ArchiveTimestamp(SHA, base.chains[0][0].token, tree)),)), GROUPS[0]
        )


def test_a_chain_keeps_its_hash_and_its_order() -> None:
    base = record(0)
    changed = ArchiveTimestamp(SM3, token(SM3, SM3.digest(base.chains[0][0].token), NOW))
    with pytest.raises(NotProven, match="changes its hash"):
        check_record(EvidenceRecord(((*base.chains[0], changed),)), GROUPS[0])
    with pytest.raises(NotProven, match="older"):
        check_record(renewed(base, NOW - timedelta(days=1)), GROUPS[0])


def test_a_new_hash_is_over_all_time_stamps_so_far() -> None:
    """Take a renewal away from below: the chain with the new hash tells."""
    base = record(0)
    longer = renewed(base, NOW + timedelta(days=1))
    whole = rehashed(longer, GROUPS[0], SM3, NOW + timedelta(days=2))
    with pytest.raises(NotProven):
        check_record(EvidenceRecord((base.chains[0], whole.chains[1])), GROUPS[0])


def test_what_is_no_record() -> None:
    with pytest.raises(EncodeError):
        EvidenceRecord(()).encode()
    encoded = record(0).encode()
    for wrong in (b"\x30\x00", encoded[:-1], encoded + b"\x00", encoded.replace(b"\x02\x01\x01", b"\x02\x01\x02", 1)):
        with pytest.raises(DecodeError):
            parse_evidence_record(wrong)
