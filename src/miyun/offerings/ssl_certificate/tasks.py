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


TASKS = (
    Task("ssl_certificate.validate", 1, validate),
    Task("ssl_certificate.sweep", 600, sweep),
)
