"""Modes, limits and formats of the encryption room."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from miyun.hsm.port import KeyAlgorithm


class Mode(StrEnum):
    SM4_GCM = "SM4-GCM"
    AES_256_GCM = "AES-256-GCM"
    SM4_CBC = "SM4-CBC"  # compatibility only
    SM4_CTR = "SM4-CTR"  # compatibility only


COMPATIBILITY_MODES: Final = frozenset({Mode.SM4_CBC, Mode.SM4_CTR})
"""They authenticate nothing: whoever can change a ciphertext changes the plaintext."""

DEFAULT_MODES: Final[Mapping[str, Mode]] = {
    KeyAlgorithm.SM4.value: Mode.SM4_GCM,
    KeyAlgorithm.AES_256.value: Mode.AES_256_GCM,
}
IV_SIZES: Final[Mapping[Mode, int]] = {
    Mode.SM4_GCM: 12,
    Mode.AES_256_GCM: 12,
    Mode.SM4_CBC: 16,
    Mode.SM4_CTR: 16,
}

MAX_PLAINTEXT: Final = 2 * 1024 * 1024
MAX_SM2_PLAINTEXT: Final = 4096
"""Octets of one SM2 encryption. SM2 is for keys and short secrets; larger data goes into an envelope."""
MAX_BATCH: Final = 500
MAX_ASSOCIATED_DATA: Final = 65536
