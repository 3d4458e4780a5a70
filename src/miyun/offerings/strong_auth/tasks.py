"""Periodic work of certificate login."""

from miyun.core.jobs import Task
from miyun.offerings.strong_auth.service import StrongAuthService

TASKS: tuple[Task, ...] = (
    Task("strong_auth.sweep", 300, StrongAuthService.sweep),
    Task("strong_auth.notices", 5, StrongAuthService.tell_clients),
    Task("strong_auth.keys", 3600, StrongAuthService.rotate_signing_keys),
)
