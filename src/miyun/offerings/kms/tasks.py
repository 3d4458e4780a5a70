"""Periodic work of the key management room."""

from __future__ import annotations

from miyun.core.jobs import Task
from miyun.offerings.kms.service import KmsService


async def rotate_due(service: KmsService) -> None:
    """Keys whose rotation period is over get a new version."""
    await service.lifecycle.rotate_due()


async def destroy_due(service: KmsService) -> None:
    """Keys whose waiting time is over are erased, and the ledger is told."""
    await service.lifecycle.destroy_due()


TASKS = (Task("kms.rotate", 600, rotate_due), Task("kms.destroy", 600, destroy_due))
