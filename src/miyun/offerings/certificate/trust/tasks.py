"""Periodic work for trust lists; to be run with the `Refresher`."""

from __future__ import annotations

from miyun.core.jobs import Task
from miyun.offerings.certificate.trust.refresh import Refresher

TASKS = (
    Task("certificate.trust.lists", 30, Refresher.lists),
    Task("certificate.trust.answers", 0.5, Refresher.answers),
    Task("certificate.trust.sweep", 3600, Refresher.sweep),
)
