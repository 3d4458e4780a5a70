"""Periodic work of the certificate room."""

from __future__ import annotations

from miyun.core.jobs import Task
from miyun.offerings.certificate.service import CertificateService


async def publish_lists(service: CertificateService) -> None:
    """Revocation lists that are due: a revocation, or the newest list nears its end."""
    await service.revocation.publish_due()


async def renew_responders(service: CertificateService) -> None:
    """OCSP responders whose certificates near their end."""
    await service.responder.renew()


TASKS = (
    Task("certificate.crl", 10, publish_lists),
    Task("certificate.ocsp", 3600, renew_responders),
)
