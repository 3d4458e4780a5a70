"""应用接入: from a name to working commands for each bound service, and the count the contract is about."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from miyun.core.contracts.model import Instance
from miyun.core.contracts.store import ContractStore
from miyun.core.errors import AlreadyExists, InvalidArgument, MiyunError
from miyun.core.i18n import Text
from miyun.core.ids import new_id
from miyun.core.ledger.port import Ledger
from miyun.core.operation import Call
from miyun.core.ports import KeyDirectory, SignerDirectory
from miyun.core.registry import Registry
from miyun.core.tenancy.applications.directory import Applications
from miyun.core.tenancy.model import Application, Binding
from miyun.offerings.onboarding import messages as m
from miyun.offerings.onboarding.errors import OnboardingIncomplete
from miyun.offerings.onboarding.guide import credential_config, request_command, timestamp_command
from miyun.offerings.onboarding.model import Check, CheckResult, Step
from miyun.offerings.onboarding.store import OnboardingStore

RFC3161: Final = "timestamp.rfc3161"


class OnboardingService:
    """`url`: what applications call; `authority`: the file with the listener's CA, named in the commands."""

    def __init__(
        self,
        *,
        store: OnboardingStore,
        applications: Applications,
        contracts: ContractStore,
        keys: KeyDirectory,
        signers: SignerDirectory,
        registry: Registry,
        ledger: Ledger,
        url: str,
        authority: str,
    ) -> None:
        self._store = store
        self._applications = applications
        self._contracts = contracts
        self._keys = keys
        self._signers = signers
        self._registry = registry
        self._ledger = ledger
        self._url = url
        self._authority = authority

    async def start(self, call: Call, request: m.Start) -> m.Started:
        """All services are checked before anything is created."""
        tenant = call.require_tenant()
        instances = await self._chosen(tenant, request.services)
        application = await self._applications.create(tenant, request.name, call.now)
        call.resource["application"] = application.id
        call.detail["services"] = [instance.offering for instance in instances]
        try:
            key, secret = await self._applications.issue_access_key(tenant, application.id, None, call.now)
            steps = []
            for instance in instances:
                binding = await self._applications.bind(tenant, application.id, instance.id, call.now)
                steps.append(await self._step(application, binding, call.now, fresh=True))
        except MiyunError as error:
            raise OnboardingIncomplete(application.id, error) from error
        return m.Started(
            application=application.id,
            name=application.name,
            access_key=key.id,
            secret_key=secret,
            steps=[m.StepView.of(step) for step in steps if step],
        )

    async def add_service(self, call: Call, request: m.AddService) -> m.Guide:
        tenant = call.require_tenant()
        application = await self._applications.get(tenant, request.application)
        (instance,) = await self._chosen(tenant, [request.service])
        binding = await self._applications.bind(tenant, application.id, instance.id, call.now)
        call.resource.update(application=application.id, binding=binding.id)
        try:
            step = await self._step(application, binding, call.now, fresh=True)
        except MiyunError as error:
            raise OnboardingIncomplete(application.id, error) from error
        return m.Guide(application=application.id, name=application.name, steps=[m.StepView.of(step)] if step else [])

    async def guide(self, call: Call, request: m.ApplicationRef) -> m.Guide:
        """The steps without their secrets."""
        application = await self._applications.get(call.require_tenant(), request.application)
        steps = [
            await self._step(application, binding, call.now, fresh=False)
            for binding in self._applications.store.bindings_of(application.id)
        ]
        return m.Guide(
            application=application.id, name=application.name, steps=[m.StepView.of(step) for step in steps if step]
        )

    async def check(self, call: Call, request: m.ApplicationRef) -> m.CheckList:
        """What the ledger knows of each binding: a binding passes when its last call was good."""
        tenant = call.require_tenant()
        application = await self._applications.get(tenant, request.application)
        call.resource["application"] = application.id
        checks = [
            await self._judge(tenant, binding, call.now)
            for binding in self._applications.store.bindings_of(application.id)
        ]
        await asyncio.to_thread(self._store.add, checks)
        return m.CheckList(
            application=application.id,
            passed=bool(checks) and all(check.result is CheckResult.PASSED for check in checks),
            items=[m.CheckView.of(check) for check in checks],
        )

    async def count(self, call: Call, request: m.Nothing) -> m.Count:
        counted, bought = self.counted_and_bought(call.require_tenant())
        over = max(0, counted - bought)
        note = Text(
            "接入数超出合同数量：合同为固定总价，不产生费用，请双方确认或签订补充协议。"
            if over
            else "接入数在合同数量之内。",
            "More onboardings than bought: the price is fixed and nothing is charged; confirm or sign a supplement."
            if over
            else "Within the bought quantity.",
        )
        return m.Count(counted=counted, bought=bought, over=over, note=note.to(call.locale))

    def counted_and_bought(self, tenant: str) -> tuple[int, int]:
        counted = bought = 0
        for contract in self._contracts.list_contracts(tenant):
            counted += self._applications.store.count_bindings(contract.id)
            lines = self._contracts.list_entitlements(contract.id)
            bought += sum(line.quantity for line in lines if line.counts_bindings)
        return counted, bought

    def checks(self, tenant: str) -> list[Check]:
        """For the acceptance evidence."""
        return self._store.of_tenant(tenant)

    async def _chosen(self, tenant: str, services: Sequence[str]) -> list[Instance]:
        instances = await asyncio.to_thread(self._contracts.list_instances, tenant=tenant)
        callable_ones = {i.offering: i for i in instances if self._registry.offerings[i.offering].sample is not None}
        if not services:
            return list(callable_ones.values())
        if len(set(services)) != len(services):
            raise InvalidArgument("services", Text("有重复项", "names a service twice"))
        for service in services:
            if service not in callable_ones:
                known = ", ".join(sorted(callable_ones)) or "–"
                raise InvalidArgument(
                    "services", Text(f"未购买或不可接入：{service}；可选：{known}", f"no {service}; choose of: {known}")
                )
        return [callable_ones[service] for service in services]

    async def _step(self, application: Application, binding: Binding, now: datetime, *, fresh: bool) -> Step | None:
        """`fresh` makes keys and a credential; otherwise placeholders stand where they would be."""
        sample = self._registry.offerings[binding.offering].sample
        if sample is None:
            return None
        is_rfc3161 = sample.get("kind") == "rfc3161"
        operation = self._registry.operation(RFC3161 if is_rfc3161 else str(sample["operation"]))
        request: Mapping[str, Any] = {}
        file, credential = f"{binding.offering}.curlrc", None
        if not is_rfc3161:
            request = await self._filled(application, sample.get("request", {}), now, fresh=fresh)
        if fresh:
            issued, password = await self._applications.issue_credential(
                application.tenant, binding.id, [operation.id], None, now
            )
            credential = credential_config(issued.id, password)
        if is_rfc3161:
            command = timestamp_command(self._url, self._authority, file, str(sample["policy"]))
        else:
            command = request_command(self._url, self._authority, file, operation, request)
        return Step(
            binding=binding.id,
            offering=binding.offering,
            operation=operation.id,
            method=operation.method,
            path=operation.path,
            request=request,
            command=command,
            credential_file=file,
            credential=credential,
        )

    async def _filled(
        self, application: Application, request: Mapping[str, Any], now: datetime, *, fresh: bool
    ) -> dict[str, Any]:
        filled: dict[str, Any] = {}
        for name, value in request.items():
            if not _is_placeholder(value):
                filled[name] = value
            elif fresh:
                filled[name] = await self._resource(application, value, now)
            else:
                filled[name] = application.id if value == "{signer}" else "<key>"
        return filled

    async def _resource(self, application: Application, placeholder: str, now: datetime) -> str:
        """A key or a signer of the application's own."""
        kind, *details = placeholder.strip("{}").split(":")
        if kind == "signer":
            with contextlib.suppress(AlreadyExists):  # of an earlier binding to the service: it still signs
                subject = {"CN": application.name}
                await self._signers.make(
                    application.tenant, name=application.id, subject=subject, application=application.id, at=now
                )
            return application.id
        algorithm, usage = details
        info = await self._keys.create(
            application.tenant, algorithm, usage, label=application.name, owner=application.id
        )
        return info.key

    async def _judge(self, tenant: str, binding: Binding, now: datetime) -> Check:
        last = None
        for record in await self._ledger.records(tenant=tenant, instance=binding.instance, limit=500):
            if record.entry.binding == binding.id:
                last = record
                break
        result = CheckResult.WAITING
        if last is not None:
            result = CheckResult.PASSED if last.entry.outcome == "ok" else CheckResult.FAILED
        return Check(
            id=new_id("chk"),
            tenant=tenant,
            application=binding.application,
            binding=binding.id,
            offering=binding.offering,
            result=result,
            operation=last.entry.operation if last else "",
            code=last.entry.code if last else "",
            seq=last.seq if last else None,
            at=now,
        )


def _is_placeholder(value: object) -> bool:
    return isinstance(value, str) and (value.startswith("{key:") or value == "{signer}")
