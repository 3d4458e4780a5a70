"""Periodic work of the timestamp room."""

from __future__ import annotations

from miyun.core.jobs import Task
from miyun.offerings.timestamp.model import MEASURE_EVERY
from miyun.offerings.timestamp.service import TimestampService


async def measure(service: TimestampService) -> None:
    """The clock against its sources, into the drift history."""
    await service.measure()


async def renew(service: TimestampService) -> None:
    """Signing keys that have served their year."""
    await service.authorities.bootstrap()


TASKS = (Task("timestamp.clock", MEASURE_EVERY, measure), Task("timestamp.renew", 3600, renew))
