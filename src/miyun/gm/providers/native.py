"""The providers inside the C extension: portable C, and Intel's ipp-crypto where the CPU allows.

ipp      SM2 verification and point multiplication by ippcp; SM3 in lanes and SM4 by own kernels, for AVX-512 with GFNI
         or for AVX2 with AES-NI; the rest portable
ipp-mb   besides: SM2 by own kernels of 8 lanes (AVX-512 IFMA)

`MIYUN_GM_ISA=avx2` keeps all of them to what a processor with AVX2 has, `baseline` to what every x86-64 has.
"""

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

from miyun.gm.errors import GmError, InvalidKey, ProviderUnavailable

from .port import Buffer

if TYPE_CHECKING:
    from miyun.gm._native import Engine

Answer = TypeVar("Answer")
_SUPPLEMENTED: dict[str, tuple[str, ...]] = {
    "portable": (),
    "ipp": ("SM2 key generation and signing: portable", "SM3 and SM4: own kernels", "SM9: portable"),
    "ipp-mb": ("SM2, SM3 and SM4: own kernels", "SM9: portable"),
}
_NOTES: dict[str, tuple[str, ...]] = {
    "portable": ("constant-time C without tables; SM4-CBC encryption is slow, its blocks depend on one another",),
    "ipp": ("Intel ipp-crypto, single buffer, beside own kernels",),
    "ipp-mb": ("8 lanes of SM2, 16 lanes of SM3; batches are much faster than single calls",),
}


def _engine(name: str) -> "tuple[Engine, ModuleType]":
    """The engine, and the extension it is of."""
    try:
        from miyun.gm import _native
    except ImportError as why:
        raise ProviderUnavailable(f"the C extension was not built or does not load ({why})") from None
    try:
        return _native.Engine(name), _native
    except LookupError as why:
        raise ProviderUnavailable(str(why.args[0])) from None


class NativeProvider:
    """One engine of the extension. Most methods are the engine's own."""

    def __init__(self, name: str) -> None:
        engine, native = _engine(name)
        self.random: Callable[[int], bytes] = native.random
        self._drbg = native.Drbg
        self._engine = engine
        self.name = name
        self.notes = _NOTES[name]
        self.supplemented = _SUPPLEMENTED[name]
        self.sm3_new = native.Sm3
        self.sm3 = engine.sm3
        self.sm3_many = engine.sm3_many
        self.hmac = engine.hmac
        self.hmac_many = engine.hmac_many
        self.pbkdf2 = engine.pbkdf2
        self.sm2_public_key = engine.sm2_public_key
        self.sm2_generate = engine.sm2_generate
        self.sm2_on_curve = engine.sm2_on_curve
        self.sm2_signer = native.Sm2Signer
        self.sm2_sign = engine.sm2_sign
        self.sm2_sign_messages = engine.sm2_sign_messages
        self.sm2_verify = engine.sm2_verify
        self.sm2_verify_messages = engine.sm2_verify_messages
        self.sm2_encrypt = engine.sm2_encrypt
        self.sm2_decrypt = engine.sm2_decrypt
        self.sm2_fault = engine.sm2_fault
        self.sm4_ecb = engine.sm4_ecb
        self.sm4_cbc = engine.sm4_cbc
        self.sm4_ctr = engine.sm4_ctr
        self.sm4_gcm_encrypt = engine.sm4_gcm_encrypt
        self.sm4_gcm_decrypt = engine.sm4_gcm_decrypt
        self.sm4_gcm_key = engine.sm4_gcm_key
        self.sm4_cfb = engine.sm4_cfb
        self.sm4_ofb = engine.sm4_ofb
        self.sm4_bc = engine.sm4_bc
        self.sm4_ofbnlf = engine.sm4_ofbnlf
        self.sm4_xts = engine.sm4_xts
        self.sm4_hctr = engine.sm4_hctr
        self.sm4_cbc_mac = engine.sm4_cbc_mac
        self.sm4_cmac = engine.sm4_cmac
        self.sm4_ccm_encrypt = engine.sm4_ccm_encrypt
        self.sm4_ccm_decrypt = engine.sm4_ccm_decrypt
        self.zuc_xor = engine.zuc_xor
        self.zuc_mac = engine.zuc_mac
        self.sm9_valid = engine.sm9_valid
        self.sm9_verify = engine.sm9_verify
        self.sm9_decapsulate = engine.sm9_decapsulate
        self.sm9_tables_hold = engine.sm9_tables_hold

    def sm2_multiply(self, d: Buffer, public: Buffer) -> bytes:
        return _on_curve(self._engine.sm2_multiply(d, public))

    def random_kat(self, entropy: bytes, nonce: bytes, personal: bytes, size: int) -> bytes:
        drawn: bytes = self._drbg(entropy, nonce, personal).generate(size, b"")
        return drawn

    def sm2_sign_kat(self, d: bytes, e: bytes, k: bytes) -> bytes:
        try:
            signatures: Sequence[bytes] = self._engine.sm2_sign_kat(d, e, k)
        except ValueError as why:
            raise GmError(str(why)) from None
        return signatures[0]

    def sm2_encrypt_kat(self, public: bytes, plaintext: bytes, k: bytes) -> bytes:
        return _on_curve(self._engine.sm2_encrypt_kat([(public, plaintext)], k)[0])

    def sm9_master(self, group: int, s: Buffer | None) -> tuple[bytes, bytes]:
        return _of_sm9(self._engine.sm9_master(group, s))

    def sm9_extract(self, group: int, s: Buffer, identity: Buffer) -> bytes:
        return _of_sm9(self._engine.sm9_extract(group, s, identity))

    def sm9_sign(self, public: Buffer, key: Buffer, message: Buffer, r: bytes | None) -> bytes:
        return _of_sm9(self._engine.sm9_sign(public, key, message, r))

    def sm9_encapsulate(self, public: Buffer, identity: Buffer, r: bytes | None) -> tuple[bytes, bytes]:
        return _of_sm9(self._engine.sm9_encapsulate(public, identity, r))

    def sm9_ephemeral(self, public: Buffer, identity: Buffer, r: bytes | None) -> tuple[bytes, bytes]:
        return _of_sm9(self._engine.sm9_ephemeral(public, identity, r))

    def sm9_agree(self, public: Buffer, key: Buffer, r: Buffer, peer: Buffer) -> tuple[bytes, bytes, bytes]:
        return _of_sm9(self._engine.sm9_agree(public, key, r, peer))


def _of_sm9(result: Answer | None) -> Answer:
    if result is None:
        raise InvalidKey("an SM9 key or point is not of its group, or a number is out of range")
    return result


def _on_curve(result: bytes | None) -> bytes:
    if result is None:
        raise InvalidKey("the SM2 public key is not a point of the curve")
    return result
