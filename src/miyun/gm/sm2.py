"""SM2 signatures and encryption (GB/T 32918) on sm2p256v1.

A private key d is 32 bytes, a public key 65 bytes (04‖x‖y), a digest e 32 bytes, a signature strict DER. The user ID
defaults to GM/T 0009's "1234567812345678". The `_many` forms fill the lanes of the fast providers; use them whenever
more than one operation waits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from miyun.gm import _check, ciphertext
from miyun.gm.ciphertext import Encoding, convert_ciphertext
from miyun.gm.curve import PARAMETERS, decode_signature, encode_signature
from miyun.gm.errors import DecryptionFailed, InvalidInput, InvalidKey, InvalidSignature
from miyun.gm.providers import provider
from miyun.gm.providers.port import Buffer

DEFAULT_ID = b"1234567812345678"
MAX_ID = 8191  # bytes, whose bits are counted in 16 bits


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key made ready by one provider, see `signer`."""

    provider: str
    ready: object = field(repr=False)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a private key is not pickled")


def generate_private_key() -> bytes:
    """A private key, uniform in 1 … n-2."""
    return provider().sm2_generate(1)[0][0]


def generate_many(n: int) -> list[tuple[bytes, bytes]]:
    """`n` key pairs (d, public)."""
    if n < 0:
        raise InvalidInput("the count of keys is not negative")
    return provider().sm2_generate(n)


def public_key(d: Buffer) -> bytes:
    """The public key 04‖x‖y of d."""
    return provider().sm2_public_key(_check.private_key(d))


def check_public_key(public: Buffer) -> None:
    """Raise InvalidKey unless the point is well formed, in range and on the curve."""
    if not provider().sm2_on_curve(_check.public_key(public)):
        raise InvalidKey("the SM2 public key is not a point of the curve")


def za(public: Buffer, user_id: Buffer = DEFAULT_ID) -> bytes:
    """Z_A of GB/T 32918.2, 5.5."""
    user_id = _check.data(user_id, "user_id")
    if len(user_id) > MAX_ID:
        raise InvalidInput(f"a user ID has at most {MAX_ID} bytes")
    public = _check.public_key(public)
    length = (8 * len(user_id)).to_bytes(2, "big")
    return provider().sm3(b"".join((length, user_id, PARAMETERS, public[1:])))


def message_digest(public: Buffer, message: Buffer, user_id: Buffer = DEFAULT_ID) -> bytes:
    """e = SM3(Z_A‖M), what is really signed."""
    return provider().sm3(b"".join((za(public, user_id), _check.data(message, "message"))))


def sign(d: Buffer | Signer, message: Buffer, user_id: Buffer = DEFAULT_ID, *, public: Buffer | None = None) -> bytes:
    """Sign a message. Give `public` when you have it: it saves a point multiplication."""
    return sign_many(d, (message,), user_id, public=public)[0]


def sign_many(
    d: Buffer | Signer, messages: Sequence[Buffer], user_id: Buffer = DEFAULT_ID, *, public: Buffer | None = None
) -> list[bytes]:
    """Sign many messages with one key. With a signer the public key must be given."""
    if public is None:
        if isinstance(d, Signer):
            raise InvalidInput("a signer does not know its public key: give it")
        public = provider().sm2_public_key(_check.private_key(d))
    checked = [_check.data(message, "message") for message in messages]
    return provider().sm2_sign_messages(_key(d), za(public, user_id), checked)


def signer(d: Buffer) -> Signer:
    """The key made ready for the serving provider: its signing functions take it in the place of d.

    What signing needs of d is computed once. A signer is as secret as d, and wiped with its last reference.
    """
    serving = provider()
    return Signer(serving.name, serving.sm2_signer(_check.private_key(d)))


def _key(d: Buffer | Signer) -> object:
    if not isinstance(d, Signer):
        return _check.private_key(d)
    if d.provider != provider().name:
        raise InvalidKey(f"the signer was made by the provider {d.provider}")
    return d.ready


def sign_digest(d: Buffer | Signer, e: Buffer) -> bytes:
    """Sign the 32-byte e."""
    return provider().sm2_sign([(_key(d), _check.sized(e, 32, "e"))])[0]


def sign_digest_many(items: Sequence[tuple[Buffer | Signer, Buffer]]) -> list[bytes]:
    """Sign (d, e) pairs; the keys may differ."""
    return provider().sm2_sign([(_key(d), _check.sized(e, 32, "e")) for d, e in items])


