"""What rooms need of each other, without knowing each other. `edge/assembly.py` wires the implementations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, Protocol

import msgspec

from miyun.core.operation import Call
from miyun.core.trust import Level as Level
from miyun.core.trust import TrustDirectory as TrustDirectory
from miyun.core.trust import TrustReason as TrustReason
from miyun.core.trust import TrustVerdict as TrustVerdict


class KeyRef(msgspec.Struct, frozen=True):
    """A key of a tenant in the key directory; `version` None means the current one. `application`: on whose behalf it
    is asked for; a key that was not made for it, nor opened to it, is not found. None: a room's own, or a person."""

    tenant: str
    key: str
    version: int | None = None
    application: str | None = None


@dataclass(frozen=True, slots=True)
class KeyInfo:
    key: str
    version: int
    algorithm: str  # value of hsm.port.KeyAlgorithm
    state: str
    public: bytes | None  # SubjectPublicKeyInfo DER for asymmetric keys
    usage: str  # "sign" | "encrypt" | "mac" | "wrap"


class KeyDirectory(Protocol):
    """Implemented by `kms`. All raise NotFound for a foreign tenant's key and KeyNotEnabled for a wrong state."""

    async def create(
        self, tenant: str, algorithm: str, usage: str, *, label: str, owner: str, applications: Sequence[str] = ()
    ) -> KeyInfo:
        """`owner`: the room or application that it is made for; `applications` may use it besides."""
        ...

    async def info(self, ref: KeyRef) -> KeyInfo: ...
    async def sign(
        self,
        ref: KeyRef,
        messages: Sequence[bytes],
        *,
        scheme: str,
        prehashed: bool = False,
        user_id: bytes | None = None,
    ) -> list[bytes]: ...
    async def encrypt(self, ref: KeyRef, mode: str, items: Sequence[tuple[bytes, bytes, bytes]]) -> list[bytes]:
        """items are (data, iv or b"" for a fresh one, aad); answers iv ‖ ciphertext ‖ tag."""
        ...

    async def decrypt(self, ref: KeyRef, mode: str, items: Sequence[tuple[bytes, bytes]]) -> list[bytes | None]:
        """items are (iv ‖ ciphertext ‖ tag, aad); None marks a failed item (opaque)."""
        ...

    async def public_decrypt(
        self, ref: KeyRef, ciphertexts: Sequence[bytes], *, encoding: str = "asn1"
    ) -> list[bytes | None]: ...
    async def data_key(self, ref: KeyRef, *, size: int, aad: bytes, with_plaintext: bool) -> tuple[bytes | None, bytes]:
        """A fresh data key: (plaintext or None, wrapped under the key)."""
        ...

    async def rewrap(
        self, old: KeyRef, new: KeyRef, mode: str, items: Sequence[tuple[bytes, bytes]], new_aads: Sequence[bytes]
    ) -> list[bytes | None]:
        """Decrypts by `old` and `mode`, encrypts by `new`'s GCM, inside the machine. items are (iv ‖ ciphertext ‖ tag,
        aad), answers iv ‖ ciphertext ‖ tag; None marks a failed item (opaque)."""
        ...

    async def destroy(self, ref: KeyRef) -> None: ...


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    serial: int
    der: bytes
    chain: tuple[bytes, ...]  # issuing CA first, root last


@dataclass(frozen=True, slots=True)
class IssuedPair:
    """`enveloped_key`: the encryption key to the holder of the signing key, SM2EnvelopedKey of GB/T 35276 in DER."""

    signing: IssuedCertificate
    encryption: IssuedCertificate
    enveloped_key: bytes


REVOKED_TOPIC = "certificate.revoked"  # of the ledger's invalidations; key: the serial number, decimal
AUTHORITY_TOPIC = "certificate.authority"  # one of our authorities was made, configured or revoked; key: its id


