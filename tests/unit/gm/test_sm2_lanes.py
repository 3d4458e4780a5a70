"""The kernels that compute SM2 on eight lanes agree with the portable code, at the edges too, and notice a fault."""

import ctypes
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from miyun.gm import curve, selftest, sm2
from miyun.gm.errors import SelfTestFailed
from miyun.gm.providers import Provider, named, providers, using
from miyun.gm.providers.native import NativeProvider

N = curve.N
pytestmark = pytest.mark.skipif(
    all(entry.name != "ipp-mb" for entry in providers()), reason="this CPU or this build has no lanes"
)


def scalar(value: int) -> bytes:
    return (value % N).to_bytes(32, "big")


# The sum of the highest window of multiples of G meets its addend for 2 * 15 * 2^252 - n, that of five doublings for 6.
MEETING = 30 * 2**252 - N
EDGES = sorted(
    {sign * value % N for value in (*range(1, 70), 2**64, 2**128, 2**252 - 1, 2**255, N // 2, MEETING - 1, MEETING)
     for sign in (1, -1)}
)  # fmt: skip


@pytest.fixture
def lanes() -> Iterator[NativeProvider]:
    serving = named("ipp-mb")
    assert isinstance(serving, NativeProvider)
    with using(serving):
        yield serving


@pytest.fixture
def portable() -> Provider:
    return named("portable")


def test_edge_scalars_give_the_multiples_of_the_generator(lanes: Provider, portable: Provider) -> None:
    for k in EDGES:
        assert lanes.sm2_public_key(scalar(k)) == portable.sm2_public_key(scalar(k)), hex(k)


def test_edge_scalars_give_the_multiples_of_points(lanes: Provider, portable: Provider) -> None:
    points = [portable.sm2_public_key(scalar(k)) for k in (1, -1, 2, 0xABCDEF << 200)]
    for k in EDGES:
        for point in points[: 1 + k % 4]:
            assert lanes.sm2_multiply(scalar(k), point) == portable.sm2_multiply(scalar(k), point), hex(k)


def test_keys_that_are_related_to_the_generator_verify(lanes: Provider, portable: Provider) -> None:
    triples = []
    for d in (1, 2, 3, 5, 6, 7, 16, 30, 31, 32, N - 2, N - 3, N - 6, N - 7):
        public = portable.sm2_public_key(scalar(d))
        triples += [(public, e, portable.sm2_sign([(scalar(d), e)])[0]) for e in (bytes(32), b"\xff" * 32)]
    for _ in range(20):  # first by doubling, then by the tables of the keys
        assert lanes.sm2_verify(triples) == [True] * len(triples)
    changed = [(public, b"\1" * 32, signature) for public, _, signature in triples]
    assert lanes.sm2_verify(changed) == portable.sm2_verify(changed) == [False] * len(triples)


def forged(s: int, t: int, d: int) -> tuple[bytes, bytes, bytes]:
    """A triple that verifies, made of scalars that were chosen: s*G + t*P = (s + t*d)*G."""
    multiple = named("portable").sm2_public_key
    public, product = multiple(scalar(d)), multiple(scalar(s + t * d))
    r = (t - s) % N
    e = scalar(r - int.from_bytes(product[1:33], "big"))
    return public, e, curve.encode_signature(r, s % N)


def test_chosen_scalars_verify(lanes: Provider, portable: Provider) -> None:
    """Sums that meet their addend, wholly or in a part of the windows, and scalars at the ends."""
    chosen = [
        (1, 1),
        (2, 1),
        (1, N - 1),
        (7, 2),
        (6, 12),
        (MEETING, 5),
        (N - MEETING, 5),
        (2**252, 2**252),
        (2**255, 3),
    ]
    triples = [forged(s, t, d) for s, t in chosen for d in (1, 2, 31, 2**128 + 1) if (s - t) % N and (s + t * d) % N]
    assert portable.sm2_verify(triples) == [True] * len(triples)
    for _ in range(18):
        assert lanes.sm2_verify(triples) == [True] * len(triples)


def test_the_sum_that_is_infinity_does_not_verify(lanes: Provider, portable: Provider) -> None:
    public = portable.sm2_public_key(scalar(3))
    signature = curve.encode_signature((-4) % N, 3)  # t = -1: 3G - P
    assert lanes.sm2_verify([(public, scalar(-4), signature)] * 20) == [False] * 20
    assert portable.sm2_verify([(public, scalar(-4), signature)]) == [False]


def test_mixed_batches_get_the_verdicts_of_the_portable_code(lanes: Provider, portable: Provider) -> None:
    keys = sm2.generate_many(12)
    often = keys[:3]
    items = []
    for index in range(150):
        d, public = random.choice(often if index % 3 else keys)
        e = os.urandom(32)
        signature = lanes.sm2_sign([(d, e)])[0]
        items.append(
            random.choice([(public, e, signature), (public, os.urandom(32), signature), (public, e, b"\x30\0")])
        )
    for _ in range(3):
        assert lanes.sm2_verify(items) == portable.sm2_verify(items)


def test_tables_of_keys_keep_below_the_bound_and_go_by_age(lanes: NativeProvider) -> None:
    count = lanes._engine.sm2_key_tables
    try:
        count(0)
        keys = sm2.generate_many(5)
        items = [(public, d, sm2.sign_digest(d, d)) for d, public in keys]
        assert sm2.verify_digest_many(items * 20) == [True] * 100
        assert count(0) == 0
        count(3 * 70_000)
        assert sm2.verify_digest_many(items * 20) == [True] * 100
        assert count(3 * 70_000) == 3
        assert sm2.verify_digest_many(items * 20) == [True] * 100
    finally:
        count(64 << 20)


def test_signers_sign_alone_in_batches_and_beside_plain_keys(provider: Provider) -> None:
    d, public = sm2.generate_many(1)[0]
    ready = sm2.signer(d)
    e = os.urandom(32)
    sm2.verify_digest(public, e, sm2.sign_digest(ready, e))
    sm2.verify(public, b"message", sm2.sign(ready, b"message", public=public))
    other, other_public = sm2.generate_many(1)[0]
    pairs = [(ready, e), (other, e), (bytearray(d), e), (other, e), (other, e), (ready, e)]
    owners = [public, other_public, public, other_public, other_public, public]
    signatures = sm2.sign_digest_many(pairs)
    assert all(sm2.verify_digest_many([(owner, e, s) for owner, s in zip(owners, signatures, strict=True)]))
    assert d.hex() not in repr(ready)


def first_integers(signatures: list[bytes]) -> set[int]:
    return {sm2.decode_signature(signature)[0] for signature in signatures}


def test_a_child_of_fork_does_not_have_its_parents_nonces(lanes: Provider) -> None:
    """With one e, equal r would betray equal nonces, and so the key."""
    d, e = sm2.generate_private_key(), bytes(32)
    mine = [sm2.sign_digest(d, e) for _ in range(9)]  # leaves nonces in the pool
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        with os.fdopen(writer, "wb") as out:
            out.write(b"".join(s.ljust(72, b"\0") for s in (sm2.sign_digest(d, e) for _ in range(130))))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    theirs = first_integers([padded[: 2 + padded[1]] for padded in (data[i : i + 72] for i in range(0, len(data), 72))])
    mine += [sm2.sign_digest(d, e) for _ in range(130)]
    assert len(theirs) == 130
    assert len(first_integers(mine)) == len(mine)
    assert not theirs & first_integers(mine)


def test_threads_do_not_share_nonces(lanes: Provider) -> None:
    d, e = sm2.generate_private_key(), bytes(32)

    def work(_: int) -> list[bytes]:
        with using(lanes):
            return [sm2.sign_digest(d, e) for _ in range(70)] + sm2.sign_digest_many([(d, e)] * 70)

    with ThreadPoolExecutor(4) as pool:
        signatures = [signature for result in pool.map(work, range(4)) for signature in result]
    assert len(first_integers(signatures)) == len(signatures) == 560


@pytest.mark.parametrize("table", [0, 1])
def test_one_flipped_bit_of_a_table_fails_the_self_test(lanes: NativeProvider, table: int) -> None:
    address, size = lanes._engine.sm2_tables()[table]
    for _ in range(5):
        octet = ctypes.c_ubyte.from_address(address + random.randrange(size))
        bit = 1 << random.randrange(8)
        octet.value ^= bit
        try:
            with pytest.raises(SelfTestFailed, match="SM2"):
                selftest.run(lanes)
        finally:
            octet.value ^= bit
    selftest.run(lanes)


def test_without_the_extension_nothing_of_this_is_needed() -> None:
    code = (
        "import sys; sys.modules['miyun.gm._native'] = None\n"
        "from miyun.gm import sm2\n"
        "d, public = sm2.generate_many(1)[0]\n"
        "sm2.verify_digest(public, d, sm2.sign_digest(sm2.signer(d), d))\n"
        "assert sm2.decrypt_pairs([(d, sm2.encrypt(public, d)), (d, b'')]) == [d, None]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