def verify(public: Buffer, message: Buffer, signature: Buffer, user_id: Buffer = DEFAULT_ID) -> None:
    """Raise InvalidSignature unless the signature is this key's over the message; InvalidKey for a bad key."""
    if not verify_many(((public, message, signature),), user_id)[0]:
        check_public_key(public)
        raise InvalidSignature


def verify_many(items: Sequence[tuple[Buffer, Buffer, Buffer]], user_id: Buffer = DEFAULT_ID) -> list[bool]:
    """Verify (public, message, signature) triples. A point off the curve answers False."""
    user_id = _check.data(user_id, "user_id")
    if len(user_id) > MAX_ID:
        raise InvalidInput(f"a user ID has at most {MAX_ID} bytes")
    checked = [
        (_check.public_key(public), _check.data(message, "message"), _check.data(signature, "signature"))
        for public, message, signature in items
    ]
    return provider().sm2_verify_messages(checked, user_id)


def verify_digest(public: Buffer, e: Buffer, signature: Buffer) -> None:
    """Raise InvalidSignature unless the signature is this key's over e."""
    if not verify_digest_many(((public, e, signature),))[0]:
        check_public_key(public)
        raise InvalidSignature


def verify_digest_many(items: Sequence[tuple[Buffer, Buffer, Buffer]]) -> list[bool]:
    """Verify (public, e, signature) triples."""
    checked = [
        (_check.public_key(public), _check.sized(e, 32, "e"), _check.data(signature, "signature"))
        for public, e, signature in items
    ]
    return provider().sm2_verify(checked)


def encrypt(public: Buffer, plaintext: Buffer, encoding: Encoding = "asn1") -> bytes:
    """Encrypt at least one byte. Encodings: "asn1" (GM/T 0009), "c1c3c2", "c1c2c3" (raw, with the 04 prefix)."""
    return encrypt_many(((public, plaintext),), encoding)[0]


def encrypt_many(items: Sequence[tuple[Buffer, Buffer]], encoding: Encoding = "asn1") -> list[bytes]:
    """Encrypt (public, plaintext) pairs; the keys may differ. InvalidKey when one is not a point of the curve."""
    ciphertext.check_encoding(encoding)
    checked = [(_check.public_key(public), _check.data(plaintext, "plaintext")) for public, plaintext in items]
    if not all(len(plaintext) for _, plaintext in checked):
        raise InvalidInput("SM2 encrypts at least one byte")
    results = provider().sm2_encrypt(checked, encoding)
    encrypted = [result for result in results if result is not None]
    if len(encrypted) < len(results):
        raise InvalidKey("the SM2 public key is not a point of the curve")
    return encrypted


def decrypt(d: Buffer, data: Buffer, encoding: Encoding = "asn1") -> bytes:
    """The plaintext; DecryptionFailed whatever is wrong. Raw encodings may come with or without the 04 prefix."""
    plaintext = decrypt_many(d, (data,), encoding)[0]
    if plaintext is None:
        raise DecryptionFailed
    return plaintext


def decrypt_many(d: Buffer, items: Sequence[Buffer], encoding: Encoding = "asn1") -> list[bytes | None]:
    """Decrypt many ciphertexts of one key; None in the place of each that fails."""
    d = _check.private_key(d)
    return decrypt_pairs([(d, item) for item in items], encoding)


def decrypt_pairs(items: Sequence[tuple[Buffer, Buffer]], encoding: Encoding = "asn1") -> list[bytes | None]:
    """Decrypt (d, ciphertext) pairs; the keys may differ. None in the place of each that fails."""
    ciphertext.check_encoding(encoding)
    checked = [(_check.private_key(d), _check.data(item, "ciphertext")) for d, item in items]
    return provider().sm2_decrypt(checked, encoding)


__all__ = [
    "DEFAULT_ID",
    "Encoding",
    "Signer",
    "check_public_key",
    "convert_ciphertext",
    "decode_signature",
    "decrypt",
    "decrypt_many",
    "decrypt_pairs",
    "encode_signature",
    "encrypt",
    "encrypt_many",
    "generate_many",
    "generate_private_key",
    "message_digest",
    "public_key",
    "sign",
    "sign_digest",
    "sign_digest_many",
    "sign_many",
    "signer",
    "verify",
    "verify_digest",
    "verify_digest_many",
    "verify_many",
    "za",
]
