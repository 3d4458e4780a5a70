"""The room's parts, made from what other rooms lend it."""

from __future__ import annotations

from typing import Protocol

from miyun.core.clock import Clock
from miyun.core.identity import Identity
from miyun.core.ports import ApplicationDirectory, Bindings, CertificateIssuer, KeyCustody, KeyDirectory
from miyun.core.storage import Database
from miyun.core.trust import TrustDirectory
from miyun.hsm.port import Machine
from miyun.offerings.strong_auth.report.store import ReportStore
from miyun.offerings.strong_auth.service import StrongAuthService
from miyun.offerings.strong_auth.sso.notices import Fetch
from miyun.offerings.strong_auth.sso.service import Entitle
from miyun.offerings.strong_auth.sso.store import SsoStore
from miyun.offerings.strong_auth.store import StrongAuthStore


class Applications(ApplicationDirectory, Bindings, Protocol):
    pass


def strong_auth_service(
    *,
    database: Database,
    issuer: CertificateIssuer,
    trust: TrustDirectory,
    applications: Applications,
    keys: KeyDirectory,
    machine: Machine,
    custody: KeyCustody,
    entitle: Entitle,
    fetch: Fetch,
    clock: Clock,
    url: str,
    mutual_url: str,
) -> StrongAuthService:
    return StrongAuthService(
        store=StrongAuthStore(database),
        sso=SsoStore(database),
        reports=ReportStore(database),
        issuer=issuer,
        trust=trust,
        bindings=applications,
        applications=applications,
        keys=keys,
        machine=machine,
        identity=Identity(machine, url),
        custody=custody,
        entitle=entitle,
        fetch=fetch,
        clock=clock,
        url=url,
        mutual_url=mutual_url,
    )
