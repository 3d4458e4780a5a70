"""How a contract is performed: its dossier and its service levels."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

from miyun.core.clock import SHANGHAI, Clock
from miyun.core.contracts.model import Contract
from miyun.core.contracts.store import ContractStore
from miyun.core.errors import NotFound
from miyun.core.operation import Call, Reply
from miyun.core.ports import EvidenceSigner, Stamper
from miyun.delivery import messages as m
from miyun.delivery.acceptance.manifest import DossierUnreadable, Manifest, load
from miyun.delivery.performance import Gatherer
from miyun.delivery.service_levels import DEFAULT_AVAILABILITY, availability_target, probe
from miyun.delivery.store import DeliveryStore

log = logging.getLogger("miyun.delivery")
_KEEP_PROBES: Final = timedelta(days=800)
_STARTING_TRIES: Final = 20
_STARTING_SECONDS: Final = 2.0
_TYPES: Final = {
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".json": "application/json",
}


class DeliveryService:
    """`dossiers`: the folder that holds one dossier per contract. `ask` probes the platform's own address."""

    def __init__(
        self,
        *,
        contracts: ContractStore,
        store: DeliveryStore,
        gatherer: Gatherer,
        signer: EvidenceSigner,
        stamper: Stamper,
        clock: Clock,
        dossiers: Path,
        ask: Callable[[], Awaitable[tuple[bool, int, str]]],
    ) -> None:
        self._contracts = contracts
        self._store = store
        self._gatherer = gatherer
        self._signer = signer
        self._stamper = stamper
        self._clock = clock
        self._dossiers = dossiers
        self._ask = ask
        self._has_answered = False  # since this process began

    async def list_dossiers(self, call: Call, request: m.Nothing) -> m.DossierList:
        contracts = await asyncio.to_thread(self._contracts.list_contracts, call.require_tenant())
        return m.DossierList(items=[self._view(contract) for contract in contracts])

    async def build(self, call: Call, request: m.ContractName) -> m.DossierView:
        contract = await self._contract(call.require_tenant(), request.contract)
        call.resource["contract"] = contract.id
        manifest = await self.build_for(contract)
        call.detail.update(ready=manifest.ready, items=len(manifest.items))
        return self._view(contract)

    async def build_for(self, contract: Contract, progress: Callable[[str], None] = lambda _path: None) -> Manifest:
        """Also called by `miyun acceptance build`."""
        from miyun.delivery.acceptance.build import build_dossier  # with all that writes papers

        facts = await self._gatherer.facts(contract)
        return await build_dossier(
            facts, self.folder(contract.id), signer=self._signer, stamper=self._stamper, progress=progress
        )

    async def file(self, call: Call, request: m.FileName) -> Reply:
        """One listed file; what the manifest does not list is not served."""
        contract = await self._contract(call.require_tenant(), request.contract)
        try:
            manifest, _ = load(self.folder(contract.id))
        except DossierUnreadable as error:
            raise NotFound("dossier", contract.id) from error
        if request.path not in {item.path for item in manifest.items}:
            raise NotFound("file", request.path, field="path")
        path = self.folder(contract.id) / request.path
        content = await asyncio.to_thread(path.read_bytes)
        return Reply(content, _TYPES.get(path.suffix, "application/octet-stream"))

    async def levels(self, call: Call, request: m.Nothing) -> m.Levels:
        local = call.now.astimezone(SHANGHAI)
        start = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        measured = await asyncio.to_thread(self._gatherer.availability, start, call.now)
        contracts = await asyncio.to_thread(self._contracts.list_contracts, call.tenant) if call.tenant else []
        targets = [availability_target(json.loads(contract.document)["contract"]) for contract in contracts]
        # The strictest target that is written down; the default only where no contract names one.
        target, contractual = max((t for t in targets if t[1]), default=(DEFAULT_AVAILABILITY, False))
        return m.Levels(
            start=start,
            end=call.now,
            target=str(target),
            contractual=contractual,
            observed_minutes=measured.observed,
            unobserved_minutes=measured.unobserved,
            down_minutes=measured.down,
            percent=str(measured.percent) if measured.percent is not None else None,
            outages=[{"began": o.began, "ended": o.ended, "code": o.code} for o in measured.outages],
        )

    async def observe(self) -> None:
        """Task: one probe a minute. While the node is still starting, a refusal is no outage: it asks again."""
        for _ in range(_STARTING_TRIES):
            found = await probe(self._clock.now(), self._ask)
            if found.ok or self._has_answered:
                break
            await asyncio.sleep(_STARTING_SECONDS)
        self._has_answered = self._has_answered or found.ok
        self._store.add_probe(found)

    async def forget(self) -> None:
        """Task: probes older than the retention."""
        self._store.forget_probes(self._clock.now() - _KEEP_PROBES)

    def folder(self, contract: str) -> Path:
        return self._dossiers / contract

    async def _contract(self, tenant: str, contract: str) -> Contract:
        found = await asyncio.to_thread(self._contracts.contract, contract, tenant)
        if found is None:
            raise NotFound("contract", contract)
        return found

    def _view(self, contract: Contract) -> m.DossierView:
        folder = self.folder(contract.id)
        manifest: Manifest | None = None
        if folder.exists():
            try:
                manifest, _ = load(folder)
            except DossierUnreadable as error:
                log.warning("dossier of %s: %s", contract.id, error)
        return m.DossierView(
            contract=contract.id,
            title=contract.title,
            rehearsal=contract.rehearsal,
            built=manifest is not None,
            ready=manifest is not None and manifest.ready,
            generated_at=manifest.generated_at if manifest else None,
            path=str(folder),
            files=[
                m.DossierFile(path=i.path, title=i.title, clause=i.clause, size=i.size, sm3=i.sm3)
                for i in (manifest.items if manifest else [])
            ],
            missing=[
                m.DossierMissing(path=i.path, title=i.title, clause=i.clause, reason=i.reason)
                for i in (manifest.missing if manifest else [])
            ],
        )
