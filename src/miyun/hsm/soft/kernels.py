"""The lanes' work: lists of items that carry their key in the clear, one result per item, in order.

These functions run in worker threads too. They only read the keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Final

from miyun.gm import intl, rand, sm2, sm3, sm4
from miyun.gm.errors import DecryptionFailed, InvalidInput
from miyun.hsm.errors import InvalidRequest
from miyun.hsm.port import CipherItem, CipherMode, KeyAlgorithm, SignScheme
from miyun.hsm.soft.vault import OpenKey

IV_SIZES: Final = {
    CipherMode.SM4_GCM: 12,
    CipherMode.SM4_CBC: 16,
    CipherMode.SM4_CTR: 16,
    CipherMode.AES_256_GCM: 12,
}
MODE_ALGORITHM: Final = {
    CipherMode.SM4_GCM: KeyAlgorithm.SM4,
    CipherMode.SM4_CBC: KeyAlgorithm.SM4,
    CipherMode.SM4_CTR: KeyAlgorithm.SM4,
    CipherMode.AES_256_GCM: KeyAlgorithm.AES_256,
}
AUTHENTICATED_MODE: Final = {
    KeyAlgorithm.SM4: CipherMode.SM4_GCM,
    KeyAlgorithm.AES_256: CipherMode.AES_256_GCM,
}
SCHEME_ALGORITHMS: Final = {
    SignScheme.SM2_SM3: (KeyAlgorithm.SM2,),
    SignScheme.ECDSA_SHA256: (KeyAlgorithm.EC_P256,),
    SignScheme.RSA_SHA256: (KeyAlgorithm.RSA_2048, KeyAlgorithm.RSA_3072),
    SignScheme.RSA_PSS_SHA256: (KeyAlgorithm.RSA_2048, KeyAlgorithm.RSA_3072),
}
_MAX_USER_ID: Final = 8191

SignItem = tuple[OpenKey, bytes | None, bytes]
"""(key, Z_A or None when `data` is the digest, data)"""
CryptItem = tuple[OpenKey, bytes, bytes, bytes]
"""(key, iv, data, aad)"""


# --- what is checked before an item enters a lane -----------------------------------------------------------------


def sign_items(
    key: OpenKey, scheme: SignScheme, items: Sequence[bytes], *, prehashed: bool, user_id: bytes | None
) -> list[SignItem]:
    if key.algorithm not in SCHEME_ALGORITHMS[scheme]:
        raise InvalidRequest("scheme", f"{scheme} needs another key than {key.algorithm}")
    if user_id is not None and (scheme is not SignScheme.SM2_SM3 or prehashed or len(user_id) > _MAX_USER_ID):
        raise InvalidRequest("user_id", f"only for SM2 over messages, at most {_MAX_USER_ID} octets")
    if prehashed and any(len(item) != 32 for item in items):
        raise InvalidRequest("items", "a digest is 32 octets")
    if prehashed:
        prefix = None
    else:
        prefix = key.za(sm2.DEFAULT_ID if user_id is None else user_id) if scheme is SignScheme.SM2_SM3 else b""
    return [(key, prefix, item) for item in items]


def encrypt_items(key: OpenKey, mode: CipherMode, items: Sequence[CipherItem]) -> list[CryptItem]:
    size = _check_cipher(key, mode, items)
    if any(item.iv for item in items):  # one that repeats under a key would give the plaintexts away
        raise InvalidRequest("iv", "none on encryption: the machine draws a fresh one")
    return [(key, rand.token(size), item.data, item.aad) for item in items]


def decrypt_items(key: OpenKey, mode: CipherMode, items: Sequence[CipherItem]) -> list[CryptItem]:
    size = _check_cipher(key, mode, items)
    if any(len(item.iv) != size for item in items):
        raise InvalidRequest("iv", f"{size} octets for {mode}")
    return [(key, item.iv, item.data, item.aad) for item in items]


def _check_cipher(key: OpenKey, mode: CipherMode, items: Sequence[CipherItem]) -> int:
    if key.algorithm is not MODE_ALGORITHM[mode]:
        raise InvalidRequest("mode", f"{mode} needs another key than {key.algorithm}")
    if mode in (CipherMode.SM4_CBC, CipherMode.SM4_CTR) and any(item.aad for item in items):
        raise InvalidRequest("aad", f"{mode} authenticates nothing: associated data needs a GCM mode")
    return IV_SIZES[mode]


# --- kernels ------------------------------------------------------------------------------------------------------


def sign_kernel(scheme: SignScheme) -> Callable[[list[SignItem]], list[bytes]]:
    if scheme is SignScheme.SM2_SM3:
        return _sign_sm2
    if scheme is SignScheme.ECDSA_SHA256:
        return _sign_ecdsa
    padding: intl.RsaPadding = "pss" if scheme is SignScheme.RSA_PSS_SHA256 else "pkcs1v15"
    return lambda items: [
        (intl.rsa_sign_digest if prefix is None else intl.rsa_sign)(key.parsed(), data, "sha256", padding)
        for key, prefix, data in items
    ]


def _sign_sm2(items: list[SignItem]) -> list[bytes]:
    digests = iter(sm3.digest_many([prefix + data for _, prefix, data in items if prefix is not None]))
    return sm2.sign_digest_many([(key.signer(), next(digests) if prefix else data) for key, prefix, data in items])


def _sign_ecdsa(items: list[SignItem]) -> list[bytes]:
    return [
        (intl.ecdsa_p256_sign_digest if prefix is None else intl.ecdsa_p256_sign)(key.parsed(), data)
        for key, prefix, data in items
    ]


def encrypt_kernel(mode: CipherMode) -> Callable[[list[CryptItem]], list[tuple[bytes, bytes]]]:
    def kernel(items: list[CryptItem]) -> list[tuple[bytes, bytes]]:
        results: list[bytes] = []
        for key, run in _by_key(items):
            results += _encrypt(mode, key, run)
        return [(item[1], data) for item, data in zip(items, results, strict=True)]

    return kernel


def decrypt_kernel(mode: CipherMode) -> Callable[[list[CryptItem]], list[bytes | None]]:
    def kernel(items: list[CryptItem]) -> list[bytes | None]:
        results: list[bytes | None] = []
        for key, run in _by_key(items):
            results += _decrypt(mode, key, run)
        return results

    return kernel


def _by_key(items: Sequence[tuple[OpenKey, Any, Any, Any]]) -> list[tuple[OpenKey, list[tuple[Any, Any, Any]]]]:
    """Runs of neighbours with the same key; items of one request always are neighbours."""
    return [(run[0][0], [item[1:] for item in run]) for run in (list(g) for _, g in groupby(items, lambda i: id(i[0])))]


def _encrypt(mode: CipherMode, key: OpenKey, items: list[tuple[bytes, bytes, bytes]]) -> list[bytes]:
    secret = key.secret
    if mode is CipherMode.SM4_GCM:
        return key.gcm().encrypt_many(items)
    if mode is CipherMode.AES_256_GCM:
        return [intl.aes_gcm_encrypt(secret, iv, data, aad) for iv, data, aad in items]
    if mode is CipherMode.SM4_CBC:
        return [sm4.encrypt_cbc(secret, iv, data) for iv, data, _ in items]
    return [sm4.ctr(secret, iv, data) for iv, data, _ in items]


def _decrypt(mode: CipherMode, key: OpenKey, items: list[tuple[bytes, bytes, bytes]]) -> list[bytes | None]:
    secret = key.secret
    if mode is CipherMode.SM4_GCM:
        return key.gcm().decrypt_many(items)
    if mode is CipherMode.AES_256_GCM:
        return [_or_none(intl.aes_gcm_decrypt, secret, iv, data, aad) for iv, data, aad in items]
    if mode is CipherMode.SM4_CBC:
        return [_or_none(sm4.decrypt_cbc, secret, iv, data) for iv, data, _ in items]
    return [sm4.ctr(secret, iv, data) for iv, data, _ in items]


def _or_none(function: Callable[..., bytes], *arguments: Any) -> bytes | None:
    try:
        return function(*arguments)
    except (DecryptionFailed, InvalidInput):
        return None


def public_decrypt_kernel(encoding: str) -> Callable[[list[tuple[OpenKey, bytes]]], list[bytes | None]]:
    return lambda items: sm2.decrypt_pairs([(key.secret, data) for key, data in items], encoding)  # type: ignore[arg-type]


def mac_kernel(items: list[tuple[OpenKey, bytes]]) -> list[bytes]:
    results: list[bytes] = []
    for _, group in groupby(items, lambda item: id(item[0])):
        run = list(group)
        results += sm3.hmac_many(run[0][0].secret, [data for _, data in run])
    return results


# --- compound operations ------------------------------------------------------------------------------------------


def wrap_new(key: OpenKey, size: int, aad: bytes, with_plaintext: bool) -> tuple[bytes | None, bytes]:
    mode = AUTHENTICATED_MODE[key.algorithm]
    plain, iv = rand.token(size), rand.token(IV_SIZES[mode])
    (wrapped,) = _encrypt(mode, key, [(iv, plain, aad)])
    return (plain if with_plaintext else None), iv + wrapped


def rewrap(
    old: list[CryptItem], mode: CipherMode, new: OpenKey, new_aads: Sequence[bytes]
) -> list[tuple[bytes, bytes] | None]:
    """Decrypt under the old keys; encrypt under the new one, always in an authenticated mode."""
    plains = decrypt_kernel(mode)(old)
    new_mode = AUTHENTICATED_MODE[new.algorithm]
    results: list[tuple[bytes, bytes] | None] = []
    for plain, aad in zip(plains, new_aads, strict=True):
        if plain is None:
            results.append(None)
            continue
        iv = rand.token(IV_SIZES[new_mode])
        (data,) = _encrypt(new_mode, new, [(iv, plain, aad)])
        results.append((iv, data))
    return results
