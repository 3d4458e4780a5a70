"""International algorithms by `cryptography`: AES-GCM, ECDSA P-256, RSA.

Private keys are PKCS#8 DER, public keys SubjectPublicKeyInfo DER, ECDSA signatures DER. Every failure to verify or
decrypt is opaque.
"""

from typing import Literal

from cryptography import exceptions
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from miyun.gm import _check
from miyun.gm.errors import DecryptionFailed, InvalidInput, InvalidKey, InvalidSignature
from miyun.gm.providers.port import Buffer

HashName = Literal["sha256", "sha384", "sha512"]
RsaPadding = Literal["pkcs1v15", "pss"]
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
_RSA_SIZES = (2048, 3072, 4096)


def aes_gcm_encrypt(key: Buffer, nonce: Buffer, data: Buffer, aad: Buffer = b"") -> bytes:
    """ciphertext‖16-byte tag; keys of 16, 24 or 32 bytes, nonces of 8 … 128 bytes (use 12)."""
    return _aes(key, nonce).encrypt(bytes(nonce), bytes(data), bytes(aad))


def aes_gcm_decrypt(key: Buffer, nonce: Buffer, data: Buffer, aad: Buffer = b"") -> bytes:
    """The plaintext; DecryptionFailed unless the tag is right."""
    try:
        return _aes(key, nonce).decrypt(bytes(nonce), bytes(data), bytes(aad))
    except exceptions.InvalidTag:
        raise DecryptionFailed from None


def _aes(key: Buffer, nonce: Buffer) -> AESGCM:
    if len(_check.data(key, "AES key")) not in (16, 24, 32):
        raise InvalidInput("an AES key is 16, 24 or 32 bytes")
    if not 8 <= len(_check.data(nonce, "nonce")) <= 128:
        raise InvalidInput("an AES-GCM nonce has 8 … 128 bytes; use 12")
    return AESGCM(bytes(key))


def _hash(name: str) -> hashes.HashAlgorithm:
    if name not in _HASHES:
        raise InvalidInput(f"the hash is one of {', '.join(_HASHES)}")
    return _HASHES[name]


PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def load_private(key: Buffer) -> PrivateKey:
    """The key parsed and checked once (a tenth of a second for RSA): signing takes it in place of the DER."""
    loaded = _private(key)
    if not isinstance(loaded, PrivateKey):
        raise InvalidKey("the key is neither ECDSA nor RSA")
    return loaded


def _private(key: Buffer | PrivateKey) -> object:
    if isinstance(key, PrivateKey):
        return key
    try:
        return serialization.load_der_private_key(bytes(key), None)
    except (ValueError, TypeError, exceptions.UnsupportedAlgorithm):
        raise InvalidKey("the private key is not an unencrypted PKCS#8 DER key") from None


def _public(key: Buffer) -> object:
    try:
        return serialization.load_der_public_key(bytes(key))
    except (ValueError, TypeError, exceptions.UnsupportedAlgorithm):
        raise InvalidKey("the public key is not a SubjectPublicKeyInfo DER key") from None


def _export(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_key(private: Buffer) -> bytes:
    """SubjectPublicKeyInfo DER of a P-256 or RSA private key."""
    key = _private(private)
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise InvalidKey("the key is neither ECDSA nor RSA")
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def ecdsa_p256_generate() -> bytes:
    """A private key on NIST P-256."""
    return _export(ec.generate_private_key(ec.SECP256R1()))


def _p256_private(private: Buffer | PrivateKey) -> ec.EllipticCurvePrivateKey:
    key = _private(private)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise InvalidKey("the private key is not on NIST P-256")
    return key


def _p256_public(public: Buffer) -> ec.EllipticCurvePublicKey:
    key = _public(public)
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise InvalidKey("the public key is not on NIST P-256")
    return key


def ecdsa_p256_sign(private: Buffer | PrivateKey, message: Buffer) -> bytes:
    """ECDSA with SHA-256 over the message."""
    return _p256_private(private).sign(bytes(message), ec.ECDSA(hashes.SHA256()))


def ecdsa_p256_sign_digest(private: Buffer | PrivateKey, digest: Buffer) -> bytes:
    """ECDSA over a SHA-256 digest of 32 bytes."""
    _check.sized(digest, 32, "digest")
    return _p256_private(private).sign(bytes(digest), ec.ECDSA(utils.Prehashed(hashes.SHA256())))


def ecdsa_p256_verify(public: Buffer, message: Buffer, signature: Buffer) -> None:
    """Raise InvalidSignature unless the signature is right."""
    try:
        _p256_public(public).verify(bytes(signature), bytes(message), ec.ECDSA(hashes.SHA256()))
    except exceptions.InvalidSignature:
        raise InvalidSignature from None


def ecdsa_p256_verify_digest(public: Buffer, digest: Buffer, signature: Buffer) -> None:
    _check.sized(digest, 32, "digest")
    try:
        _p256_public(public).verify(bytes(signature), bytes(digest), ec.ECDSA(utils.Prehashed(hashes.SHA256())))
    except exceptions.InvalidSignature:
        raise InvalidSignature from None


def rsa_generate(bits: int = 3072) -> bytes:
    """A private key of 2048, 3072 or 4096 bits with exponent 65537."""
    if bits not in _RSA_SIZES:
        raise InvalidInput("an RSA key has 2048, 3072 or 4096 bits")
    return _export(rsa.generate_private_key(65537, bits))


def _rsa_padding(name: str, algorithm: hashes.HashAlgorithm) -> padding.AsymmetricPadding:
    if name == "pkcs1v15":
        return padding.PKCS1v15()
    if name == "pss":
        return padding.PSS(padding.MGF1(algorithm), algorithm.digest_size)
    raise InvalidInput("RSA padding is 'pkcs1v15' or 'pss'")


def rsa_sign(
    private: Buffer | PrivateKey, message: Buffer, hash: HashName = "sha256", padding: RsaPadding = "pkcs1v15"
) -> bytes:
    """Sign a message; PSS uses MGF1 with the same hash and a salt of its length."""
    key = _private(private)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise InvalidKey("the private key is not an RSA key")
    algorithm = _hash(hash)
    return key.sign(bytes(message), _rsa_padding(padding, algorithm), algorithm)


def rsa_sign_digest(
    private: Buffer | PrivateKey, digest: Buffer, hash: HashName = "sha256", padding: RsaPadding = "pkcs1v15"
) -> bytes:
    """Sign a digest made with the named hash."""
    key = _private(private)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise InvalidKey("the private key is not an RSA key")
    algorithm = _hash(hash)
    _check.sized(digest, algorithm.digest_size, "digest")
    return key.sign(bytes(digest), _rsa_padding(padding, algorithm), utils.Prehashed(algorithm))


def rsa_verify(
    public: Buffer, message: Buffer, signature: Buffer, hash: HashName = "sha256", padding: RsaPadding = "pkcs1v15"
) -> None:
    """Raise InvalidSignature unless the signature is right."""
    key = _public(public)
    if not isinstance(key, rsa.RSAPublicKey):
        raise InvalidKey("the public key is not an RSA key")
    algorithm = _hash(hash)
    try:
        key.verify(bytes(signature), bytes(message), _rsa_padding(padding, algorithm), algorithm)
    except exceptions.InvalidSignature:
        raise InvalidSignature from None