class CertificateIssuer(Protocol):
    """Implemented by `certificate`: issue for a public key that another room holds."""

    async def issue(
        self,
        tenant: str | None,
        *,
        template: str,
        subject: Mapping[str, str],
        spki: bytes,
        names: Sequence[str] = (),
        days: int | None = None,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        reference: str | None = None,
        at: datetime,
    ) -> IssuedCertificate:
        """`reference`: the caller's own name for what is asked for, of which there is never more than one. Raises
        Conflict for one that has been issued: `of_reference` finds it."""
        ...

    async def issue_pair(
        self,
        tenant: str | None,
        *,
        template: str,
        subject: Mapping[str, str],
        spki: bytes,
        names: Sequence[str] = (),
        days: int | None = None,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        reference: str | None = None,
        at: datetime,
    ) -> IssuedPair:
        """Two certificates (双证书): one for `spki`, one for a key that the key-management centre makes and keeps."""
        ...

    async def of_reference(self, tenant: str, reference: str) -> IssuedCertificate | IssuedPair | None:
        """What was issued under it, though whoever asked for it never heard of it."""
        ...

    async def revoke(self, serial: int, reason: str, at: datetime) -> bool:
        """False when it was revoked already."""
        ...

    async def is_revoked(self, serial: int, at: datetime | None = None) -> bool:
        """A certificate of ours, or one of our authorities. What an authority that was revoked has signed is out too:
        for a compromise at any time, else from then on (`at`, or now)."""
        ...

    async def is_of_another(self, tenant: str, certificate: bytes) -> bool:
        """Whether we issued it (DER), and not to this tenant: every tenant's applicants choose names of their own."""
        ...

    async def trust_anchors(self) -> list[bytes]:
        """Root certificates, DER."""
        ...

    async def intermediates(self) -> list[bytes]:
        """Issuing CA certificates, DER: paths are built from these, not from what a client sends."""
        ...

    async def chain_of(self, serial: int) -> IssuedCertificate: ...


@dataclass(frozen=True, slots=True)
class FiledPair:
    """How an application for a pair of certificates stands. `state` is one of the certificate room's; `reviewer` None:
    nobody reviewed it (yet), or its template asks for no second person; `pair` once they are issued."""

    application: str
    state: Literal["pending", "approved", "forwarded", "issued", "rejected", "withdrawn", "expired"]
    reviewer: str | None
    reason: str
    pair: IssuedPair | None = None


class PairDesk(Protocol):
    """Implemented by `certificate`: pairs (双证书) for keys that another room looks after. The caller applies, and a
    second person reviews where the template asks for one; the key-management centre makes the encryption keys."""

    async def apply(
        self,
        call: Call,
        *,
        template: str,
        subject: Mapping[str, str],
        spki: bytes,
        names: Sequence[str] = (),
        days: int | None = None,
        note: str,
    ) -> FiledPair:
        """The caller answers for it that the holder has the private key of `spki`."""
        ...

    async def renew(self, call: Call, *, serial: int, note: str) -> FiledPair:
        """The same keys for another term; `serial` is the signing certificate's."""
        ...

    async def filed(self, call: Call, application: str) -> FiledPair: ...
    async def abandon(self, call: Call, application: str, reason: str) -> None:
        """Nobody is to have these: an open application ends, and what was issued for it is revoked. `reason` as of
        `CertificateIssuer.revoke`. Idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class CertificateUse:
    """What depends on a certificate: an account that is bound to it, or an open session. `at`: when it began."""

    kind: Literal["account", "session"]
    application: str
    name: str
    state: str
    at: datetime | None


class CertificateUses(Protocol):
    """Implemented by `strong_auth`: who is affected when a certificate's key is lost."""

    async def uses(self, tenant: str, fingerprint: str) -> list[CertificateUse]:
        """`fingerprint`: hexadecimal SM3 of the certificate."""
        ...


class Custody(StrEnum):
    """Where a private key is kept, by the names of RFC 8176."""

    HARDWARE = "hwk"
    SOFTWARE = "swk"


KeyCustody = Callable[[str, str], Awaitable[Custody | None]]
"""Tenant and certificate (hexadecimal SM3) → what a register of keys says of the key that it was written to, None for
one of no registered key. Implemented by `usbkey`."""


class Stamper(Protocol):
    """Implemented by `timestamp`: an RFC 3161 token over a digest, for the platform's own use (anchors, dossier)."""

    async def token(self, digest: bytes, *, hash_algorithm: str = "SM3", policy: str | None = None) -> bytes: ...


class SignerDirectory(Protocol):
    """Implemented by `signature`: a named key with its certificate, ready to sign."""

    async def make(self, tenant: str, *, name: str, subject: Mapping[str, str], application: str, at: datetime) -> str:
        """The signer's name; `application` may sign by it. Raises AlreadyExists."""
        ...


class EvidenceSigner(Protocol):
    """Implemented by `signature`: a detached CMS (GB/T 35275) signature by the platform's evidence key."""

    async def sign_detached(self, content: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True)
class BindingInfo:
    binding: str
    tenant: str
    application: str
    instance: str
    offering: str


class ApplicationInfo(Protocol):
    @property
    def state(self) -> str:
        """active | disabled"""
        ...


class ApplicationDirectory(Protocol):
    """Implemented by `core.tenancy`: the applications that a tenant has."""

    async def get(self, tenant: str, application: str) -> ApplicationInfo:
        """Raises NotFound, also for another tenant's."""
        ...


class Bindings(Protocol):
    """Implemented by `core.tenancy`: which application may use which instance."""

    def of_application(self, application: str) -> Sequence[BindingInfo]: ...
