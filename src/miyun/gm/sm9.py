"""SM9 identity-based signatures, key encapsulation and encryption (GB/T 38635.2, GM/T 0044), and making of keys.

A key generation centre holds a master secret (32 bytes) and publishes its master public key: a point of G2 (129 bytes)
for signatures, of G1 (65 bytes) for encryption and key exchange. From the secret and a user's ID it makes that user's
key: a point of G1 for signatures, of G2 else. Points are 04‖x‖y; of G2, each coordinate has the coefficient of u first.
The centre can do whatever its users can. The byte hid is 01 for signatures, 02 for key exchange (`sm9_exchange`) and 03
for encryption.
"""

import hmac
from typing import Literal, get_args

from miyun.gm import _check, kdf, rand, sm4, sm4_modes
from miyun.gm.errors import DecryptionFailed, InvalidInput, InvalidKey, InvalidSignature
from miyun.gm.providers import provider
from miyun.gm.providers.port import Buffer
from miyun.gm.sm9_encoding import decode_ciphertext, decode_signature, encode_ciphertext, encode_signature

Purpose = Literal["sign", "exchange", "encrypt"]
Cipher = Literal["xor", "sm4-ecb", "sm4-cbc", "sm4-ofb", "sm4-cfb"]
"""What encrypts the message: the derived key itself, or SM4 under it, with a 16-byte IV first and PKCS #7 padding where
the mode needs them."""
Encoding = Literal["asn1", "c1c3c2"]
"""SM9Cipher of GM/T 0080, or x‖y of C1, C3 and C2 one after the other as in GM/T 0044.5."""

_HID: dict[str, bytes] = {"sign": b"\1", "exchange": b"\2", "encrypt": b"\3"}
_KINDS: dict[Cipher, int] = {"xor": 0, "sm4-ecb": 1, "sm4-cbc": 2, "sm4-ofb": 4, "sm4-cfb": 8}
_MAC_KEY = 32
_LIMIT = 1 << 25  # bytes of one message, within what the key derivation gives
_N_MINUS_1 = bytes.fromhex("b640000002a3a6f1d603ab4ff58ec74449f2934b18ea8beee56ee19cd69ecf24")


def _purpose(purpose: Purpose) -> None:
    if purpose not in get_args(Purpose):
        raise InvalidInput(f"the purpose of an SM9 key is one of {', '.join(get_args(Purpose))}")


def identity(purpose: Purpose, user_id: Buffer) -> bytes:
    """ID‖hid, what H1 hashes; a user ID has at least one byte."""
    user_id = bytes(_check.data(user_id, "user_id"))
    if not user_id:
        raise InvalidInput("an SM9 user ID has at least 1 byte")
    return user_id + _HID[purpose]


def master_public_form(purpose: Purpose, public: Buffer) -> Buffer:
    """A master public key of the right size; InvalidKey otherwise."""
    return _point(public, 129 if purpose == "sign" else 65, "master public")


def user_key_form(purpose: Purpose, key: Buffer) -> Buffer:
    """A user's key of the right size; InvalidKey otherwise."""
    return _point(key, 65 if purpose == "sign" else 129, "user's")


def _point(point: Buffer, size: int, name: str) -> Buffer:
    point = _check.data(point, f"{name} key")
    if len(point) != size or point[0] != 4:
        raise InvalidKey(f"this SM9 {name} key is {size} bytes, 04 then x then y")
    return point


def _secret(secret: Buffer) -> Buffer:
    secret = _check.data(secret, "master secret")
    if len(secret) != 32 or not bytes(32) < bytes(secret) <= _N_MINUS_1:
        raise InvalidKey("an SM9 master secret is 32 bytes, in 1 … N-1")
    return secret


def generate_master(purpose: Purpose) -> tuple[bytes, bytes]:
    """A new master secret and its public key."""
    _purpose(purpose)
    return provider().sm9_master(2 if purpose == "sign" else 1, None)


