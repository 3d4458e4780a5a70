"""Periodic work of the SSL certificate room."""

from __future__ import annotations

from miyun.core.jobs import Task
from miyun.offerings.ssl_certificate.service import SslCertificateService


async def validate(service: SslCertificateService) -> None:
    """Names that ACME clients say are ready to be proven."""
    await service.acme.validation.run_due()


async def finish(service: SslCertificateService) -> None:
    """ACME orders whose issuing was broken off."""
    await service.acme.issuing.finish_stuck(service.clock.now())


async def watch(service: SslCertificateService) -> None:
    """Endpoints that are to be looked at again."""
    await service.endpoints.run_due()


async def sweep(service: SslCertificateService) -> None:
    """Old ACME orders, what limits counted, and old lines of endpoints' history."""
    await service.acme.validation.sweep()
    await service.endpoints.sweep()


async def order(service: SslCertificateService) -> None:
    """Orders at outside CAs whose next step is due."""
    await service.flow.run_due()


TASKS = (
    Task("ssl_certificate.validate", 1, validate),
    Task("ssl_certificate.order", 2, order),
    Task("ssl_certificate.finish", 30, finish),
    Task("ssl_certificate.watch", 5, watch),
    Task("ssl_certificate.sweep", 600, sweep),
)
