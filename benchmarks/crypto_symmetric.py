"""The rows of SM3, HMAC, SM4 and ZUC. Peers keep their contexts where their interface lets them."""

import os
from collections.abc import Callable, Iterator

import gmalglib.sm3
import gmalglib.zuc
import gmssl_pyx as gmssl
from crypto_openssl import OpenSsl
from crypto_race import Race, Work, each
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from tongsuopy.crypto import hashes as tongsuo_hashes
from tongsuopy.crypto.ciphers import Cipher as TongsuoCipher
from tongsuopy.crypto.ciphers import algorithms as tongsuo_algorithms
from tongsuopy.crypto.ciphers import modes as tongsuo_modes

from miyun.gm import sm3, sm4, zuc

MEBIBYTE, BATCH = 1 << 20, 256
MANY = 16  # buffers of 64 KiB


def rows(openssl: OpenSsl | None) -> Iterator[Race]:
    yield from _sm4(openssl)
    yield from _sm3(openssl)
    yield from _zuc()


def _cipher(mode: object, key: bytes) -> Callable[[bytes], object]:
    def call(data: bytes) -> object:
        context = Cipher(algorithms.SM4(key), mode).encryptor()  # type: ignore[arg-type]
        return context.update(data) + context.finalize()

    return call


def _tongsuo(mode: object, key: bytes) -> Callable[[bytes], object]:
    def call(data: bytes) -> object:
        context = TongsuoCipher(tongsuo_algorithms.SM4(key), mode).encryptor()
        return context.update(data) + context.finalize()

    return call


def _sm4(openssl: OpenSsl | None) -> Iterator[Race]:
    key, iv, big = os.urandom(16), os.urandom(16), os.urandom(MEBIBYTE)
    nonce = iv[:12]
    whole = [(big,)]

    def bulk(others: dict[str, Callable[[bytes], object]]) -> dict[str, tuple[float, Work]]:
        return {name: (MEBIBYTE, each(call, whole)[1]) for name, call in others.items()}

    gcm = {
        "cryptography": _cipher(modes.GCM(nonce), key),
        "tongsuopy": _tongsuo(tongsuo_modes.GCM(nonce), key),
        "gmssl-pyx": lambda data: gmssl.sm4_gcm_encrypt(key, nonce, b"", data),
    }
    yield Race("sm4.gcm.1MiB", "B/s", (MEBIBYTE, lambda: sm4.encrypt_gcm(key, nonce, big)), bulk(gcm), avx2=True)
    small = [(nonce, big[64 * index : 64 * index + 64], b"") for index in range(BATCH)]
    few = [(data,) for _, data, _ in small[:64]]
    ours = (BATCH, lambda: sm4.gcm_encrypt_many(key, small))
    yield Race("sm4.gcm.64B", "ops/s", ours, {name: each(call, few) for name, call in gcm.items()})
    ctr = {
        "cryptography": _cipher(modes.CTR(iv), key),
        "tongsuopy": _tongsuo(tongsuo_modes.CTR(iv), key),
        "gmssl-pyx": lambda data: gmssl.sm4_ctr_encrypt(key, iv, data),
    }
    cbc = {
        "cryptography": _cipher(modes.CBC(iv), key),
        "tongsuopy": _tongsuo(tongsuo_modes.CBC(iv), key),
        "gmssl-pyx": lambda data: gmssl.sm4_cbc_padding_encrypt(key, iv, data),
    }
    if openssl:
        ctr["openssl"], cbc["openssl"] = openssl.cipher("ctr", key, iv), openssl.cipher("cbc", key, iv)
    yield Race("sm4.ctr.1MiB", "B/s", (MEBIBYTE, lambda: sm4.ctr(key, iv, big)), bulk(ctr), avx2=True)
    ours = (MEBIBYTE, lambda: sm4.encrypt_cbc(key, iv, big, None))
    yield Race("sm4.cbc.1MiB", "B/s", ours, bulk(cbc))


def _sm3(openssl: OpenSsl | None) -> Iterator[Race]:
    big, key = os.urandom(MEBIBYTE), os.urandom(32)
    buffers = [big[index << 16 : (index + 1) << 16] for index in range(MANY)]
    messages = [big[256 * index : 256 * index + 256] for index in range(BATCH)]
    few = [(message,) for message in messages[:64]]

    def theirs(data: bytes) -> bytes:
        context = hashes.Hash(hashes.SM3())
        context.update(data)
        return context.finalize()

    def tongsuo(data: bytes) -> bytes:
        context = tongsuo_hashes.Hash(tongsuo_hashes.SM3())
        context.update(data)
        return context.finalize()

    def mac(data: bytes) -> bytes:
        context = hmac.HMAC(key, hashes.SM3())
        context.update(data)
        return context.finalize()

    digest: dict[str, Callable[[bytes], object]] = {
        "cryptography": theirs,
        "tongsuopy": tongsuo,
        "gmssl-pyx": gmssl.sm3_hash,
    }
    macs: dict[str, Callable[[bytes], object]] = {
        "cryptography": mac,
        "gmssl-pyx": lambda data: gmssl.sm3_hmac(key, data),
    }
    if openssl:
        digest["openssl"], macs["openssl"] = openssl.digest(), openssl.hmac(key)
    whole = {name: (MEBIBYTE, each(call, [(big,)])[1]) for name, call in digest.items()}
    yield Race("sm3.1MiB", "B/s", (MEBIBYTE, lambda: sm3.digest(big)), whole, avx2=True)
    parts = {name: (MEBIBYTE, each(call, [(item,) for item in buffers])[1]) for name, call in digest.items()}
    yield Race("sm3.many", "B/s", (MEBIBYTE, lambda: sm3.digest_many(buffers)), parts, avx2=True)
    ours = (BATCH, lambda: sm3.hmac_many(key, messages))
    yield Race("hmac", "ops/s", ours, {name: each(call, few) for name, call in macs.items()})


def _zuc() -> Iterator[Race]:
    key, iv, words = os.urandom(16), os.urandom(16), MEBIBYTE // 4

    def theirs() -> None:
        """The keystream only, word by word: its interface offers no more."""
        generate = gmalglib.zuc.ZUC(key, iv).generate
        for _ in range(words // 64):
            generate()

    ours = (MEBIBYTE, lambda: zuc.keystream(key, iv, words))
    yield Race("zuc", "B/s", ours, {"gmalglib": (MEBIBYTE / 64, theirs)})
