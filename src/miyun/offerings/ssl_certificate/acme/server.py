"""The ACME server's parts, put together."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from miyun.core.clock import Clock
from miyun.core.ledger.port import Ledger
from miyun.core.operation import Call, Reply
from miyun.core.outbound import AddressPolicy
from miyun.core.ports import ApplicationDirectory, Bindings, CertificateIssuer
from miyun.core.storage import Database
from miyun.offerings.ssl_certificate import messages as m
from miyun.offerings.ssl_certificate.acme.account.authentication import AcmeAuthentication
from miyun.offerings.ssl_certificate.acme.account.service import Accounts
from miyun.offerings.ssl_certificate.acme.limits import RateLimits
from miyun.offerings.ssl_certificate.acme.nonces import Deriver, Nonces
from miyun.offerings.ssl_certificate.acme.order.certificates import Certificates
from miyun.offerings.ssl_certificate.acme.order.documents import JSON
from miyun.offerings.ssl_certificate.acme.order.issuing import Issuing
from miyun.offerings.ssl_certificate.acme.order.service import Orders
from miyun.offerings.ssl_certificate.acme.order.validation import Dns, Validation
from miyun.offerings.ssl_certificate.model import PROFILES, Limits
from miyun.offerings.ssl_certificate.store.accounts import AccountStore
from miyun.offerings.ssl_certificate.store.orders import OrderStore


@dataclass(frozen=True, slots=True)
class AcmeServer:
    base_url: str
    caa_domains: tuple[str, ...]
    nonces: Nonces
    accounts: Accounts
    orders: Orders
    issuing: Issuing
    certificates: Certificates
    validation: Validation
    authentication: AcmeAuthentication
    store: OrderStore

    async def directory(self, call: Call, request: m.Nothing) -> Reply:
        base = f"{self.base_url}/acme"
        body = {
            "newNonce": f"{base}/new-nonce",
            "newAccount": f"{base}/new-account",
            "newOrder": f"{base}/new-order",
            "revokeCert": f"{base}/revoke-cert",
            "keyChange": f"{base}/key-change",
            "renewalInfo": f"{base}/renewal-info",
            "meta": {
                "externalAccountRequired": True,
                "website": f"{self.base_url}/console",
                **({"caaIdentities": list(self.caa_domains)} if self.caa_domains else {}),
                "profiles": {profile.slug: profile.description for profile in PROFILES.values()},
            },
        }
        return Reply(msgspec.json.encode(body), JSON)

    async def nonce(self, call: Call, request: m.Nothing) -> Reply:
        """The nonce itself is a header that every answer carries."""
        return Reply(b"", "application/octet-stream")


def acme_server(
    *,
    database: Database,
    machine: Deriver,
    issuer: CertificateIssuer,
    applications: ApplicationDirectory,
    bindings: Bindings,
    ledger: Ledger,
    clock: Clock,
    policy: AddressPolicy,
    dns: Dns,
    base_url: str,
    http_port: int = 80,
    caa_domains: tuple[str, ...] = (),
    limits: Limits | None = None,
) -> AcmeServer:
    accounts, orders = AccountStore(database), OrderStore(database)
    issuing = Issuing(store=orders, issuer=issuer)
    rates, nonces = RateLimits(orders, limits or Limits()), Nonces(machine)
    holders = Accounts(
        store=accounts, orders=orders, bindings=bindings, limits=rates, machine=machine, base_url=base_url
    )
    return AcmeServer(
        base_url=base_url,
        caa_domains=caa_domains,
        nonces=nonces,
        accounts=holders,
        orders=Orders(
            store=orders,
            accounts=holders,
            limits=rates,
            issuing=issuing,
            base_url=base_url,
        ),
        issuing=issuing,
        certificates=Certificates(store=orders, accounts=holders, issuer=issuer),
        validation=Validation(
            store=orders,
            accounts=accounts,
            ledger=ledger,
            clock=clock,
            policy=policy,
            dns=dns,
            base_url=base_url,
            http_port=http_port,
            caa_domains=caa_domains,
        ),
        authentication=AcmeAuthentication(
            accounts=accounts,
            orders=orders,
            applications=applications,
            nonces=nonces,
            machine=machine,
            base_url=base_url,
        ),
        store=orders,
    )
