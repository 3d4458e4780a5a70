"""SM4 (GB/T 32907) in ECB, CBC, CTR (GB/T 17964) and GCM and CCM (GB/T 36624). Keys are 16 bytes."""

from collections.abc import Sequence
from itertools import chain
from operator import itemgetter
from typing import Literal, NoReturn

from miyun.gm import _check
from miyun.gm.errors import DecryptionFailed, InvalidInput
from miyun.gm.providers import provider
from miyun.gm.providers.port import Buffer

BLOCK_SIZE = 16
_GCM_LIMIT = (1 << 36) - 32  # bytes of one GCM message, NIST SP 800-38D 5.2.1.1
_TAG_SIZES = range(4, 17)
_CCM_NONCE_SIZES = range(7, 14)
_CCM_TAG_SIZES = range(4, 17, 2)


def checked_key(key: Buffer) -> Buffer:
    """A key of 16 bytes; InvalidInput otherwise."""
    return _check.sized(key, 16, "SM4 key")


def whole_blocks(data: Buffer) -> Buffer:
    """Data of whole blocks; InvalidInput otherwise."""
    data = _check.data(data)
    if len(data) % 16:
        raise InvalidInput(f"data without padding must be whole 16-byte blocks, not {len(data)} bytes")
    return data


def encrypt_ecb(key: Buffer, data: Buffer) -> bytes:
    """Encrypt whole blocks without padding. Only for protocols that prescribe ECB."""
    return provider().sm4_ecb(checked_key(key), whole_blocks(data), True)


def decrypt_ecb(key: Buffer, data: Buffer) -> bytes:
    return provider().sm4_ecb(checked_key(key), whole_blocks(data), False)


def encrypt_cbc(key: Buffer, iv: Buffer, data: Buffer, padding: Literal["pkcs7"] | None = "pkcs7") -> bytes:
    """CBC with a 16-byte IV. With padding None the data must be whole blocks."""
    data = _check.data(data)
    if padding == "pkcs7":
        fill = 16 - len(data) % 16
        data = bytes(data) + bytes([fill]) * fill
    elif padding is not None:
        raise InvalidInput("padding is 'pkcs7' or None")
    return provider().sm4_cbc(checked_key(key), _check.sized(iv, 16, "iv"), whole_blocks(data), True)


def decrypt_cbc(key: Buffer, iv: Buffer, data: Buffer, padding: Literal["pkcs7"] | None = "pkcs7") -> bytes:
    """Undo `encrypt_cbc`. Wrong padding raises DecryptionFailed; CBC itself authenticates nothing."""
    if padding not in ("pkcs7", None):
        raise InvalidInput("padding is 'pkcs7' or None")
    plaintext = provider().sm4_cbc(checked_key(key), _check.sized(iv, 16, "iv"), whole_blocks(data), False)
    return plaintext if padding is None else unpad(plaintext)


def unpad(plaintext: bytes) -> bytes:
    """Strip PKCS#7 padding, looking at the whole last block whatever it holds."""
    if not plaintext:
        raise DecryptionFailed
    last = plaintext[-16:]
    fill = last[-1]
    wrong = int(fill == 0) | int(fill > 16)
    for distance in range(1, 17):
        wrong |= (distance <= fill) & (last[16 - distance] != fill)
    if wrong:
        raise DecryptionFailed
    return plaintext[: len(plaintext) - fill]


def ctr(key: Buffer, iv: Buffer, data: Buffer) -> bytes:
    """Encrypt or decrypt with a 128-bit big-endian counter that starts at the 16-byte IV."""
    return provider().sm4_ctr(checked_key(key), _check.sized(iv, 16, "iv"), _check.data(data))


Triple = tuple[Buffer, Buffer, Buffer]
"""nonce, data, associated data"""
_NONCE, _DATA = itemgetter(0), itemgetter(1)


def _triple(item: Triple) -> Triple:
    nonce, data, aad = item
    if type(nonce) is type(data) is type(aad) is bytes and nonce and len(data) <= _GCM_LIMIT:
        return item
    nonce, data, aad = _check.data(nonce, "nonce"), _check.data(data), _check.data(aad, "aad")
    if not len(nonce):
        raise InvalidInput("a GCM nonce has at least 1 byte; use 12")
    if len(data) > _GCM_LIMIT:
        raise InvalidInput("a GCM message has at most 2^36 - 32 bytes")
    return nonce, data, aad


def _triples(items: Sequence[Triple]) -> Sequence[Triple]:
    """Every item checked; without a step of Python for each where all are as they nearly always are."""
    if (
        {tuple}.issuperset(map(type, items))
        and {3}.issuperset(map(len, items))
        and _check.PLAIN.issuperset(map(type, chain.from_iterable(items)))
        and all(map(_NONCE, items))
        and max(map(len, map(_DATA, items)), default=0) <= _GCM_LIMIT
    ):
        return items
    return [_triple(item) for item in items]


