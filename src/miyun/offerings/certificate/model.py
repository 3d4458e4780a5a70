"""Authorities, certificates, their states and the reasons of revocation (RFC 5280, GM/T 0034)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from miyun.core.i18n import Text
from miyun.gm import sm3
from miyun.hsm.port import KeyAlgorithm, KeyBinding, SignScheme, WrappedKey
from miyun.wire.algorithm import SignatureAlgorithm
from miyun.wire.crl import Reason
from miyun.wire.name import Name
from miyun.wire.spki import KeyAlgorithm as PublicKeyAlgorithm

PLATFORM: Final = "platform"  # the owner, in key bindings, of what belongs to no tenant
ROOT_LIFETIME: Final = timedelta(days=365 * 20)
ISSUING_LIFETIME: Final = timedelta(days=365 * 10)
CRL_LIFETIME: Final = timedelta(hours=24)
CRL_REFRESH: Final = timedelta(hours=12)  # a new list comes this long before the old one ends
ROOT_CRL_LIFETIME: Final = timedelta(days=180)  # of lists that need a ceremony
ROOT_CRL_REFRESH: Final = timedelta(days=60)
CRL_PAUSE: Final = timedelta(seconds=5)  # a burst of revocations makes one list, not one each
CRL_HISTORY: Final = 48  # lists kept per authority
MAX_SHARDS: Final = 1024
MAX_BATCH: Final = 1000
OCSP_LIFETIME: Final = timedelta(hours=1)
OCSP_KEEP: Final = timedelta(minutes=30)  # a signed answer is given again for so long, unless the status changes
RESPONDER_RENEW: Final = timedelta(days=30)  # before its certificate ends
AHEAD: Final = timedelta(hours=48)  # that a certificate may begin after it was issued (CA/B 7.1.2.7)
BACKDATE: Final = timedelta(minutes=5)  # for relying parties whose clock is a little slow


class Family(StrEnum):
    """A hierarchy of one kind of key."""

    SM2 = "sm2"
    ECDSA = "ecdsa"
    RSA = "rsa"


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """What the authorities of a family are made of."""

    family: Family
    key: KeyAlgorithm
    scheme: SignScheme
    signature: SignatureAlgorithm
    root: Name
    issuing: Name

    def issuing_name(self, generation: int) -> Name:
        if generation == 1:
            return self.issuing
        return _name(f"{self.issuing.all('CN')[0]} {generation}")


def _name(common_name: str) -> Name:
    return Name.of(("C", "CN"), ("O", "Miyun"), ("OU", "Certification Authority"), ("CN", common_name))


HIERARCHIES: Final = {
    item.family: item
    for item in (
        Hierarchy(
            Family.SM2,
            KeyAlgorithm.SM2,
            SignScheme.SM2_SM3,
            SignatureAlgorithm.SM2_SM3,
            _name("Miyun SM2 Root CA"),
            _name("Miyun SM2 Issuing CA"),
        ),
        Hierarchy(
            Family.ECDSA,
            KeyAlgorithm.EC_P256,
            SignScheme.ECDSA_SHA256,
            SignatureAlgorithm.ECDSA_SHA256,
            _name("Miyun ECDSA Root CA"),
            _name("Miyun ECDSA Issuing CA"),
        ),
        Hierarchy(
            Family.RSA,
            KeyAlgorithm.RSA_3072,
            SignScheme.RSA_SHA256,
            SignatureAlgorithm.RSA_SHA256,
            _name("Miyun RSA Root CA"),
            _name("Miyun RSA Issuing CA"),
        ),
    )
}

FAMILY_OF_KEY: Final = {
    PublicKeyAlgorithm.SM2: Family.SM2,
    PublicKeyAlgorithm.EC_P256: Family.ECDSA,
    PublicKeyAlgorithm.EC_P384: Family.ECDSA,
    PublicKeyAlgorithm.EC_P521: Family.ECDSA,
    PublicKeyAlgorithm.RSA: Family.RSA,
}


class AuthorityReason(StrEnum):
    """CRLReason of RFC 5280 5.3.1, as far as a root uses them of the authorities below it."""

    KEY_COMPROMISE = "key_compromise"
    CA_COMPROMISE = "ca_compromise"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessation_of_operation"

    @property
    def crl_reason(self) -> Reason:
        return Reason[self.name]


@dataclass(frozen=True, slots=True)
class AuthorityEnd:
    """An issuing authority's revocation. It is final."""

    at: datetime
    reason: AuthorityReason

    @property
    def compromised(self) -> bool:
        """Somebody else may have signed by its key, with any date."""
        return self.reason in (AuthorityReason.KEY_COMPROMISE, AuthorityReason.CA_COMPROMISE)

    def counts_at(self, at: datetime) -> bool:
        """Whether what it signed is not to be relied upon at that time."""
        return self.compromised or self.at <= at


