"""Periodic jobs of contracts; the service is ContractService."""

from __future__ import annotations

from typing import Final

from miyun.core.contracts.service import ContractService
from miyun.core.jobs import Task


async def _end_due(service: ContractService) -> None:
    await service.end_due()


TASKS: Final = (Task("contract.end_due", 600, _end_due),)
