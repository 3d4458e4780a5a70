"""A key that is kept for its holder."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from miyun.hsm.port import ESCROWED, KeyBinding, WrappedKey
from miyun.offerings.certificate.model import PLATFORM


@dataclass(frozen=True, slots=True)
class EscrowedKey:
    """`digest` is its public key's `key_digest`, by which the register finds the certificates of it; `application` the
    application that it was made for."""

    id: str
    tenant: str | None
    subject: str
    key: WrappedKey
    digest: str
    created_at: datetime
    application: str | None = None


def escrow_binding(tenant: str | None, key: str) -> KeyBinding:
    return KeyBinding(tenant=tenant or PLATFORM, key=f"certificate.escrow.{key}", version=1, state=ESCROWED)