class AuthorityRole(StrEnum):
    ROOT = "root"
    ISSUING = "issuing"


def authority_id(family: Family, role: AuthorityRole, generation: int = 1) -> str:
    """`sm2-issuing`, and of its successor `sm2-2-issuing`: a number at the end is that of a shard."""
    return f"{family}-{role}" if generation == 1 else f"{family}-{generation}-{role}"


def key_binding(authority: str) -> KeyBinding:
    return KeyBinding(tenant=PLATFORM, key=f"certificate.ca.{authority}", version=1, state="enabled")


def responder_binding(authority: str, generation: int) -> KeyBinding:
    return KeyBinding(tenant=PLATFORM, key=f"certificate.ocsp.{authority}", version=generation, state="enabled")


@dataclass(frozen=True, slots=True)
class Authority:
    """A certification authority whose key lives in the machine."""

    id: str
    family: Family
    role: AuthorityRole
    parent: str | None
    key: WrappedKey
    serial: int
    der: bytes = field(repr=False)
    created_at: datetime
    shards: int = 0  # lists its certificates are spread over; 0: one list of all
    deltas: bool = False  # between its lists it tells what changed
    generation: int = 1  # the newest of a family issues; those before keep their lists and responders
    end: AuthorityEnd | None = None

    @property
    def hierarchy(self) -> Hierarchy:
        return HIERARCHIES[self.family]


@dataclass(frozen=True, slots=True)
class Responder:
    """Whom an issuing authority lets answer for it (RFC 6960 4.2.2.2); its key lives in the machine."""

    authority: str
    generation: int
    key: WrappedKey
    serial: int
    der: bytes = field(repr=False)
    not_after: datetime
    created_at: datetime


class State(StrEnum):
    ALLOCATED = "allocated"  # the serial number is taken; the certificate may never have been signed
    VOID = "void"  # somebody else took its application over; signed all the same, it is revoked
    ISSUED = "issued"
    SUSPENDED = "suspended"  # 冻结: on the lists as certificateHold until it is resumed or revoked
    REVOKED = "revoked"


TRANSITIONS: Final = {
    State.ALLOCATED: frozenset({State.ISSUED, State.VOID}),
    State.VOID: frozenset({State.REVOKED}),
    State.ISSUED: frozenset({State.SUSPENDED, State.REVOKED}),
    State.SUSPENDED: frozenset({State.ISSUED, State.REVOKED}),
    State.REVOKED: frozenset[State](),
}


class Usage(StrEnum):
    """The two certificates of a pair (双证书, GM/T 0015)."""

    SIGN = "sign"
    ENCRYPT = "encrypt"


