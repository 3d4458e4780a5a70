"""A key that is kept for its holder."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from miyun.hsm.port import ESCROWED, KeyBinding, WrappedKey
from miyun.offerings.certificate.model import PLATFORM


@dataclass(frozen=True, slots=True)
class EscrowedKey:
    """`serial` is the encryption certificate's, None until it is issued; `application` the application for it."""

    id: str
    tenant: str | None
    subject: str
    key: WrappedKey
    created_at: datetime
    application: str | None = None
    serial: int | None = None


def escrow_binding(tenant: str | None, key: str) -> KeyBinding:
    return KeyBinding(tenant=tenant or PLATFORM, key=f"certificate.escrow.{key}", version=1, state=ESCROWED)
