"""SM3, HMAC-SM3 and the modes of SM4."""

import os
import pickle

import pytest

from miyun.gm import sm3, sm4
from miyun.gm.errors import DecryptionFailed, InvalidInput, InvalidSignature
from miyun.gm.providers import Provider

KEY = bytes(range(16))
NONCE = bytes(12)


def test_many_digests_of_unequal_lengths(provider: Provider) -> None:
    items = [os.urandom(size) for size in (0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 1000, 5000, 3, 3, 3, 3, 3, 70)]
    assert sm3.digest_many(items) == [sm3.digest(item) for item in items]
    assert sm3.digest_many([]) == []


def test_a_digest_may_be_fed_piecewise_asked_twice_and_copied(provider: Provider) -> None:
    data = os.urandom(10_000)
    hasher = sm3.new(data[:1])
    for start in range(1, len(data), 777):
        hasher.update(data[start : start + 777])
    assert hasher.digest() == hasher.digest() == sm3.digest(data)
    branch = hasher.copy()
    branch.update(b"more")
    assert branch.digest() == sm3.digest(data + b"more")
    assert hasher.digest() == sm3.digest(data)


@pytest.mark.parametrize("size", [0, 1, 32, 64, 65, 200])
def test_hmac_follows_its_definition(provider: Provider, size: int) -> None:
    key, message = os.urandom(size), os.urandom(100)
    block = (sm3.digest(key) if size > 64 else key).ljust(64, b"\0")
    inner = sm3.digest(bytes(byte ^ 0x36 for byte in block) + message)
    expected = sm3.digest(bytes(byte ^ 0x5C for byte in block) + inner)
    assert sm3.hmac(key, message) == expected
    assert sm3.hmac_many(key, [message] * 20) == [expected] * 20


def test_a_wrong_or_short_tag_does_not_verify(provider: Provider) -> None:
    tag = sm3.hmac(b"key", b"data")
    sm3.hmac_verify(b"key", b"data", tag)
    for wrong in (tag[:-1], tag + b"\0", bytes(32), b""):
        with pytest.raises(InvalidSignature):
            sm3.hmac_verify(b"key", b"data", wrong)


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 255, 256, 257, 1023, 1024, 1025, 4096, 8191, 8193, 100_003])
def test_gcm_round_trip(provider: Provider, size: int) -> None:
    if size > 10_000 and provider.supplemented and "Python" in provider.supplemented[0]:
        size = 3000
    data, aad = os.urandom(size), os.urandom(size % 40)
    ciphertext = sm4.encrypt_gcm(KEY, NONCE, data, aad)
    assert len(ciphertext) == size + 16
    assert sm4.decrypt_gcm(KEY, NONCE, ciphertext, aad) == data


def test_gcm_refuses_every_change(provider: Provider) -> None:
    ciphertext = sm4.encrypt_gcm(KEY, NONCE, b"sixteen bytes or more", b"aad")
    for position in range(len(ciphertext)):
        changed = bytearray(ciphertext)
        changed[position] ^= 0x80
        with pytest.raises(DecryptionFailed):
            sm4.decrypt_gcm(KEY, NONCE, changed, b"aad")
    for arguments in ((NONCE, ciphertext, b"AAD"), (b"\1" * 12, ciphertext, b"aad"), (NONCE, ciphertext[:15], b"aad")):
        with pytest.raises(DecryptionFailed):
            sm4.decrypt_gcm(KEY, *arguments)