def master_public(purpose: Purpose, secret: Buffer) -> bytes:
    """The master public key: Ppub-s = [ks]P2 for signatures, Ppub-e = [ke]P1 else."""
    _purpose(purpose)
    return provider().sm9_master(2 if purpose == "sign" else 1, _secret(secret))[1]


def user_key(purpose: Purpose, secret: Buffer, user_id: Buffer) -> bytes:
    """The key of a user: ds, or de (GB/T 38635.2).

    InvalidKey when the master key has to be replaced, which never happens by chance.
    """
    _purpose(purpose)
    return provider().sm9_extract(1 if purpose == "sign" else 2, _secret(secret), identity(purpose, user_id))


def check_master_public(purpose: Purpose, public: Buffer) -> None:
    """Raise InvalidKey unless the key is a point of its group."""
    _purpose(purpose)
    if not provider().sm9_valid(master_public_form(purpose, public)):
        raise InvalidKey("the SM9 master public key is not a point of its group")


def sign(master: Buffer, key: Buffer, message: Buffer) -> bytes:
    """SM9Signature in DER with a user's key; `master` is the master public key."""
    public, key = master_public_form("sign", master), user_key_form("sign", key)
    raw = provider().sm9_sign(public, key, _check.data(message, "message"), None)
    return encode_signature(raw[:32], raw[32:])


def verify(master: Buffer, user_id: Buffer, message: Buffer, signature: Buffer) -> None:
    """Raise InvalidSignature unless the signature is this user's; InvalidKey for a bad master public key."""
    public, user = master_public_form("sign", master), identity("sign", user_id)
    message, signature = _check.data(message, "message"), _check.data(signature, "signature")
    try:
        raw = b"".join(decode_signature(signature))
    except InvalidInput:
        raise InvalidSignature from None
    if not provider().sm9_verify(public, user, message, raw):
        check_master_public("sign", master)
        raise InvalidSignature


def encapsulate(master: Buffer, user_id: Buffer, length: int) -> tuple[bytes, bytes]:
    """A new key of `length` bytes for a user, and its encapsulation C (65 bytes). The hid is that of encryption."""
    return _encapsulate(master, user_id, length, 0, None)


def _encapsulate(master: Buffer, user_id: Buffer, length: int, extra: int, r: bytes | None) -> tuple[bytes, bytes]:
    """A key of length + extra bytes of which neither all, nor the first `length` when there are any, are zero."""
    public, user = master_public_form("encrypt", master), identity("encrypt", user_id)
    while True:
        c, w = provider().sm9_encapsulate(public, user, r)
        key = kdf.sm2_kdf(c[1:] + w + user[:-1], length + extra)
        if any(key[:length]) or r is not None:
            return key, c


def decapsulate(key: Buffer, user_id: Buffer, c: Buffer, length: int) -> bytes:
    """The key of `length` bytes; DecryptionFailed when C is no point. Another user's C gives another key."""
    user_key_form("encrypt", key)
    user, c = identity("encrypt", user_id), _check.sized(c, 65, "encapsulation")
    w = provider().sm9_decapsulate(key, c)
    if w is None:
        raise DecryptionFailed
    derived = kdf.sm2_kdf(bytes(c)[1:] + w + user[:-1], length)
    if not any(derived):
        raise DecryptionFailed
    return derived


def encrypt(
    master: Buffer, user_id: Buffer, plaintext: Buffer, cipher: Cipher = "xor", encoding: Encoding = "asn1"
) -> bytes:
    """Encrypt 1 byte to 32 MiB to a user."""
    return _encrypt(master, user_id, plaintext, cipher, encoding, None)


def encrypt_kat(master: bytes, user_id: bytes, plaintext: bytes, cipher: Cipher, encoding: Encoding, r: bytes) -> bytes:
    """For known-answer tests: the nonce r is given."""
    return _encrypt(master, user_id, plaintext, cipher, encoding, r)


