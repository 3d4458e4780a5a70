"""Periodic work of the SSL certificate room."""

from __future__ import annotations

from miyun.core.jobs import Task
from miyun.offerings.ssl_certificate.service import SslCertificateService


async def validate(service: SslCertificateService) -> None:
    """Names that ACME clients say are ready to be proven."""
    await service.acme.validation.run_due()


async def sweep(service: SslCertificateService) -> None:
    """Old ACME orders and what limits counted."""
    await service.acme.validation.sweep()


async def order(service: SslCertificateService) -> None:
    """Orders at outside CAs whose next step is due."""
    await service.flow.run_due()


TASKS = (
    Task("ssl_certificate.validate", 1, validate),
    Task("ssl_certificate.order", 2, order),
    Task("ssl_certificate.sweep", 600, sweep),
)
