"""Policies, time-stamping authorities and what is known about the clock (RFC 3161, GM/T 0033, GB/T 20520)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal, Protocol

from miyun.core.errors import InvalidArgument
from miyun.core.i18n import Text
from miyun.hsm.port import KeyAlgorithm, KeyBinding, SignScheme, WrappedKey
from miyun.wire.algorithm import DigestAlgorithm, SignatureAlgorithm
from miyun.wire.tsp import Accuracy

PLATFORM: Final = "platform"  # the owner, in key bindings, of what belongs to no tenant
RENEW_BEFORE: Final = timedelta(days=4 * 365)  # of 5 years: a key signs for one year and is verified for four more
MEASURE_EVERY: Final = 60.0  # seconds between two measurements of the clock
STALE_AFTER: Final = timedelta(minutes=5)  # without a measurement an external source counts as lost
KEEP_DRIFT: Final = timedelta(days=400)
MAX_BATCH: Final = 4096

# No registered arc: identifiers under 2.25 belong to whoever made the UUID (X.667).
_ARC: Final = "2.25.34379794761442409980687482614274884532.1"

HashName = Literal["SM3", "SHA-256", "SHA-384", "SHA-512"]
DIGESTS: Final[dict[str, DigestAlgorithm]] = {
    "SM3": DigestAlgorithm.SM3,
    "SHA-256": DigestAlgorithm.SHA256,
    "SHA-384": DigestAlgorithm.SHA384,
    "SHA-512": DigestAlgorithm.SHA512,
}
HASH_NAMES: Final = {algorithm: name for name, algorithm in DIGESTS.items()}
_INTERNATIONAL: Final = frozenset({DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512})


@dataclass(frozen=True, slots=True)
class Policy:
    """`digests` are accepted in message imprints; `tree` hashes the Merkle tree of a batch."""

    slug: str
    oid: str
    name: Text
    key: KeyAlgorithm
    scheme: SignScheme
    signature: SignatureAlgorithm
    digests: frozenset[DigestAlgorithm]
    tree: DigestAlgorithm
    accuracy: Accuracy
    common_name: str


POLICIES: Final = {
    item.slug: item
    for item in (
        Policy(
            "sm2",
            f"{_ARC}.1",
            Text("国密时间戳（SM2/SM3）", "SM2 with SM3"),
            KeyAlgorithm.SM2,
            SignScheme.SM2_SM3,
            SignatureAlgorithm.SM2_SM3,
            frozenset({DigestAlgorithm.SM3}),
            DigestAlgorithm.SM3,
            Accuracy(seconds=1),
            "Miyun SM2 Time-Stamping Authority",
        ),
        Policy(
            "ecdsa",
            f"{_ARC}.2",
            Text("国际算法时间戳（ECDSA P-256）", "ECDSA P-256 with SHA-256"),
            KeyAlgorithm.EC_P256,
            SignScheme.ECDSA_SHA256,
            SignatureAlgorithm.ECDSA_SHA256,
            _INTERNATIONAL,
            DigestAlgorithm.SHA256,
            Accuracy(seconds=1),
            "Miyun ECDSA Time-Stamping Authority",
        ),
        Policy(
            "rsa",
            f"{_ARC}.3",
            Text("国际算法时间戳（RSA 3072）", "RSA 3072 with SHA-256"),
            KeyAlgorithm.RSA_3072,
            SignScheme.RSA_SHA256,
            SignatureAlgorithm.RSA_SHA256,
            _INTERNATIONAL,
            DigestAlgorithm.SHA256,
            Accuracy(seconds=1),
            "Miyun RSA Time-Stamping Authority",
        ),
    )
}


def default_policy(algorithm: DigestAlgorithm) -> Policy:
    """The policy that takes a hash when none is named."""
    return POLICIES["sm2" if algorithm is DigestAlgorithm.SM3 else "ecdsa"]


def digest_named(name: str, field: str = "hash_algorithm") -> DigestAlgorithm:
    """ "SM3", "SHA-256" or "SHA256" … Raises InvalidArgument."""
    for known, algorithm in DIGESTS.items():
        if name.upper().replace("-", "") == known.replace("-", ""):
            return algorithm
    known = ", ".join(DIGESTS)
    raise InvalidArgument(field, Text(f"应为 {known} 之一", f"must be one of {known}"))


def key_binding(policy: str, generation: int) -> KeyBinding:
    return KeyBinding(tenant=PLATFORM, key=f"timestamp.tsa.{policy}", version=generation, state="enabled")


@dataclass(frozen=True, slots=True)
class Tsa:
    """One generation of a policy's signing key and certificate. `chain`: issuing CA first, root last."""

    policy: str
    generation: int
    key: WrappedKey
    serial: int
    der: bytes = field(repr=False)
    chain: tuple[bytes, ...] = field(repr=False)
    not_after: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Token:
    """A token as issued."""

    der: bytes = field(repr=False)
    policy: str
    serial: int
    gen_time: datetime


# --- clock -----------------------------------------------------------------------------------------------------------

KERNEL: Final = "kernel"  # continuity of the kernel's clock against its monotonic one: no external reference
CONFIRMED: Final = "confirmed"  # an operator vouched for the time after a step


@dataclass(frozen=True, slots=True)
class Reading:
    """What a time source says: how many seconds it is ahead of this machine's clock; None of one that tells no time,
    with the reason (a key of SOURCE_REASONS; "kiss:RATE" with the server's own code)."""

    source: str
    offset: float | None
    reason: str = ""


class TimeSource(Protocol):
    """External time (NTP, 北斗, 国家授时): a reading of each configured source, silent ones with the reason."""

    @property
    def names(self) -> Sequence[str]: ...

    async def readings(self) -> list[Reading]: ...


@dataclass(frozen=True, slots=True)
class Drift:
    """A row of the drift history. `offset` in seconds; for the kernel's row it is its step since the last baseline."""

    at: datetime
    source: str
    offset: float | None
    trusted: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ClockState:
    """`reason` is a key of CLOCK_REASONS, "" when trusted."""

    trusted: bool
    reason: str
    step: float
    readings: tuple[Reading, ...]
    measured_at: datetime | None


CLOCK_REASONS: Final = {
    "": Text("可信", "trusted"),
    "step": Text("系统时钟发生跳变", "the system clock was stepped"),
    "backwards": Text("系统时钟早于已记录的时间", "the system clock is behind a time already recorded"),
    "drift": Text("与外部时间源的偏差超限", "the offset from the external sources exceeds the tolerance"),
    "stale": Text("可用的外部时间源不足", "too few of the external time sources tell the time"),
    "disagreement": Text("外部时间源彼此不一致", "the external time sources contradict each other"),
}
SOURCE_REASONS: Final = {
    "": Text("正常", "answers"),
    "unreachable": Text("无应答", "does not answer"),
    "unsynchronised": Text("该服务器自身未同步", "is not synchronised itself"),
    "kiss": Text("该服务器拒绝服务", "refuses to serve"),
    "malformed": Text("应答不符合规范", "answers against the protocol"),
    "uncertain": Text("误差上限超过允许偏差", "may be wrong by more than the tolerance"),
}


def source_reason(reason: str) -> Text:
    """The sentence for a reading's reason."""
    fault, _, code = reason.partition(":")
    text = SOURCE_REASONS[fault]
    return Text(f"{text.zh}（{code}）", f"{text.en} ({code})") if code else text
