"""Key derivation and the international algorithms."""

import os

import pytest

from miyun.gm import intl, kdf, sm3
from miyun.gm.errors import DecryptionFailed, InvalidInput, InvalidKey, InvalidSignature
from miyun.gm.providers import Provider


def test_sm2_kdf_counts_from_one(provider: Provider) -> None:
    z = os.urandom(64)
    blocks = b"".join(sm3.digest(z + counter.to_bytes(4, "big")) for counter in (1, 2, 3))
    for length in (1, 31, 32, 33, 96):
        assert kdf.sm2_kdf(z, length) == blocks[:length]


def test_derived_lengths_have_limits(provider: Provider) -> None:
    assert len(kdf.hkdf(b"ikm", b"", b"", 255 * 32)) == 255 * 32
    for attempt in (
        lambda: kdf.hkdf(b"ikm", b"", b"", 255 * 32 + 1),
        lambda: kdf.hkdf(b"ikm", b"", b"", 0),
        lambda: kdf.sm2_kdf(b"z", 0),
        lambda: kdf.pbkdf2(b"password", b"salt", 0, 32),
        lambda: kdf.pbkdf2(b"password", b"salt", 1, 0),
        lambda: kdf.pbkdf2(b"password", b"salt", 10**9, 32),
        lambda: kdf.tlcp_prf(b"secret", b"label", b"seed", 0),
        lambda: kdf.tlcp_prf(b"secret", b"label", b"seed", 2**16 + 1),
    ):
        with pytest.raises(InvalidInput):
            attempt()


def test_aes_gcm() -> None:
    key, nonce = os.urandom(32), os.urandom(12)
    ciphertext = intl.aes_gcm_encrypt(key, nonce, b"data", b"aad")
    assert intl.aes_gcm_decrypt(key, nonce, ciphertext, b"aad") == b"data"
    with pytest.raises(DecryptionFailed):
        intl.aes_gcm_decrypt(key, nonce, ciphertext, b"other")
    with pytest.raises(InvalidInput):
        intl.aes_gcm_encrypt(key[:20], nonce, b"data")


def test_ecdsa_p256() -> None:
    key = intl.ecdsa_p256_generate()
    public = intl.public_key(key)
    signature = intl.ecdsa_p256_sign(key, b"message")
    intl.ecdsa_p256_verify(public, b"message", signature)
    with pytest.raises(InvalidSignature):
        intl.ecdsa_p256_verify(public, b"other", signature)
    digest = os.urandom(32)
    intl.ecdsa_p256_verify_digest(public, digest, intl.ecdsa_p256_sign_digest(key, digest))


@pytest.mark.parametrize("padding", ["pkcs1v15", "pss"])
@pytest.mark.parametrize("name", ["sha256", "sha384", "sha512"])
def test_rsa(name: intl.HashName, padding: intl.RsaPadding, rsa_key: bytes) -> None:
    public = intl.public_key(rsa_key)
    signature = intl.rsa_sign(rsa_key, b"message", name, padding)
    intl.rsa_verify(public, b"message", signature, name, padding)
    with pytest.raises(InvalidSignature):
        intl.rsa_verify(public, b"other", signature, name, padding)


@pytest.fixture(scope="module")
def rsa_key() -> bytes:
    return intl.rsa_generate(2048)


def test_keys_of_the_wrong_kind_are_refused(rsa_key: bytes) -> None:
    with pytest.raises(InvalidKey):
        intl.ecdsa_p256_sign(rsa_key, b"message")
    with pytest.raises(InvalidKey):
        intl.rsa_sign(intl.ecdsa_p256_generate(), b"message")
    with pytest.raises(InvalidKey):
        intl.public_key(b"not a key")
    with pytest.raises(InvalidInput):
        intl.rsa_generate(1024)
