"""One port to a cryptographic machine (密码机). `soft/` is our VSM process; `sdf/` a vendor's device behind GM/T 0018.

All calls are asynchronous and batch-shaped. Keys cross this port only wrapped. A wrapped key is bound to its
`KeyBinding` (tenant‖key‖version‖state is the associated data of the wrapping), so rows cannot be swapped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

ESCROWED: Final = "escrowed"
"""The state in the binding of a key that a key-management centre keeps for somebody else."""


class KeyAlgorithm(StrEnum):
    SM2 = "SM2"
    SM4 = "SM4"
    HMAC_SM3 = "HMAC-SM3"
    AES_256 = "AES-256"
    EC_P256 = "EC-P256"
    RSA_2048 = "RSA-2048"
    RSA_3072 = "RSA-3072"


class SignScheme(StrEnum):
    """Signature values: DER SEQUENCE{r, s} for SM2 and ECDSA, the raw block for RSA."""

    SM2_SM3 = "SM2-SM3"
    ECDSA_SHA256 = "ECDSA-SHA256"
    RSA_SHA256 = "RSA-SHA256"
    RSA_PSS_SHA256 = "RSA-PSS-SHA256"


class CipherMode(StrEnum):
    """IV 12 bytes for GCM, 16 for CBC and CTR. CBC pads by PKCS#7."""

    SM4_GCM = "SM4-GCM"
    SM4_CBC = "SM4-CBC"
    SM4_CTR = "SM4-CTR"
    AES_256_GCM = "AES-256-GCM"


class EnvelopeForm(StrEnum):
    """How an escrowed key is given to its holder."""

    STANDARD = "gbt35276"  # SM2EnvelopedKey of GB/T 35276 7.4, DER
    CFCA = "cfca"  # what CFCA answers to its own form of request: SM2 ciphertext C1‖C3‖C2 without 04, of x‖y‖d


class MachineState(StrEnum):
    UNPROVISIONED = "unprovisioned"
    LOCKED = "locked"
    OPERATIONAL = "operational"
    FAILED = "failed"  # a self-test failed: no service


@dataclass(frozen=True, slots=True)
class KeyBinding:
    tenant: str
    key: str
    version: int
    state: str


@dataclass(frozen=True, slots=True, repr=False)
class WrappedKey:
    """`blob` is the private or secret key wrapped by the machine's storage key; `public` a SubjectPublicKeyInfo DER."""

    algorithm: KeyAlgorithm
    binding: KeyBinding
    blob: bytes
    public: bytes | None = None

    def __repr__(self) -> str:
        return f"WrappedKey({self.algorithm}, {self.binding.key} v{self.binding.version})"


@dataclass(frozen=True, slots=True)
class CipherItem:
    """`iv` is empty on encryption: the machine draws it. `data` on decryption is ciphertext ‖ tag."""

    data: bytes
    iv: bytes = b""
    aad: bytes = b""


@dataclass(frozen=True, slots=True)
class Encrypted:
    iv: bytes
    data: bytes  # ciphertext ‖ 16-byte tag (GCM)


@dataclass(frozen=True, slots=True)
class MachineStatus:
    name: str
    state: MachineState
    provider: str  # of gm: "ipp-mb" ...
    root: str  # "keyfile (development)" | "2 of 3 shares" | "hardware"
    self_test: str  # "passed 2026-..." | "failed: sm2.sign"
    shares_missing: int
    started_at: str
    operations: int


class Machine(Protocol):
    """Errors: core-free `hsm.errors` — MachineLocked, MachineFailed, MachineUnavailable, UnknownKey, WrongBinding,
    InvalidRequest(field, reason), DecryptionFailed; `core` maps them to its own tree."""

    async def status(self) -> MachineStatus: ...
    async def random(self, size: int) -> bytes: ...
    async def generate(self, algorithm: KeyAlgorithm, binding: KeyBinding) -> WrappedKey: ...
    async def rebind(self, key: WrappedKey, binding: KeyBinding) -> WrappedKey:
        """Same key under a new binding (state change, restore)."""
        ...

    async def sign(
        self,
        key: WrappedKey,
        scheme: SignScheme,
        items: Sequence[bytes],
        *,
        prehashed: bool = False,
        user_id: bytes | None = None,
    ) -> list[bytes]:
        """`prehashed`: items are digests (for SM2 the value e). `user_id` default is 1234567812345678."""
        ...

    async def encrypt(self, key: WrappedKey, mode: CipherMode, items: Sequence[CipherItem]) -> list[Encrypted]: ...
    async def decrypt(self, key: WrappedKey, mode: CipherMode, items: Sequence[CipherItem]) -> list[bytes | None]:
        """None marks an item that failed (opaque)."""
        ...

    async def public_decrypt(
        self, key: WrappedKey, items: Sequence[bytes], *, encoding: str = "asn1"
    ) -> list[bytes | None]:
        """SM2 decryption with the private key (encoding asn1 | c1c3c2 | c1c2c3)."""
        ...

    async def mac(self, key: WrappedKey, items: Sequence[bytes]) -> list[bytes]: ...
    async def wrap_new(
        self, key: WrappedKey, size: int, *, aad: bytes, with_plaintext: bool
    ) -> tuple[bytes | None, bytes]:
        """A fresh data key under an SM4/AES key: (plaintext or None, iv ‖ ciphertext ‖ tag)."""
        ...

    async def rewrap(
        self, old: WrappedKey, new: WrappedKey, mode: CipherMode, items: Sequence[CipherItem], new_aads: Sequence[bytes]
    ) -> list[Encrypted | None]:
        """Decrypt under `old` and encrypt under `new` inside the machine."""
        ...

    async def transport_key(self) -> bytes:
        """SubjectPublicKeyInfo DER of the machine's SM2 transport key, for import."""
        ...

    async def import_key(self, algorithm: KeyAlgorithm, binding: KeyBinding, enveloped: bytes) -> WrappedKey:
        """`enveloped`: SM2 ciphertext (asn1) under the transport key of raw key bytes or PKCS#8."""
        ...

    async def envelope(self, key: WrappedKey, receiver: bytes, form: EnvelopeForm = EnvelopeForm.STANDARD) -> bytes:
        """An escrowed SM2 key for its holder, whose SM2 SubjectPublicKeyInfo `receiver` is.

        Only a key whose binding was ESCROWED when it was made or imported leaves the machine so, and such a key does
        nothing else: it signs and deciphers nothing, and is bound anew only when it is destroyed."""
        ...

    async def derive(self, purpose: str, context: bytes, size: int = 32) -> bytes:
        """Deterministic secrets from the root key. Purposes are an allow-list:

        - "access-key", context = access key id: lower-case hex of HKDF-SM3(root, info = "access-key" ‖ 0 ‖ context,
          size), as ASCII bytes (so 2·size bytes): the SK an application holds;
        - "access-key-day", context = b"<access key id>:<YYYYMMDD>": HMAC-SM3(key = the ASCII SK of that id,
          "YYYYMMDD"), so that verifying a request never needs the SK outside the machine;
        - "session", "page-token", "key-backup" (authenticates key backups), "acme-key" (an external account key's MAC
          key), "acme-nonce": HKDF-SM3(root, info = purpose ‖ 0 ‖ context, size) raw.
        """
        ...
