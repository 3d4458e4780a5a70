"""Keys in the clear: how each algorithm's private or secret key is made, read on import, and described.

Inside the VSM a key is its shortest form: 32 octets d for SM2, the raw key for symmetric ones, PKCS#8 DER otherwise.
"""

from __future__ import annotations

from typing import Final

from miyun.gm import intl, rand, sm2, sm4
from miyun.gm.errors import GmError
from miyun.hsm.errors import InvalidRequest
from miyun.hsm.port import EnvelopeForm, KeyAlgorithm
from miyun.wire import oid
from miyun.wire.cms import EnvelopedKey
from miyun.wire.errors import DecodeError
from miyun.wire.pkcs8 import parse_sm2_private_key
from miyun.wire.spki import KeyAlgorithm as SpkiAlgorithm
from miyun.wire.spki import parse_spki, sm2_spki

SYMMETRIC_SIZES: Final = {KeyAlgorithm.SM4: 16, KeyAlgorithm.HMAC_SM3: 32, KeyAlgorithm.AES_256: 32}
_RSA_BITS: Final = {KeyAlgorithm.RSA_2048: 2048, KeyAlgorithm.RSA_3072: 3072}
_HMAC_SIZES: Final = range(16, 129)


def generate(algorithm: KeyAlgorithm) -> tuple[bytearray, bytes | None]:
    """A fresh key: (secret, SubjectPublicKeyInfo or None)."""
    if algorithm is KeyAlgorithm.SM2:
        ((d, point),) = sm2.generate_many(1)
        # Pairwise consistency, as modules are asked to show for every generated signing key.
        sm2.verify(point, b"pairwise", sm2.sign(d, b"pairwise", public=point))
        return bytearray(d), sm2_spki(point)
    if algorithm in SYMMETRIC_SIZES:
        return bytearray(rand.token(SYMMETRIC_SIZES[algorithm])), None
    key = intl.ecdsa_p256_generate() if algorithm is KeyAlgorithm.EC_P256 else intl.rsa_generate(_RSA_BITS[algorithm])
    return bytearray(key), intl.public_key(key)


def envelope(secret: bytearray, receiver: bytes, form: EnvelopeForm) -> bytes:
    """An SM2 private key to the SubjectPublicKeyInfo of whom it is for. Raises InvalidRequest."""
    try:
        to = parse_spki(receiver)
        if to.algorithm is not SpkiAlgorithm.SM2 or to.point is None:
            raise InvalidRequest("receiver", "not an SM2 public key")
        own = sm2.public_key(secret)
        if to.point == own:
            raise InvalidRequest("receiver", "the key itself")
        if form is EnvelopeForm.CFCA:
            return sm2.encrypt(to.point, own[1:] + secret, "c1c3c2").removeprefix(b"\x04")
        key = bytearray(rand.token(16))
        encrypted_key = sm2.encrypt(to.point, key)
    except (GmError, DecodeError):
        raise InvalidRequest("receiver", "not a usable SM2 public key") from None
    # ECB over two blocks, as the standard has it; the symmetric key is used this once.
    made = EnvelopedKey(oid.SM4_ECB, encrypted_key, own, sm4.encrypt_ecb(key, secret)).encode()
    key[:] = bytes(len(key))
    return made


def read(algorithm: KeyAlgorithm, material: bytes) -> tuple[bytearray, bytes | None]:
    """An imported key, raw or PKCS#8: (secret, SubjectPublicKeyInfo or None). Raises InvalidRequest."""
    try:
        if algorithm is KeyAlgorithm.SM2:
            d = material if len(material) == 32 else parse_sm2_private_key(material)
            return bytearray(d), sm2_spki(sm2.public_key(d))
        if algorithm in SYMMETRIC_SIZES:
            size = len(material)
            if size != SYMMETRIC_SIZES[algorithm] and not (algorithm is KeyAlgorithm.HMAC_SM3 and size in _HMAC_SIZES):
                raise InvalidRequest("enveloped", "the key has the wrong length")
            return bytearray(material), None
        public = intl.public_key(material)
        _require_public(algorithm, public)
    except (GmError, DecodeError):
        raise InvalidRequest("enveloped", f"not a key of {algorithm}") from None
    return bytearray(material), public


def _require_public(algorithm: KeyAlgorithm, public: bytes) -> None:
    parsed = parse_spki(public)
    if algorithm is KeyAlgorithm.EC_P256:
        right = parsed.algorithm is SpkiAlgorithm.EC_P256
    else:
        # An RSA SubjectPublicKeyInfo with exponent 65537 is 294 octets for 2048 bits and 422 for 3072.
        right = parsed.algorithm is SpkiAlgorithm.RSA and len(public) == {2048: 294, 3072: 422}[_RSA_BITS[algorithm]]
    if not right:
        raise InvalidRequest("enveloped", f"not a key of {algorithm}")
