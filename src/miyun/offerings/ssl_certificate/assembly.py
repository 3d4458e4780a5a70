"""The room's parts, made from the settings and from what other rooms lend it."""

from __future__ import annotations

from functools import partial
from typing import Protocol

from miyun.core import outbound
from miyun.core.clock import Clock
from miyun.core.ledger.port import Ledger
from miyun.core.outbound import AddressPolicy
from miyun.core.ports import ApplicationDirectory, Bindings, CertificateIssuer, KeyDirectory
from miyun.core.settings import AcmeSettings
from miyun.core.storage import Database
from miyun.offerings.ssl_certificate.acme.dns import DnsRecords
from miyun.offerings.ssl_certificate.acme.nonces import Deriver
from miyun.offerings.ssl_certificate.acme.server import acme_server
from miyun.offerings.ssl_certificate.endpoint.service import Endpoints
from miyun.offerings.ssl_certificate.outside.flow import Flow, ProgramSolver
from miyun.offerings.ssl_certificate.outside.model import OutsideCa
from miyun.offerings.ssl_certificate.outside.service import Outside
from miyun.offerings.ssl_certificate.service import SslCertificateService
from miyun.offerings.ssl_certificate.store.endpoints import EndpointStore
from miyun.offerings.ssl_certificate.store.outside import OutsideStore


class Applications(ApplicationDirectory, Bindings, Protocol):
    pass


def ssl_certificate_service(
    *,
    settings: AcmeSettings,
    url: str,
    database: Database,
    machine: Deriver,
    issuer: CertificateIssuer,
    keys: KeyDirectory,
    applications: Applications,
    ledger: Ledger,
    clock: Clock,
    policy: AddressPolicy,
) -> SslCertificateService:
    program = settings.dns_program
    outside = Outside(
        store=OutsideStore(database),
        keys=keys,
        fetch=partial(outbound.fetch, policy=policy),
        cas=[OutsideCa(name, ca.url, ca.ca_file) for name, ca in settings.directories.items()],
        solves_dns=bool(program),
    )
    dns = DnsRecords(settings.nameservers, policy)
    return SslCertificateService(
        acme=acme_server(
            database=database,
            machine=machine,
            issuer=issuer,
            applications=applications,
            bindings=applications,
            ledger=ledger,
            clock=clock,
            policy=policy,
            dns=dns,
            base_url=url,
            http_port=settings.http_port,
            caa_domains=settings.caa_domains,
        ),
        outside=outside,
        flow=Flow(outside=outside, ledger=ledger, clock=clock, dns=ProgramSolver(program) if program else None),
        endpoints=Endpoints(
            store=EndpointStore(database),
            outside=outside,
            issuer=issuer,
            ledger=ledger,
            clock=clock,
            policy=policy,
            resolver=dns.addresses,
        ),
        clock=clock,
    )
