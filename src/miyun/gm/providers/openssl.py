"""The provider over the system's libcrypto: works wherever OpenSSL 3.0 is installed, without a compiler.

SM3, HMAC, PBKDF2, SM4-ECB/CBC/CTR/CFB/OFB, SM2 signatures and point multiplication are libcrypto's. It has no SM4-GCM
(before 3.1), no raw SM2 encryption, no ZUC and not the other modes, so those come from the portable C code, or are
composed in Python when the extension is absent.
"""

import ctypes
import threading
from collections.abc import Sequence
from typing import Any

from miyun.gm import ciphertext, curve
from miyun.gm.errors import GmError, InvalidInput, InvalidKey, SelfTestFailed

from . import composed, composed_drbg, composed_modes, composed_sm9, composed_zuc, libcrypto
from .port import Buffer, GcmKey, Hash, Provider

_CHUNK = 1 << 30  # EVP_CipherUpdate counts in int


class _Sm3:
    """An SM3 computation in libcrypto."""

    digest_size, block_size, name = 32, 64, "sm3"

    def __init__(self, library: ctypes.CDLL, other: "_Sm3 | None" = None) -> None:
        self._library = library
        self._context = library.EVP_MD_CTX_new()
        # ctypes releases the GIL, and a context must not be used by two threads at once.
        self._lock = threading.Lock()
        if other is None:
            ok = library.EVP_DigestInit_ex(self._context, library.EVP_sm3(), None)
        else:
            with other._lock:
                ok = library.EVP_MD_CTX_copy_ex(self._context, other._context)
        if ok != 1:
            raise MemoryError

    def __del__(self) -> None:
        self._library.EVP_MD_CTX_free(self._context)

    def update(self, data: Buffer) -> None:
        data = bytes(data)
        with self._lock:
            self._library.EVP_DigestUpdate(self._context, data, len(data))

    def digest(self) -> bytes:
        last = _Sm3(self._library, self)
        out = ctypes.create_string_buffer(32)
        self._library.EVP_DigestFinal_ex(last._context, out, None)
        return out.raw

    def copy(self) -> "_Sm3":
        return _Sm3(self._library, self)


