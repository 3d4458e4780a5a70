"""Periodic work of the certificate room."""

from __future__ import annotations

import logging

from miyun.core.jobs import Task
from miyun.offerings.certificate.errors import RootsOffline
from miyun.offerings.certificate.model import ROOT_CRL_REFRESH
from miyun.offerings.certificate.service import CertificateService

log = logging.getLogger("miyun.certificate")


async def publish_lists(service: CertificateService) -> None:
    """Revocation lists that are due: a revocation, or the newest list nears its end."""
    await service.revocation.publish_due()


async def renew_responders(service: CertificateService) -> None:
    """OCSP responders whose certificates near their end."""
    await service.responder.renew()


async def renew_root_lists(service: CertificateService) -> None:
    """Lists of roots that near their end; where their machine is offline, its operators are called."""
    due = await service.revocation.roots_due()
    if not due:
        return
    try:
        await service.bootstrap()
    except RootsOffline as error:
        names = ", ".join(item.id for item in due)
        log.warning("the revocation lists of %s end within %d days: %s", names, ROOT_CRL_REFRESH.days, error.remedy.en)


async def applications(service: CertificateService) -> None:
    """What was approved and not issued is finished; what nobody reviewed or agreed to in its time expires."""
    await service.applications.fulfilment.resume()
    await service.applications.fulfilment.expire()
    await service.recoveries.expire()


async def remind(service: CertificateService) -> None:
    """Of certificates that near their end and that no other follows."""
    await service.expiry.remind()


TASKS = (
    Task("certificate.expiry", 3600, remind),
    Task("certificate.applications", 10, applications),
    Task("certificate.crl", 10, publish_lists),
    Task("certificate.ocsp", 3600, renew_responders),
    Task("certificate.roots", 86_400, renew_root_lists),
)
