"""FF1: the construction by NIST's values with AES, then SM4: round trips, limits, agreement of the providers."""

import os
import string

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from miyun.gm import sm4_ff1
from miyun.gm.errors import InvalidInput, InvalidKey
from miyun.gm.providers import Provider, providers, using

KEY = bytes(range(16))
LETTERS = string.digits + string.ascii_lowercase


def aes(key: bytes) -> sm4_ff1.Cipher:
    def ecb(data: bytes) -> bytes:
        return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(data)

    def cbc_mac(data: bytes) -> bytes:
        return Cipher(algorithms.AES(key), modes.CBC(bytes(16))).encryptor().update(data)[-16:]

    return sm4_ff1.Cipher(ecb, cbc_mac)


AES_128 = "2b7e151628aed2a6abf7158809cf4f3c"
AES_192 = AES_128 + "ef4359d8d580aa4f"
AES_256 = AES_192 + "7f036d6f04fc6a94"


@pytest.mark.parametrize(
    ("key", "tweak", "alphabet", "plaintext", "ciphertext"),
    [
        (AES_128, "", string.digits, "0123456789", "2433477484"),
        (AES_128, "39383736353433323130", string.digits, "0123456789", "6124200773"),
        (AES_128, "3737373770717273373737", LETTERS, "0123456789abcdefghi", "a9tv40mll9kdu509eum"),
        (AES_192, "", string.digits, "0123456789", "2830668132"),
        (AES_192, "39383736353433323130", string.digits, "0123456789", "2496655549"),
        (AES_192, "3737373770717273373737", LETTERS, "0123456789abcdefghi", "xbj3kv35jrawxv32ysr"),
        (AES_256, "", string.digits, "0123456789", "6657667009"),
        (AES_256, "39383736353433323130", string.digits, "0123456789", "1001623463"),
        (AES_256, "3737373770717273373737", LETTERS, "0123456789abcdefghi", "xs8a0azh2avyalyzuwd"),
    ],
)
def test_the_construction_gives_the_samples_of_nist(
    key: str, tweak: str, alphabet: str, plaintext: str, ciphertext: str
) -> None:
    """FF1samples.pdf of NIST, samples 1 to 9."""
    cipher = aes(bytes.fromhex(key))
    before, after = ([alphabet.index(letter) for letter in text] for text in (plaintext, ciphertext))
    assert sm4_ff1.feistel(cipher, bytes.fromhex(tweak), before, len(alphabet), True) == after
    assert sm4_ff1.feistel(cipher, bytes.fromhex(tweak), after, len(alphabet), False) == before


@settings(max_examples=40)
@given(st.data())
def test_what_was_encrypted_comes_back_and_providers_agree(data: st.DataObject) -> None:
    radix = data.draw(st.sampled_from([2, 3, 10, 26, 255, 256, 257, 1000, 65535, 65536]))
    least = next(length for length in range(2, 21) if radix**length >= 1_000_000)
    numerals = data.draw(st.lists(st.integers(0, radix - 1), min_size=least, max_size=least + 60))
    key, tweak = data.draw(st.binary(min_size=16, max_size=16)), data.draw(st.binary(max_size=40))
    answers = []
    for entry in providers():
        with using(entry):
            answers.append(sm4_ff1.encrypt(key, tweak, numerals, radix))
            assert sm4_ff1.decrypt(key, tweak, answers[-1], radix) == numerals
    assert all(answer == answers[0] for answer in answers)
    assert len(answers[0]) == len(numerals)
    assert all(0 <= numeral < radix for numeral in answers[0])


def test_text_keeps_its_format(provider: Provider) -> None:
    identity, tweak = "110105194912310025", b"citizen"
    hidden = sm4_ff1.encrypt_text(KEY, tweak, identity)
    assert hidden != identity
    assert len(hidden) == 18
    assert hidden.isdigit()
    assert sm4_ff1.decrypt_text(KEY, tweak, hidden) == identity
    assert sm4_ff1.decrypt_text(KEY, b"other", hidden) != identity
    long = "".join(LETTERS[octet % 36] for octet in os.urandom(700))
    assert sm4_ff1.decrypt_text(KEY, b"", sm4_ff1.encrypt_text(KEY, b"", long, LETTERS), LETTERS) == long


def test_what_cannot_be_encrypted_is_refused(provider: Provider) -> None:
    for attempt in (
        lambda: sm4_ff1.encrypt_text(KEY, b"", "12345"),  # 10^5 strings only
        lambda: sm4_ff1.encrypt(KEY, b"", [0] * 19, 2),
        lambda: sm4_ff1.encrypt(KEY, b"", [65535], 65536),
        lambda: sm4_ff1.encrypt(KEY, b"", [0] * 10, 1),
        lambda: sm4_ff1.encrypt(KEY, b"", [0] * 10, 65537),
        lambda: sm4_ff1.encrypt(KEY, b"", [0] * 9 + [10], 10),
        lambda: sm4_ff1.encrypt(KEY, b"", [0] * 9 + [-1], 10),
        lambda: sm4_ff1.encrypt(KEY, b"", [0.0] * 10, 10),  # type: ignore[list-item]
        lambda: sm4_ff1.encrypt(KEY, b"", [0] * 4097, 10),
        lambda: sm4_ff1.encrypt(KEY, bytes(4097), [0] * 10, 10),
        lambda: sm4_ff1.encrypt(KEY[:15], b"", [0] * 10, 10),
        lambda: sm4_ff1.encrypt_text(KEY, b"", "12345a"),
        lambda: sm4_ff1.encrypt_text(KEY, b"", "1234567", "01234567890"),
    ):
        with pytest.raises((InvalidInput, InvalidKey)):
            attempt()
    assert len(sm4_ff1.encrypt(KEY, b"", [0] * 20, 2)) == 20
