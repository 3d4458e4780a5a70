"""GM algorithms: SM2, SM3, SM4, SM9, ZUC, their modes and key derivation, random bytes, self-tests.

Imports nothing else of this package. All data arguments accept bytes, bytearray and memoryview.
"""

from miyun.gm import (
    curve,
    errors,
    intl,
    kdf,
    rand,
    selftest,
    sm2,
    sm2_exchange,
    sm3,
    sm4,
    sm4_ff1,
    sm4_mac,
    sm4_modes,
    sm9,
    sm9_exchange,
    zuc,
)
from miyun.gm.providers import Provider, provider, providers

__all__ = [
    "Provider",
    "curve",
    "errors",
    "intl",
    "kdf",
    "provider",
    "providers",
    "rand",
    "selftest",
    "sm2",
    "sm2_exchange",
    "sm3",
    "sm4",
    "sm4_ff1",
    "sm4_mac",
    "sm4_modes",
    "sm9",
    "sm9_exchange",
    "zuc",
]
