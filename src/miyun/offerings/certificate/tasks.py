"""Periodic work of the certificate room."""

from __future__ import annotations

from miyun.core.jobs import Task
from miyun.offerings.certificate.service import CertificateService


async def publish_lists(service: CertificateService) -> None:
    """Revocation lists that are due: a revocation, or the newest list nears its end."""
    await service.revocation.publish_due()


TASKS = (Task("certificate.crl", 10, publish_lists),)
