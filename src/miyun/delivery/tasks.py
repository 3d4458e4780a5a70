"""Periodic work of delivery."""

from typing import Final

from miyun.core.jobs import Task
from miyun.delivery.service import DeliveryService

TASKS: Final = (
    Task("delivery.probe", 60, DeliveryService.observe),
    Task("delivery.forget_probes", 86400, DeliveryService.forget),
)
