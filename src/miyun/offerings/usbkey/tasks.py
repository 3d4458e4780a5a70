"""Periodic work on USB keys."""

from miyun.core.jobs import Task
from miyun.offerings.usbkey.service import UsbKeyService

TASKS: tuple[Task, ...] = (
    Task("usbkey.remind", 3600, UsbKeyService.remind),
    Task("usbkey.withdraw", 60, UsbKeyService.withdraw),
)
