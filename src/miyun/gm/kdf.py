"""Key derivation over SM3: GB/T 32918.4, HKDF (RFC 5869), PBKDF2 (RFC 8018, GM/T 0091), the PRF of TLCP."""

from miyun.gm import _check
from miyun.gm.errors import InvalidInput
from miyun.gm.providers import provider
from miyun.gm.providers.port import Buffer

_HKDF_LIMIT = 255 * 32
_SM2_LIMIT = 1 << 26  # far above every key and every SM2 plaintext, far below the counter's range
_PBKDF2_LIMIT = 1 << 16
_PRF_LIMIT = 1 << 16
_ITERATIONS = range(1, 10_000_001)


def _length(length: int, limit: int) -> int:
    if not 1 <= length <= limit:
        raise InvalidInput(f"the length of the derived key lies in 1 … {limit} bytes")
    return length


def sm2_kdf(z: Buffer, length: int) -> bytes:
    """KDF(Z, length) of GB/T 32918.4, 5.4.3; length in bytes, counter from 1."""
    _length(length, _SM2_LIMIT)
    seed = bytes(_check.data(z, "z"))
    blocks = [seed + counter.to_bytes(4, "big") for counter in range(1, -(-length // 32) + 1)]
    return b"".join(provider().sm3_many(blocks))[:length]


def hkdf(ikm: Buffer, salt: Buffer, info: Buffer, length: int) -> bytes:
    """HKDF-SM3, extract then expand; at most 255 × 32 bytes."""
    _length(length, _HKDF_LIMIT)
    hmac = provider().hmac
    prk = hmac(_check.data(salt, "salt") or bytes(32), _check.data(ikm, "ikm"))
    info = bytes(_check.data(info, "info"))
    okm, block = b"", b""
    for counter in range(1, -(-length // 32) + 1):
        block = hmac(prk, block + info + bytes([counter]))
        okm += block
    return okm[:length]


def pbkdf2(password: Buffer, salt: Buffer, iterations: int, length: int) -> bytes:
    """PBKDF2-HMAC-SM3; 1 … 10 000 000 iterations, at most 65 536 bytes."""
    _length(length, _PBKDF2_LIMIT)
    if iterations not in _ITERATIONS:
        raise InvalidInput("PBKDF2 runs 1 … 10000000 iterations")
    return provider().pbkdf2(_check.data(password, "password"), _check.data(salt, "salt"), iterations, length)


def tlcp_prf(secret: Buffer, label: Buffer, seed: Buffer, length: int) -> bytes:
    """PRF(secret, label, seed) of GB/T 38636, 5.2: P_SM3 over label‖seed; at most 65 536 bytes."""
    _length(length, _PRF_LIMIT)
    hmac, secret = provider().hmac, _check.data(secret, "secret")
    start = bytes(_check.data(label, "label")) + bytes(_check.data(seed, "seed"))
    out, a = b"", start
    for _ in range(-(-length // 32)):
        a = hmac(secret, a)
        out += hmac(secret, a + start)
    return out[:length]