def _tag_size(size: int) -> int:
    if size not in _TAG_SIZES:
        raise InvalidInput("a GCM tag has 4 … 16 bytes; use 16")
    return size


def encrypt_gcm(key: Buffer, nonce: Buffer, data: Buffer, aad: Buffer = b"", tag_size: int = 16) -> bytes:
    """ciphertext‖tag. Never use one nonce twice under a key."""
    return provider().sm4_gcm_encrypt(checked_key(key), [_triple((nonce, data, aad))], _tag_size(tag_size))[0]


def decrypt_gcm(key: Buffer, nonce: Buffer, data: Buffer, aad: Buffer = b"", tag_size: int = 16) -> bytes:
    """The plaintext of ciphertext‖tag; DecryptionFailed unless the tag (compared first, in constant time) is right."""
    plaintext = provider().sm4_gcm_decrypt(checked_key(key), [_triple((nonce, data, aad))], _tag_size(tag_size))[0]
    if plaintext is None:
        raise DecryptionFailed
    return plaintext


def gcm_encrypt_many(key: Buffer, items: Sequence[Triple], tag_size: int = 16) -> list[bytes]:
    """Encrypt (nonce, data, aad) triples under one key."""
    return provider().sm4_gcm_encrypt(checked_key(key), _triples(items), _tag_size(tag_size))


def gcm_decrypt_many(key: Buffer, items: Sequence[Triple], tag_size: int = 16) -> list[bytes | None]:
    """Decrypt (nonce, ciphertext‖tag, aad) triples; None in the place of each that fails."""
    return provider().sm4_gcm_decrypt(checked_key(key), _triples(items), _tag_size(tag_size))


class GcmKey:
    """A key made ready once for many calls, of any number of threads: its schedule and the powers of its hash.

    They live as long as this object and are wiped with it. It stays with the provider that served when it was made.
    """

    __slots__ = ("_ready",)

    def __init__(self, key: Buffer) -> None:
        self._ready = provider().sm4_gcm_key(checked_key(key))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a prepared key is not copied or pickled")

    def encrypt_many(self, items: Sequence[Triple], tag_size: int = 16) -> list[bytes]:
        """As `gcm_encrypt_many`."""
        return self._ready.encrypt(_triples(items), _tag_size(tag_size))

    def decrypt_many(self, items: Sequence[Triple], tag_size: int = 16) -> list[bytes | None]:
        """As `gcm_decrypt_many`."""
        return self._ready.decrypt(_triples(items), _tag_size(tag_size))

    def encrypt(self, nonce: Buffer, data: Buffer, aad: Buffer = b"", tag_size: int = 16) -> bytes:
        """As `encrypt_gcm`."""
        return self._ready.encrypt((_triple((nonce, data, aad)),), _tag_size(tag_size))[0]

    def decrypt(self, nonce: Buffer, data: Buffer, aad: Buffer = b"", tag_size: int = 16) -> bytes:
        """As `decrypt_gcm`."""
        plaintext = self._ready.decrypt((_triple((nonce, data, aad)),), _tag_size(tag_size))[0]
        if plaintext is None:
            raise DecryptionFailed
        return plaintext


def _ccm(nonce: Buffer, data: Buffer, aad: Buffer, tag_size: int) -> tuple[Buffer, Buffer, Buffer]:
    nonce, data, aad = _check.data(nonce, "nonce"), _check.data(data), _check.data(aad, "aad")
    if len(nonce) not in _CCM_NONCE_SIZES:
        raise InvalidInput("a CCM nonce has 7 … 13 bytes; use 12")
    if tag_size not in _CCM_TAG_SIZES:
        raise InvalidInput("a CCM tag has 4, 6, 8, 10, 12, 14 or 16 bytes; use 16")
    return nonce, data, aad


def _ccm_length(nonce: Buffer, size: int) -> None:
    if size >= 1 << 8 * (15 - len(nonce)):
        raise InvalidInput("the message is too long for CCM with this nonce; use a shorter nonce, or GCM")


def encrypt_ccm(key: Buffer, nonce: Buffer, data: Buffer, aad: Buffer = b"", tag_size: int = 16) -> bytes:
    """ciphertext‖tag as in RFC 8998; less than 2^(8·(15 - nonce size)) bytes. Never use one nonce twice under a key."""
    nonce, data, aad = _ccm(nonce, data, aad, tag_size)
    _ccm_length(nonce, len(data))
    return provider().sm4_ccm_encrypt(checked_key(key), nonce, data, aad, tag_size)


def decrypt_ccm(key: Buffer, nonce: Buffer, data: Buffer, aad: Buffer = b"", tag_size: int = 16) -> bytes:
    """The plaintext of ciphertext‖tag; DecryptionFailed unless the tag (compared in constant time) is right."""
    nonce, data, aad = _ccm(nonce, data, aad, tag_size)
    _ccm_length(nonce, len(data) - tag_size)
    plaintext = provider().sm4_ccm_decrypt(checked_key(key), nonce, data, aad, tag_size)
    if plaintext is None:
        raise DecryptionFailed
    return plaintext
