"""Periodic work for evidence; to be run with `Sealing`."""

from __future__ import annotations

from miyun.core.jobs import Task
from miyun.offerings.signature.archive.sealing import Sealing


async def seal(sealing: Sealing) -> None:
    await sealing.seal()


async def renew(sealing: Sealing) -> None:
    await sealing.renew()


TASKS = (Task("signature.evidence.seal", 20, seal), Task("signature.evidence.renew", 3600, renew))
