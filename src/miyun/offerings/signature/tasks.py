"""Periodic work of the signature room."""

from __future__ import annotations

from miyun.core.jobs import Task
from miyun.offerings.signature.evidence_signer import PlatformEvidenceSigner


async def renew(signer: PlatformEvidenceSigner) -> None:
    """The platform's evidence key, before the last year of its certificate."""
    await signer.bootstrap()


TASKS = (Task("signature.evidence_key", 3600, renew),)
"""To be run with the `PlatformEvidenceSigner`, not the service."""
