"""Every length up to several widths of every kernel, at odd addresses, beside `cryptography`'s SM4 and SM3."""

import os
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from miyun.gm import sm3, sm4
from miyun.gm.providers import Provider

KEY, IV = os.urandom(16), os.urandom(16)
NEARLY_FULL = bytes(12) + (2**32 - 9).to_bytes(4, "big")
"""A counter that passes 2^32 within every longer message"""
POOL = os.urandom(9000)


def theirs(mode: modes.Mode, data: bytes) -> bytes:
    context = Cipher(algorithms.SM4(KEY), mode).encryptor()
    ciphertext = context.update(data) + context.finalize()
    return ciphertext + (context.tag if isinstance(mode, modes.GCM) else b"")  # type: ignore[attr-defined]


def pieces(step: int, *more: int) -> Iterator[memoryview]:
    for size in (*range(0, 1101, step), *more):
        start = size % 61
        yield memoryview(POOL)[start : start + size]


def test_whole_blocks(provider: Provider) -> None:
    for data in pieces(16, 2048, 2064, 4096 + 16 * 33, 8192):
        ecb, cbc = theirs(modes.ECB(), bytes(data)), theirs(modes.CBC(IV), bytes(data))
        assert sm4.encrypt_ecb(KEY, data) == ecb
        assert sm4.decrypt_ecb(KEY, ecb) == data
        assert sm4.encrypt_cbc(KEY, IV, data, None) == cbc
        assert sm4.decrypt_cbc(KEY, IV, cbc, None) == data


@pytest.mark.parametrize("counter", [IV, NEARLY_FULL, b"\xff" * 15 + b"\xf7"], ids=["any", "32 bits", "128 bits"])
def test_counter_mode(provider: Provider, counter: bytes) -> None:
    for data in pieces(1, 2047, 2048, 4097, 8191):
        assert sm4.ctr(KEY, counter, data) == theirs(modes.CTR(counter), bytes(data))


def product(x: int, y: int) -> int:
    """In the field of GCM, the first bit the highest."""
    z = 0
    for place in range(127, -1, -1):
        z ^= x if y >> place & 1 else 0
        x = x >> 1 ^ (0xE1 << 120 if x & 1 else 0)
    return z


def nonce_for(counter: bytes) -> bytes:
    """The 16-byte nonce whose first counter block is this: ((nonce·H) XOR 128)·H = counter."""
    h = int.from_bytes(sm4.encrypt_ecb(KEY, bytes(16)), "big")
    inverse, power = 1 << 127, h
    for _ in range(127):  # h^(2^128 - 2)
        power = product(power, power)
        inverse = product(inverse, power)
    return product(product(int.from_bytes(counter, "big"), inverse) ^ 128, inverse).to_bytes(16, "big")


@pytest.mark.parametrize("wraps", [False, True])
def test_gcm(provider: Provider, wraps: bool) -> None:
    nonce = nonce_for(NEARLY_FULL) if wraps else IV[:12]
    items = [(nonce, data, POOL[: len(data) % 37]) for data in pieces(1, 2047, 2048, 3072, 4097, 8192)]
    expected = []
    for _, data, aad in items:
        context = Cipher(algorithms.SM4(KEY), modes.GCM(nonce)).encryptor()
        context.authenticate_additional_data(aad)
        expected.append(context.update(data) + context.finalize() + context.tag)
    assert sm4.gcm_encrypt_many(KEY, items) == expected
    sealed = [(nonce, whole, aad) for whole, (_, _, aad) in zip(expected, items, strict=True)]
    assert sm4.gcm_decrypt_many(KEY, sealed) == [bytes(data) for _, data, _ in items]
    assert [sm4.encrypt_gcm(KEY, *item) for item in items[::50]] == expected[::50]
    wrong = [(nonce, bytes([whole[0] ^ 1]) + whole[1:], aad) for nonce, whole, aad in sealed]
    assert sm4.gcm_decrypt_many(KEY, wrong) == [None] * len(wrong)


def test_sm3(provider: Provider) -> None:
    items = list(pieces(1, 2047, 4096, 8191))
    expected = []
    for data in items:
        context = hashes.Hash(hashes.SM3())
        context.update(data)
        expected.append(context.finalize())
    assert [sm3.digest(data) for data in items] == expected
    assert sm3.digest_many(items) == expected
    assert sm3.digest_many(items[::-1]) == expected[::-1]
    hasher, fed = sm3.new(), b""
    for data in items[::20]:
        hasher.update(data)
        fed += bytes(data)
        assert hasher.digest() == sm3.digest(fed)