def _encrypt(
    master: Buffer, user_id: Buffer, plaintext: Buffer, cipher: Cipher, encoding: Encoding, r: bytes | None
) -> bytes:
    _check_form(cipher, encoding)
    plaintext = bytes(_check.data(plaintext, "plaintext"))
    if not 1 <= len(plaintext) <= _LIMIT:
        raise InvalidInput(f"SM9 encrypts 1 … {_LIMIT} bytes")
    first = len(plaintext) if cipher == "xor" else 16
    key, c1 = _encapsulate(master, user_id, first, _MAC_KEY, r)
    c2 = _apply(cipher, key[:first], plaintext)
    c3 = provider().sm3(c2 + key[first:])
    return encode_ciphertext(_KINDS[cipher], c1, c3, c2) if encoding == "asn1" else c1[1:] + c3 + c2


def decrypt(key: Buffer, user_id: Buffer, data: Buffer, encoding: Encoding = "asn1", cipher: Cipher = "xor") -> bytes:
    """The plaintext; DecryptionFailed whatever is wrong. SM9Cipher names its cipher; `cipher` is for the other."""
    _check_form(cipher, encoding)
    raw = bytes(_check.data(data, "ciphertext"))
    user_key_form("encrypt", key), identity("encrypt", user_id)
    try:
        if encoding == "asn1":
            kind, c1, c3, c2 = decode_ciphertext(raw)
            cipher = next(name for name, number in _KINDS.items() if number == kind)
        else:
            c1, c3, c2 = b"\4" + raw[:64], raw[64:96], raw[96:]
        first = len(c2) if cipher == "xor" else 16
        if not 1 <= len(c2) <= _LIMIT + 32:
            raise InvalidInput("the SM9 ciphertext is malformed")
        derived = decapsulate(key, user_id, c1, first + _MAC_KEY)
        right = hmac.compare_digest(provider().sm3(c2 + derived[first:]), c3)
        if not right or not any(derived[:first]):
            raise DecryptionFailed
        return _undo(cipher, derived[:first], c2)
    except (InvalidInput, StopIteration):
        raise DecryptionFailed from None


def _check_form(cipher: Cipher, encoding: Encoding) -> None:
    if cipher not in _KINDS:
        raise InvalidInput(f"the cipher of SM9 encryption is one of {', '.join(_KINDS)}")
    if encoding not in get_args(Encoding):
        raise InvalidInput(f"an SM9 ciphertext encoding is one of {', '.join(get_args(Encoding))}")


def _xor(a: bytes, b: bytes) -> bytes:
    return (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).to_bytes(len(a), "big")


def _apply(cipher: Cipher, key: bytes, plaintext: bytes) -> bytes:
    if cipher == "xor":
        return _xor(plaintext, key)
    if cipher == "sm4-ecb":
        fill = 16 - len(plaintext) % 16
        return sm4.encrypt_ecb(key, plaintext + bytes([fill]) * fill)
    iv = rand.token(16)
    if cipher == "sm4-cbc":
        return iv + sm4.encrypt_cbc(key, iv, plaintext)
    return iv + (sm4_modes.ofb if cipher == "sm4-ofb" else sm4_modes.encrypt_cfb)(key, iv, plaintext)


def _undo(cipher: Cipher, key: bytes, data: bytes) -> bytes:
    """InvalidInput, or DecryptionFailed, when the data cannot be of this cipher."""
    if cipher == "xor":
        return _xor(data, key)
    if cipher == "sm4-ecb":
        return sm4.unpad(sm4.decrypt_ecb(key, data))
    iv, body = data[:16], data[16:]
    if cipher == "sm4-cbc":
        return sm4.decrypt_cbc(key, iv, body)
    return (sm4_modes.ofb if cipher == "sm4-ofb" else sm4_modes.decrypt_cfb)(key, iv, body)


__all__ = [
    "Cipher",
    "Encoding",
    "Purpose",
    "check_master_public",
    "decapsulate",
    "decrypt",
    "encapsulate",
    "encrypt",
    "generate_master",
    "master_public",
    "sign",
    "user_key",
    "verify",
]