class OpenSslProvider:
    """GM algorithms by libcrypto. `portable` supplements it; without one, `composed` does."""

    name = "openssl"

    def __init__(self, portable: Provider | None) -> None:
        self._lib = libcrypto.load()
        self._group = libcrypto.group(self._lib)
        self._portable = portable
        supplement = "portable" if portable else "composition in Python (GHASH not constant time)"
        self.supplemented: tuple[str, ...] = (
            f"SM4-GCM: {supplement}",
            f"SM2 encryption: {supplement}",
            f"SM4-CCM, XTS, BC, OFBNLF, HCTR, CMAC; ZUC: {supplement}",
            f"SM9: {'portable' if portable else 'plain Python, slow and not constant time'}",
        )
        self.random = (
            portable.random if portable else composed_drbg.Generator(lambda k, data: self.sm4_ecb(k, data, True))
        )
        self.notes: tuple[str, ...] = (libcrypto.version(self._lib),)
        if portable is None:
            self.notes += ("the C extension is missing; everything works, SM2 and SM4-GCM are much slower",)
        sm9 = portable or composed_sm9.Sm9(self.sm3)
        self.sm9_master = sm9.sm9_master
        self.sm9_extract = sm9.sm9_extract
        self.sm9_valid = sm9.sm9_valid
        self.sm9_sign = sm9.sm9_sign
        self.sm9_verify = sm9.sm9_verify
        self.sm9_encapsulate = sm9.sm9_encapsulate
        self.sm9_decapsulate = sm9.sm9_decapsulate
        self.sm9_ephemeral = sm9.sm9_ephemeral
        self.sm9_agree = sm9.sm9_agree
        self.sm9_tables_hold = sm9.sm9_tables_hold

    # SM3

    def sm3(self, data: Buffer) -> bytes:
        data = bytes(data)
        out = ctypes.create_string_buffer(32)
        if self._lib.EVP_Digest(data, len(data), out, None, self._lib.EVP_sm3(), None) != 1:
            raise MemoryError
        return out.raw

    def sm3_many(self, items: Sequence[Buffer]) -> list[bytes]:
        return [self.sm3(item) for item in items]

    def sm3_new(self) -> Hash:
        return _Sm3(self._lib)

    def hmac(self, key: Buffer, data: Buffer) -> bytes:
        key, data = bytes(key), bytes(data)
        out = ctypes.create_string_buffer(32)
        if not self._lib.HMAC(self._lib.EVP_sm3(), key, len(key), data, len(data), out, None):
            raise MemoryError
        return out.raw

    def hmac_many(self, key: Buffer, items: Sequence[Buffer]) -> list[bytes]:
        return [self.hmac(key, item) for item in items]

    def pbkdf2(self, password: Buffer, salt: Buffer, iterations: int, length: int) -> bytes:
        password, salt = bytes(password), bytes(salt)
        out = ctypes.create_string_buffer(length)
        ok = self._lib.PKCS5_PBKDF2_HMAC(
            password, len(password), salt, len(salt), iterations, self._lib.EVP_sm3(), length, out
        )
        if ok != 1:
            raise InvalidInput("libcrypto refuses these PBKDF2 parameters")
        return out.raw

    # SM2

    def _multiply(self, d: Buffer, public: bytes | None) -> bytes:
        """d·P, or d·G when no point is given."""
        lib = self._lib
        scalar = libcrypto.secret(d)
        number = lib.BN_bin2bn(scalar, 32, None)
        point = lib.EC_POINT_new(self._group)
        try:
            if public is None:
                ok = lib.EC_POINT_mul(self._group, point, number, None, None, None)
            else:
                if lib.EC_POINT_oct2point(self._group, point, public, len(public), None) != 1:
                    lib.ERR_clear_error()
                    raise InvalidKey("the SM2 public key is not a point of the curve")
                ok = lib.EC_POINT_mul(self._group, point, None, point, number, None)
            out = ctypes.create_string_buffer(65)
            if ok != 1 or lib.EC_POINT_point2oct(self._group, point, 4, out, 65, None) != 65:
                lib.ERR_clear_error()
                raise InvalidKey("the product is the point at infinity")
            return out.raw
        finally:
            lib.EC_POINT_clear_free(point)
            lib.BN_clear_free(number)
            libcrypto.wipe(scalar)

    def sm2_public_key(self, d: Buffer) -> bytes:
        return self._multiply(d, None)

    def sm2_multiply(self, d: Buffer, public: Buffer) -> bytes:
        return self._multiply(d, bytes(public))

    def sm2_generate(self, count: int) -> list[tuple[bytes, bytes]]:
        keys = [self._random_scalar(curve.N - 2) for _ in range(count)]
        return [(d, self._multiply(d, None)) for d in keys]

    def sm2_on_curve(self, public: Buffer) -> bool:
        try:
            curve.decode_point(public)
        except InvalidKey:
            return False
        return True

    def _signer(self, d: Buffer, public: bytes) -> tuple[int, int]:
        scalar = libcrypto.secret(d)
        try:
            key = libcrypto.pkey(self._lib, public, scalar)
        finally:
            libcrypto.wipe(scalar)
        context = self._lib.EVP_PKEY_CTX_new(key, None) if key else 0
        if not context or self._lib.EVP_PKEY_sign_init(context) != 1:
            self._lib.EVP_PKEY_CTX_free(context)
            self._lib.EVP_PKEY_free(key)
            raise InvalidKey("libcrypto refuses this SM2 private key")
        return key, context

    def _sign_with(self, d: Buffer, digests: Sequence[Buffer]) -> list[bytes]:
        key, context = self._signer(d, self._multiply(d, None))
        try:
            signatures = []
            for e in digests:
                out = ctypes.create_string_buffer(80)
                size = ctypes.c_size_t(80)
                if self._lib.EVP_PKEY_sign(context, out, ctypes.byref(size), bytes(e), 32) != 1:
                    self._lib.ERR_clear_error()
                    raise GmError("libcrypto failed to sign")
                signatures.append(out.raw[: size.value])
            return signatures
        finally:
            self._lib.EVP_PKEY_CTX_free(context)
            self._lib.EVP_PKEY_free(key)

    def sm2_signer(self, d: Buffer) -> bytes:
        return bytes(d)

    def sm2_sign(self, items: Sequence[tuple[Any, Buffer]]) -> list[bytes]:
        return [self._sign_with(d, [e])[0] for d, e in items]

    def sm2_sign_messages(self, d: Any, za: bytes, messages: Sequence[Buffer]) -> list[bytes]:
        return self._sign_with(d, [self.sm3(za + bytes(message)) for message in messages])

    def _verify(self, public: Buffer, e: Buffer, signature: Buffer) -> bool:
        try:
            r, s = curve.decode_signature(signature)
            canonical = curve.encode_signature(r, s)
            curve.decode_point(public)
        except GmError:
            return False
        lib = self._lib
        key = libcrypto.pkey(lib, bytes(public))
        context = lib.EVP_PKEY_CTX_new(key, None) if key else 0
        try:
            if not context or lib.EVP_PKEY_verify_init(context) != 1:
                return False
            return lib.EVP_PKEY_verify(context, canonical, len(canonical), bytes(e), 32) == 1
        finally:
            lib.ERR_clear_error()
            lib.EVP_PKEY_CTX_free(context)
            lib.EVP_PKEY_free(key)

    def sm2_verify(self, items: Sequence[tuple[Buffer, Buffer, Buffer]]) -> list[bool]:
        return [self._verify(*item) for item in items]

    def sm2_verify_messages(self, items: Sequence[tuple[Buffer, Buffer, Buffer]], user_id: Buffer) -> list[bool]:
        return [
            self._verify(public, self.sm3(self._za(public, user_id) + bytes(message)), signature)
            for public, message, signature in items
        ]

    def _za(self, public: Buffer, user_id: Buffer) -> bytes:
        return self.sm3((8 * len(user_id)).to_bytes(2, "big") + bytes(user_id) + curve.PARAMETERS + bytes(public)[1:])

    def sm2_encrypt(self, items: Sequence[tuple[Buffer, Buffer]], encoding: Any) -> list[bytes | None]:
        if self._portable:
            return self._portable.sm2_encrypt(items, encoding)
        return [self._encrypt(bytes(public), bytes(plaintext), encoding) for public, plaintext in items]

    def _encrypt(self, public: bytes, plaintext: bytes, encoding: ciphertext.Encoding) -> bytes | None:
        if not self.sm2_on_curve(public):
            return None
        while True:
            raw = composed.sm2_encrypt(self.sm3, self._multiply, public, plaintext, self._random_scalar(curve.N - 1))
            if raw is not None:
                return ciphertext.convert_ciphertext(raw, "c1c3c2", encoding)

    def sm2_decrypt(self, items: Sequence[tuple[Buffer, Buffer]], encoding: Any) -> list[bytes | None]:
        if self._portable:
            return self._portable.sm2_decrypt(items, encoding)
        return [self._decrypt(bytes(d), item, encoding) for d, item in items]

    def _decrypt(self, d: bytes, item: Buffer, encoding: ciphertext.Encoding) -> bytes | None:
        try:
            raw = ciphertext.convert_ciphertext(item, encoding, "c1c3c2")
        except InvalidInput:
            return None
        return composed.sm2_decrypt(self.sm3, self._multiply, d, raw)

    def sm2_fault(self) -> None:
        return None

    def random_kat(self, entropy: bytes, nonce: bytes, personal: bytes, size: int) -> bytes:
        if self._portable:
            return self._portable.random_kat(entropy, nonce, personal, size)
        drbg = composed_drbg.CtrDrbg(lambda key, data: self.sm4_ecb(key, data, True), entropy, nonce, personal)
        return drbg.generate(size, b"")

    def sm2_sign_kat(self, d: bytes, e: bytes, k: bytes) -> bytes:
        """Python's integers over libcrypto's k·G: checks the arithmetic that libcrypto signs with."""
        r = (int.from_bytes(e, "big") + int.from_bytes(self._multiply(k, None)[1:33], "big")) % curve.N
        key, nonce = int.from_bytes(d, "big"), int.from_bytes(k, "big")
        s = pow(1 + key, -1, curve.N) * (nonce - r * key) % curve.N
        signature = curve.encode_signature(r, s)
        if not self._verify(self._multiply(d, None), e, signature):
            raise SelfTestFailed("SM2 signature")
        return signature

    def sm2_encrypt_kat(self, public: bytes, plaintext: bytes, k: bytes) -> bytes:
        if self._portable:
            return self._portable.sm2_encrypt_kat(public, plaintext, k)
        return composed.sm2_encrypt(self.sm3, self._multiply, public, plaintext, k) or b""

    def _random_scalar(self, highest: int) -> bytes:
        """Uniform in 1 … highest, by rejection."""
        while True:
            candidate = self.random(32)
            if 1 <= int.from_bytes(candidate, "big") <= highest:
                return candidate

    # SM4

    def _cipher(self, cipher: int, key: Buffer, iv: Buffer | None, data: Buffer, encrypt: bool) -> bytes:
        lib = self._lib
        secret = libcrypto.secret(key)
        context = lib.EVP_CIPHER_CTX_new()
        try:
            start = None if iv is None else bytes(iv)
            if lib.EVP_CipherInit_ex(context, cipher, None, secret, start, int(encrypt)) != 1:
                raise GmError("libcrypto failed to set up SM4")
            lib.EVP_CIPHER_CTX_set_padding(context, 0)
            source, view = bytes(data), []
            for position in range(0, len(source), _CHUNK):
                piece = source if len(source) <= _CHUNK else source[position : position + _CHUNK]
                out = ctypes.create_string_buffer(len(piece) + 16)
                written = ctypes.c_int()
                if lib.EVP_CipherUpdate(context, out, ctypes.byref(written), piece, len(piece)) != 1:
                    raise GmError("libcrypto failed in SM4")
                view.append(ctypes.string_at(out, written.value))
            return b"".join(view)
        finally:
            lib.EVP_CIPHER_CTX_free(context)
            libcrypto.wipe(secret)

    def sm4_ecb(self, key: Buffer, data: Buffer, encrypt: bool) -> bytes:
        return self._cipher(self._lib.EVP_sm4_ecb(), key, None, data, encrypt)

    def sm4_cbc(self, key: Buffer, iv: Buffer, data: Buffer, encrypt: bool) -> bytes:
        return self._cipher(self._lib.EVP_sm4_cbc(), key, iv, data, encrypt)

    def sm4_ctr(self, key: Buffer, iv: Buffer, data: Buffer) -> bytes:
        return self._cipher(self._lib.EVP_sm4_ctr(), key, iv, data, True)

    def _gcm(self, key: Buffer) -> composed.Gcm:
        return composed.Gcm(
            lambda block: self.sm4_ecb(key, block, True), lambda counter, data: self.sm4_ctr(key, counter, data)
        )

    def sm4_gcm_encrypt(
        self, key: Buffer, items: Sequence[tuple[Buffer, Buffer, Buffer]], tag_size: int
    ) -> list[bytes]:
        if self._portable:
            return self._portable.sm4_gcm_encrypt(key, items, tag_size)
        return self._gcm(key).encrypt(items, tag_size)

    def sm4_gcm_decrypt(
        self, key: Buffer, items: Sequence[tuple[Buffer, Buffer, Buffer]], tag_size: int
    ) -> list[bytes | None]:
        if self._portable:
            return self._portable.sm4_gcm_decrypt(key, items, tag_size)
        return self._gcm(key).decrypt(items, tag_size)

    def sm4_gcm_key(self, key: Buffer) -> GcmKey:
        return self._portable.sm4_gcm_key(key) if self._portable else self._gcm(bytes(key))

    def sm4_cfb(self, key: Buffer, iv: Buffer, data: Buffer, encrypt: bool) -> bytes:
        return self._cipher(self._lib.EVP_sm4_cfb128(), key, iv, data, encrypt)

    def sm4_ofb(self, key: Buffer, iv: Buffer, data: Buffer) -> bytes:
        return self._cipher(self._lib.EVP_sm4_ofb(), key, iv, data, True)

    def sm4_bc(self, key: Buffer, iv: Buffer, data: Buffer, encrypt: bool) -> bytes:
        if self._portable:
            return self._portable.sm4_bc(key, iv, data, encrypt)
        return composed_modes.bc(self.sm4_ecb, key, iv, data, encrypt)

    def sm4_ofbnlf(self, key: Buffer, iv: Buffer, data: Buffer, encrypt: bool) -> bytes:
        if self._portable:
            return self._portable.sm4_ofbnlf(key, iv, data, encrypt)
        return composed_modes.ofbnlf(self.sm4_ecb, key, iv, data, encrypt)

    def sm4_xts(self, key: Buffer, tweak: Buffer, data: Buffer, gb: bool, encrypt: bool) -> bytes:
        if self._portable:
            return self._portable.sm4_xts(key, tweak, data, gb, encrypt)
        return composed_modes.xts(self.sm4_ecb, key, tweak, data, gb, encrypt)

    def sm4_hctr(self, key: Buffer, hash_key: Buffer, tweak: Buffer, data: Buffer, encrypt: bool) -> bytes:
        if self._portable:
            return self._portable.sm4_hctr(key, hash_key, tweak, data, encrypt)
        return composed_modes.hctr(self.sm4_ecb, key, hash_key, tweak, data, encrypt)

    def sm4_cbc_mac(self, key: Buffer, data: Buffer) -> bytes:
        return self.sm4_cbc(key, bytes(16), data, True)[-16:]

    def sm4_cmac(self, key: Buffer, data: Buffer) -> bytes:
        if self._portable:
            return self._portable.sm4_cmac(key, data)
        return composed_modes.cmac(self.sm4_ecb, self.sm4_cbc_mac, key, data)

    def _ccm(self, key: Buffer, nonce: Buffer) -> composed_modes.Ccm:
        return composed_modes.Ccm(self.sm4_ecb, self.sm4_ctr, self.sm4_cbc_mac, key, nonce)

    def sm4_ccm_encrypt(self, key: Buffer, nonce: Buffer, data: Buffer, aad: Buffer, tag_size: int) -> bytes:
        if self._portable:
            return self._portable.sm4_ccm_encrypt(key, nonce, data, aad, tag_size)
        return self._ccm(key, nonce).encrypt(data, aad, tag_size)

    def sm4_ccm_decrypt(self, key: Buffer, nonce: Buffer, data: Buffer, aad: Buffer, tag_size: int) -> bytes | None:
        if self._portable:
            return self._portable.sm4_ccm_decrypt(key, nonce, data, aad, tag_size)
        return self._ccm(key, nonce).decrypt(data, aad, tag_size)

    # ZUC

    def zuc_xor(self, key: Buffer, iv: Buffer, data: Buffer) -> bytes:
        if self._portable:
            return self._portable.zuc_xor(key, iv, data)
        return composed_zuc.xor(key, iv, data)

    def zuc_mac(self, key: Buffer, iv: Buffer, data: Buffer, bits: int) -> bytes:
        if self._portable:
            return self._portable.zuc_mac(key, iv, data, bits)
        return composed_zuc.mac(key, iv, data, bits)
