"""Keys, their versions and their states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from miyun.hsm.port import KeyAlgorithm, KeyBinding, WrappedKey


class KeyState(StrEnum):
    ENABLED = "enabled"
    DISABLED = "disabled"
    PENDING_DELETION = "pending_deletion"
    DESTROYED = "destroyed"


class KeyVerb(StrEnum):
    ENABLE = "enable"
    DISABLE = "disable"
    SCHEDULE_DELETION = "schedule_deletion"
    CANCEL_DELETION = "cancel_deletion"
    DESTROY = "destroy"


TRANSITIONS: Final[Mapping[tuple[KeyState, KeyVerb], KeyState]] = {
    (KeyState.ENABLED, KeyVerb.DISABLE): KeyState.DISABLED,
    (KeyState.DISABLED, KeyVerb.ENABLE): KeyState.ENABLED,
    (KeyState.ENABLED, KeyVerb.SCHEDULE_DELETION): KeyState.PENDING_DELETION,
    (KeyState.DISABLED, KeyVerb.SCHEDULE_DELETION): KeyState.PENDING_DELETION,
    (KeyState.PENDING_DELETION, KeyVerb.CANCEL_DELETION): KeyState.DISABLED,
    (KeyState.PENDING_DELETION, KeyVerb.DESTROY): KeyState.DESTROYED,
}
"""Everything else is refused. Nothing leads out of destroyed."""

MIN_DELETION_DAYS: Final = 7
MAX_DELETION_DAYS: Final = 30
MIN_ROTATION_DAYS: Final = 7
MAX_ROTATION_DAYS: Final = 3660


class KeyUsage(StrEnum):
    SIGN = "sign"
    ENCRYPT = "encrypt"  # data and data keys
    MAC = "mac"
    WRAP = "wrap"  # data keys only


USAGES: Final[Mapping[KeyAlgorithm, frozenset[KeyUsage]]] = {
    KeyAlgorithm.SM2: frozenset({KeyUsage.SIGN, KeyUsage.ENCRYPT}),
    KeyAlgorithm.SM4: frozenset({KeyUsage.ENCRYPT, KeyUsage.WRAP}),
    KeyAlgorithm.AES_256: frozenset({KeyUsage.ENCRYPT, KeyUsage.WRAP}),
    KeyAlgorithm.HMAC_SM3: frozenset({KeyUsage.MAC}),
    KeyAlgorithm.EC_P256: frozenset({KeyUsage.SIGN}),
    KeyAlgorithm.RSA_2048: frozenset({KeyUsage.SIGN}),
    KeyAlgorithm.RSA_3072: frozenset({KeyUsage.SIGN}),
}
ROTATES_BY_ITSELF: Final = frozenset({KeyAlgorithm.SM4, KeyAlgorithm.AES_256, KeyAlgorithm.HMAC_SM3})
"""Asymmetric keys are rotated by hand: a certificate or a partner holds the public key."""


class KeyOrigin(StrEnum):
    GENERATED = "generated"
    IMPORTED = "imported"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True)
class Key:
    """`owner`: the room or application that it was made for, "" for the tenant itself. `applications`: to which it was
    opened besides. `revision` counts changes."""

    id: str
    tenant: str
    algorithm: KeyAlgorithm
    usage: KeyUsage
    label: str
    description: str
    owner: str
    origin: KeyOrigin
    state: KeyState
    version: int
    min_decryption_version: int
    created_at: datetime
    rotation_days: int | None = None
    next_rotation_at: datetime | None = None
    deletion_at: datetime | None = None
    destroyed_at: datetime | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    applications: frozenset[str] = frozenset()
    revision: int = 1

    def serves(self, application: str | None) -> bool:
        """Whether it may be used, or seen, on behalf of `application`; None is nobody's application."""
        return application is None or application == self.owner or application in self.applications

    def binding(self, version: int, state: KeyState | None = None) -> KeyBinding:
        return KeyBinding(self.tenant, self.id, version, state or self.state)


@dataclass(frozen=True, slots=True)
class KeyVersion:
    """`blob` is wrapped by the machine and empty once destroyed; `public` a SubjectPublicKeyInfo."""

    version: int
    blob: bytes = field(repr=False)
    public: bytes | None
    created_at: datetime
    uses: int = 0  # encryptions with a random nonce, reserved so far: see `uses`


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key with all its versions, as the hot path caches it."""

    key: Key
    versions: Mapping[int, KeyVersion]
    wrapped: Mapping[int, WrappedKey]


def record_of(key: Key, versions: list[KeyVersion]) -> KeyRecord:
    wrapped = {v.version: WrappedKey(key.algorithm, key.binding(v.version), v.blob, v.public) for v in versions}
    return KeyRecord(key, {v.version: v for v in versions}, wrapped)


@dataclass(frozen=True, slots=True)
class Alias:
    name: str
    key: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Erasure:
    """Proof of a crypto-erase: which wrapped keys were erased, each by its SM3 fingerprint."""

    id: str
    tenant: str
    key: str
    label: str
    algorithm: KeyAlgorithm
    fingerprints: Mapping[int, str]  # version → SM3 of the wrapped key, hexadecimal
    reason: str
    destroyed_at: datetime
