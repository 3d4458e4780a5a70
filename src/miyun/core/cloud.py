"""The core services of one process, put together: what every web worker, the jobs process and the CLI start from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from miyun.core.clock import Clock
from miyun.core.contracts.audit import AuditService
from miyun.core.contracts.operations import OPERATIONS as CONTRACT_OPERATIONS
from miyun.core.contracts.service import ContractService
from miyun.core.contracts.store import ContractStore
from miyun.core.contracts.usage import UsageService
from miyun.core.identity import Identity
from miyun.core.ledger.port import Ledger
from miyun.core.operation import Operation
from miyun.core.registry import Registry
from miyun.core.storage import Database
from miyun.core.tenancy.account import AccountService
from miyun.core.tenancy.applications.directory import Applications
from miyun.core.tenancy.applications.store import ApplicationStore
from miyun.core.tenancy.authenticator import TenancyAuthenticator
from miyun.core.tenancy.entitlements import TenancyEntitlements
from miyun.core.tenancy.keys.service import PersonKeys
from miyun.core.tenancy.keys.store import PersonKeyStore
from miyun.core.tenancy.operations import OPERATIONS as TENANCY_OPERATIONS
from miyun.core.tenancy.secret_keys import Deriver, SecretKeys
from miyun.core.tenancy.store import TenancyStore
from miyun.core.tenancy.tenant import TenantService
from miyun.core.trust import TrustDirectory

CORE_OPERATIONS: tuple[Operation, ...] = TENANCY_OPERATIONS + CONTRACT_OPERATIONS


@dataclass(frozen=True, slots=True)
class Cloud:
    """`services` by operation prefix, as the pipeline wants them."""

    accounts: AccountService
    tenants: TenantService
    contracts: ContractService
    usage: UsageService
    audit: AuditService
    applications: Applications  # core.ports.Bindings
    authenticator: TenancyAuthenticator
    entitlements: TenancyEntitlements

    @property
    def services(self) -> Mapping[str, Any]:
        return {
            "account": self.accounts,
            "tenant": self.tenants,
            "contract": self.contracts,
            "usage": self.usage,
            "audit": self.audit,
        }


def assemble(
    *,
    database: Database,
    ledger: Ledger,
    machine: Deriver,
    url: str,
    registry: Registry,
    trust: TrustDirectory,
    clock: Clock,
) -> Cloud:
    people, bound, bought = TenancyStore(database), ApplicationStore(database), ContractStore(database)
    secret_keys = SecretKeys(machine)
    keys = PersonKeys(
        store=PersonKeyStore(database),
        people=people,
        machine=machine,
        identity=Identity(machine, url),
        trust=trust,
        ledger=ledger,
    )
    accounts = AccountService(store=people, keys=keys, ledger=ledger, clock=clock)
    applications = Applications(
        store=bound, contracts=bought, registry=registry, secret_keys=secret_keys, ledger=ledger
    )
    contracts = ContractService(store=bought, applications=bound, accounts=accounts, ledger=ledger, clock=clock)
    return Cloud(
        accounts=accounts,
        tenants=TenantService(store=people, applications=applications, ledger=ledger),
        contracts=contracts,
        usage=UsageService(store=bought, contracts=contracts, ledger=ledger),
        audit=AuditService(ledger=ledger),
        applications=applications,
        authenticator=TenancyAuthenticator(
            store=people, applications=bound, secret_keys=secret_keys, keys=keys, ledger=ledger
        ),
        entitlements=TenancyEntitlements(contracts=bought, applications=bound, registry=registry, ledger=ledger),
    )
