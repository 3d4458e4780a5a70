"""Use cases of applications and their credentials; `miyun.core.tenancy.tenant` puts the operations in front."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from datetime import datetime

from miyun.core.contracts.model import ContractState
from miyun.core.contracts.store import ContractStore
from miyun.core.digest import digest
from miyun.core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotEntitled, NotFound
from miyun.core.i18n import Text
from miyun.core.ids import new_id
from miyun.core.ledger.port import Ledger
from miyun.core.operation import Duty, Operation, Role
from miyun.core.ports import BindingInfo
from miyun.core.registry import Registry
from miyun.core.tenancy.applications.store import ApplicationStore
from miyun.core.tenancy.model import AccessKey, Application, BasicAccess, Binding
from miyun.core.tenancy.secret_keys import SecretKeys

TOPIC_APPLICATION = "core.application"  # key: application; also told when its bindings change
TOPIC_ACCESS_KEY = "core.access_key"
TOPIC_CREDENTIAL = "core.basic_credential"


class Applications:
    """Implements `core.ports.Bindings`. Raises NotFound for what belongs to another tenant."""

    def __init__(
        self,
        *,
        store: ApplicationStore,
        contracts: ContractStore,
        registry: Registry,
        secret_keys: SecretKeys,
        ledger: Ledger,
    ) -> None:
        self.store = store
        self._contracts = contracts
        self._registry = registry
        self._secret_keys = secret_keys
        self._ledger = ledger

    def of_application(self, application: str) -> Sequence[BindingInfo]:
        return [
            BindingInfo(
                binding=binding.id,
                tenant=binding.tenant,
                application=binding.application,
                instance=binding.instance,
                offering=binding.offering,
            )
            for binding in self.store.bindings_of(application)
        ]

    async def create(self, tenant: str, name: str, now: datetime) -> Application:
        application = Application(new_id("app"), tenant, name, "active", now)
        if not await asyncio.to_thread(self.store.add_application, application):
            raise AlreadyExists(kind="application", name=name, field="name")
        return application

    async def get(self, tenant: str, application: str) -> Application:
        found = await asyncio.to_thread(self.store.application, tenant, application)
        if found is None:
            raise NotFound("application", application)
        return found

    async def set_state(self, tenant: str, application: str, state: str) -> Application:
        """A disabled application's keys and credentials are refused at once, and work again when it is enabled."""
        await self.get(tenant, application)
        await asyncio.to_thread(self.store.set_application_state, tenant, application, state)
        await self._ledger.invalidate(TOPIC_APPLICATION, application)
        return await self.get(tenant, application)

    # bindings

    async def bind(self, tenant: str, application: str, instance: str, now: datetime) -> Binding:
        owner = await self.get(tenant, application)
        found = await asyncio.to_thread(self._contracts.instance, instance, tenant)
        if found is None:
            raise NotFound("instance", instance)
        contract = await asyncio.to_thread(self._contracts.contract, found.contract, tenant)
        if contract is None or contract.state_at(now) is not ContractState.ACTIVE:
            raise NotEntitled(service=found.offering, field="instance")
        binding = Binding(new_id("bnd"), tenant, owner.id, found.id, found.offering, now)
        if not await asyncio.to_thread(self.store.add_binding, binding):
            raise AlreadyExists(kind="binding", name=f"{application} / {instance}", field="instance")
        await self._ledger.invalidate(TOPIC_APPLICATION, owner.id)
        return binding

    async def unbind(self, tenant: str, binding: str, now: datetime) -> Binding:
        """Its single-purpose credentials end with it."""
        found = await asyncio.to_thread(self.store.binding, tenant, binding)
        if found is None or not await asyncio.to_thread(self.store.delete_binding, tenant, binding, now):
            raise NotFound("binding", binding)
        await self._ledger.invalidate(TOPIC_APPLICATION, found.application)
        return found

    # access keys

    async def issue_access_key(
        self, tenant: str, application: str, expires_at: datetime | None, now: datetime
    ) -> tuple[AccessKey, str]:
        """The key and its secret key, which is shown once and stored nowhere."""
        await self._active(tenant, application)
        _check_expiry(expires_at, now)
        key = AccessKey(new_id("ak"), tenant, application, now, expires_at)
        secret = await self._secret_keys.secret_key(key.id)
        await asyncio.to_thread(self.store.add_access_key, key)
        return key, secret

    async def revoke_access_key(self, tenant: str, key: str, now: datetime) -> AccessKey:
        found = await asyncio.to_thread(self.store.revoke_access_key, tenant, key, now)
        if found is None:
            raise NotFound("access_key", key)
        await self._ledger.invalidate(TOPIC_ACCESS_KEY, key)
        return found

    # single-purpose credentials

    async def issue_credential(
        self, tenant: str, binding: str, operations: Sequence[str], expires_at: datetime | None, now: datetime
    ) -> tuple[BasicAccess, str]:
        """The credential and its password, which is shown once; 256 random bits, so a fast digest verifies it."""
        found = await asyncio.to_thread(self.store.binding, tenant, binding)
        if found is None or found.deleted_at is not None:
            raise NotFound("binding", binding)
        await self._active(tenant, found.application)
        for name in operations:
            self._check_purpose(found.offering, name)
        _check_expiry(expires_at, now)
        password = secrets.token_urlsafe(32)
        username = new_id("bc")
        credential = BasicAccess(
            id=username,
            tenant=tenant,
            application=found.application,
            binding=found.id,
            instance=found.instance,
            operations=frozenset(operations),
            verifier=verifier(username, password),
            created_at=now,
            expires_at=expires_at,
        )
        await asyncio.to_thread(self.store.add_credential, credential)
        return credential, password

    async def revoke_credential(self, tenant: str, username: str, now: datetime) -> BasicAccess:
        found = await asyncio.to_thread(self.store.revoke_credential, tenant, username, now)
        if found is None:
            raise NotFound("credential", username)
        await self._ledger.invalidate(TOPIC_CREDENTIAL, username)
        return found

    async def _active(self, tenant: str, application: str) -> Application:
        found = await self.get(tenant, application)
        if found.state != "active":
            raise FailedPrecondition(state=found.state, field="application")
        return found

    def _check_purpose(self, offering: str, name: str) -> None:
        operation = self._registry.operations.get(name)
        if operation is None or not is_purpose(self._registry, offering, operation):
            raise InvalidArgument(
                "operations",
                Text(
                    f"“{name}”不是该接入可用的应用操作。",
                    f"'{name}' is not an application's operation that this binding may use.",
                ),
            )


def is_purpose(registry: Registry, offering: str, operation: Operation) -> bool:
    """Whether a single-purpose credential of a binding to `offering` may be for `operation`."""
    return (
        operation.scope == "tenant"
        and operation.duty in (Duty.USE, Duty.READ)
        and Role.APPLICATION in operation.roles
        and registry.allows(offering, operation)
    )


def verifier(username: str, password: str) -> bytes:
    """What is stored of a single-purpose credential's password."""
    return digest(f"{username}:{password}".encode())


def _check_expiry(expires_at: datetime | None, now: datetime) -> None:
    if expires_at is not None and (expires_at.tzinfo is None or expires_at <= now):
        raise InvalidArgument("expires_at", Text("应为带时区的将来时间。", "it must be a future time with its zone."))