class RevocationReason(StrEnum):
    """CRLReason of RFC 5280 5.3.1, as far as an issuing CA uses them."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "key_compromise"
    AFFILIATION_CHANGED = "affiliation_changed"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessation_of_operation"
    PRIVILEGE_WITHDRAWN = "privilege_withdrawn"
    CERTIFICATE_HOLD = "certificate_hold"  # of a suspension only

    @property
    def crl_reason(self) -> Reason:
        return Reason[self.name]


@dataclass(frozen=True, slots=True)
class Reservation:
    """A serial number taken durably before anything is signed with it. `key` is the certified key's `key_digest`;
    `application` the application for a certificate that it answers; `published`: anybody may download the
    certificate."""

    serial: int
    tenant: str | None
    authority: str
    shard: int
    template: str
    usage: Usage
    subject: str
    names: tuple[str, ...]
    key: str
    published: bool
    not_before: datetime
    not_after: datetime
    allocated_at: datetime
    pair: int | None = None
    application: str | None = None


class KeyUse(StrEnum):
    """Why a key is not certified."""

    COMPROMISED = "compromised"
    OTHER_HOLDER = "other_holder"
    OTHER_USAGE = "other_usage"


class KeysInUse(Exception):
    """Keys that may not be certified as asked; nothing was reserved."""

    def __init__(self, uses: dict[str, KeyUse]) -> None:
        super().__init__(f"{len(uses)} keys")
        self.uses = uses


class AuthorityEnded(Exception):
    """It was revoked meanwhile; nothing was reserved."""


class ClaimsTaken(Exception):
    """Applications that have their certificates already; nothing was reserved."""

    def __init__(self, applications: set[str]) -> None:
        super().__init__(f"{len(applications)} applications")
        self.applications = applications


@dataclass(frozen=True, slots=True)
class Completion:
    """A reserved number's certificate."""

    serial: int
    der: bytes = field(repr=False)
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Certificate:
    """A row of the register. `der` is None while only the serial number is allocated."""

    serial: int
    tenant: str | None
    authority: str
    shard: int
    template: str
    usage: Usage
    subject: str
    names: tuple[str, ...]
    key: str
    application: str | None
    state: State
    not_before: datetime
    not_after: datetime
    issued_at: datetime | None
    der: bytes | None = field(repr=False)
    fingerprint: bytes | None
    revoked_at: datetime | None = None
    reason: RevocationReason | None = None
    pair: int | None = None
    changed: bool = False  # it was suspended or revoked once


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for in the register; what is empty is not asked for. `text` is found anywhere in subject and
    names, and at the beginning of a serial number; `name` is a whole alternative name."""

    text: str = ""
    name: str = ""
    serial: str = ""  # its beginning
    template: str = ""
    authority: str = ""
    usage: str = ""
    application: str = ""
    key: str = ""
    state: str = ""  # "issued" | "expired" | "suspended" | "revoked"
    expires_from: datetime | None = None
    expires_before: datetime | None = None
    issued_from: datetime | None = None
    issued_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of an authority's certificates that has its own lists; 0 is of those issued while there was one list."""

    authority: str
    shard: int


@dataclass(frozen=True, slots=True)
class Change:
    """Of a certificate's state, as lists tell it. `reason` None: it was resumed."""

    serial: int
    revoked_at: datetime | None
    reason: RevocationReason | AuthorityReason | None


@dataclass(frozen=True, slots=True)
class BaseList:
    """What a delta list is told against."""

    number: int
    changes: int
    this_update: datetime


@dataclass(frozen=True, slots=True)
class RevocationList:
    """`base`: delta lists may be told against it. `delta` is the delta list of the same number, if there is one."""

    authority: str
    shard: int
    number: int
    this_update: datetime
    next_update: datetime
    entries: int
    changes: int
    base: bool
    der: bytes = field(repr=False)
    delta: bytes | None = field(repr=False, default=None)


def key_digest(spki: bytes) -> str:
    """By which the register finds certificates of a public key: SM3 of its SubjectPublicKeyInfo."""
    return sm3.digest(spki).hex()


def serial_text(serial: int) -> str:
    """Hexadecimal as certificate viewers print it: 32 digits for our own."""
    return f"{serial:032x}"


REASON_TEXTS: Final = {
    "untrusted": Text("找不到可信的签发者", "no trusted issuer was found"),
    "signature": Text("签发者的签名无法验证", "the issuer's signature does not verify"),
    "no_za": Text("SM2 签名未包含 Z_A（GB/T 32918.2）", "the SM2 signature was made without Z_A (GB/T 32918.2)"),
    "not_yet_valid": Text("尚未生效", "not valid yet"),
    "expired": Text("已过期", "expired"),
    "revoked": Text("已吊销", "revoked"),
    "not_a_ca": Text("签发者不是 CA", "its issuer is not a CA"),
    "path_length": Text("证书链超过签发者允许的长度", "the chain is longer than an issuer allows"),
    "key_usage": Text("密钥用法不允许", "key usage does not allow this"),
    "purpose": Text("扩展密钥用法不符", "extended key usage does not fit the purpose"),
    "name_constraints": Text("名称不在上级 CA 允许的范围内", "a name lies outside its issuer's name constraints"),
    "unknown_critical": Text("含有不认识的关键扩展", "an unknown critical extension"),
    "duplicate_extension": Text("同一扩展出现两次", "an extension appears twice"),
    "unsupported_key": Text("不支持的公钥算法", "the public key's algorithm is not supported"),
    "key_identifier": Text("所指明的签发者密钥不符", "it names another key of its issuer than the one that signed it"),
}
"""Why a certificate is refused, by `wire.x509.ChainReason`."""