def test_gcm_batches_answer_item_by_item(provider: Provider) -> None:
    items = [(os.urandom(12), os.urandom(size), os.urandom(size // 2)) for size in (0, 1, 16, 100, 64)]
    sealed = sm4.gcm_encrypt_many(KEY, items)
    assert sealed == [sm4.encrypt_gcm(KEY, *item) for item in items]
    opened = [(nonce, ciphertext, aad) for (nonce, _, aad), ciphertext in zip(items, sealed, strict=True)]
    opened[2] = (opened[2][0], b"\0" * 32, opened[2][2])
    expected = [None if index == 2 else item[1] for index, item in enumerate(items)]
    assert sm4.gcm_decrypt_many(KEY, opened) == expected


@pytest.mark.parametrize("counter", [b"\xff" * 16, b"\xff" * 15 + b"\xfe", bytes(8) + b"\xff" * 8])
def test_ctr_carries_through_all_sixteen_bytes(provider: Provider, counter: bytes) -> None:
    start = int.from_bytes(counter, "big")
    blocks = b"".join(((start + step) % 2**128).to_bytes(16, "big") for step in range(70))
    assert sm4.ctr(KEY, counter, bytes(len(blocks) - 5)) == sm4.encrypt_ecb(KEY, blocks)[:-5]


@pytest.mark.parametrize("blocks", [1, 2, 16, 17, 63, 64, 65, 130])
def test_cbc_follows_its_definition(provider: Provider, blocks: int) -> None:
    data, iv = os.urandom(16 * blocks), os.urandom(16)
    chain, expected = iv, b""
    for start in range(0, len(data), 16):
        mixed = bytes(a ^ b for a, b in zip(chain, data[start : start + 16], strict=True))
        chain = sm4.encrypt_ecb(KEY, mixed)
        expected += chain
    assert sm4.encrypt_cbc(KEY, iv, data, None) == expected
    assert sm4.decrypt_cbc(KEY, iv, expected, None) == data


@pytest.mark.parametrize("size", [0, 1, 15, 16, 31])
def test_padding_is_added_and_checked(provider: Provider, size: int) -> None:
    data = os.urandom(size)
    ciphertext = sm4.encrypt_cbc(KEY, KEY, data)
    assert len(ciphertext) == size - size % 16 + 16
    assert sm4.decrypt_cbc(KEY, KEY, ciphertext) == data


@pytest.mark.parametrize("tail", [b"\0", b"\x11", b"\1\2", b"\3\2\3"])
def test_wrong_padding_is_refused(provider: Provider, tail: bytes) -> None:
    ciphertext = sm4.encrypt_cbc(KEY, KEY, tail.rjust(16, b"x"), None)
    with pytest.raises(DecryptionFailed):
        sm4.decrypt_cbc(KEY, KEY, ciphertext)


def test_wrong_sizes_are_named(provider: Provider) -> None:
    for attempt in (
        lambda: sm4.encrypt_ecb(KEY[:15], bytes(16)),
        lambda: sm4.encrypt_ecb(KEY, bytes(17)),
        lambda: sm4.encrypt_cbc(KEY, bytes(15), b""),
        lambda: sm4.ctr(KEY, bytes(12), b""),
        lambda: sm4.encrypt_gcm(KEY, b"", b""),
        lambda: sm4.encrypt_gcm(KEY, NONCE, b"", tag_size=3),
    ):
        with pytest.raises(InvalidInput):
            attempt()


def test_decrypting_an_empty_padded_text_fails(provider: Provider) -> None:
    with pytest.raises(DecryptionFailed):
        sm4.decrypt_cbc(KEY, KEY, b"")


def test_a_prepared_key_does_what_the_key_does(provider: Provider) -> None:
    ready = sm4.GcmKey(bytearray(KEY))
    items = [(bytes([i]) * (12 + i % 2), bytes(range(i)) * 7, b"aad"[: i % 4]) for i in range(70)]
    sealed = sm4.gcm_encrypt_many(KEY, items)
    assert ready.encrypt_many(items) == sealed
    assert [ready.encrypt(*item, 12) for item in items] == [whole[:-4] for whole in sealed]
    back = [(nonce, whole, aad) for (nonce, _, aad), whole in zip(items, sealed, strict=True)]
    assert ready.decrypt_many([*back, (NONCE, b"short", b"")]) == [data for _, data, _ in items] + [None]
    assert ready.decrypt(*back[69]) == items[69][1]
    with pytest.raises(DecryptionFailed):
        ready.decrypt(NONCE, sealed[69])
    with pytest.raises(InvalidInput):
        ready.encrypt(b"", b"data")
    with pytest.raises(InvalidInput):
        sm4.GcmKey(KEY[:15])
    with pytest.raises(TypeError):
        pickle.dumps(ready)


def test_a_batch_is_checked_item_by_item(provider: Provider) -> None:
    good = (NONCE, b"data", b"")
    view = (memoryview(NONCE), memoryview(bytearray(b"0d1a2t3a"))[1::2], bytearray())
    assert sm4.gcm_encrypt_many(KEY, [good, view])[0] == sm4.gcm_encrypt_many(KEY, (good, view))[1]
    for bad in (("nonce is text", b"", b""), (b"", b"", b""), (NONCE, [1, 2], b"")):
        with pytest.raises(InvalidInput):
            sm4.gcm_encrypt_many(KEY, [good, bad])  # type: ignore[list-item]
    with pytest.raises(InvalidInput):
        sm3.digest_many([b"data", "text"])  # type: ignore[list-item]
