"""Fixtures over a real platform, see `tests.platform`; imported only by the tests that use them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.platform import App, RunningPlatform, Tenant

# A loaded machine fails no property: what is measured in seconds says so itself, by its own process's time.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def platform() -> RunningPlatform:
    """One for all tests of this process: add to it, do not break it."""
    from tests.platform import shared

    return shared()


@pytest.fixture(scope="session")
def tenant_a(platform: RunningPlatform) -> Tenant:
    from tests.platform import spec, unique

    return platform.activate(spec(unique("a")))


@pytest.fixture(scope="session")
def tenant_b(platform: RunningPlatform) -> Tenant:
    from tests.platform import spec, unique

    return platform.activate(spec(unique("b")))


@pytest.fixture(scope="session")
def app_a(platform: RunningPlatform, tenant_a: Tenant) -> App:
    return platform.application(tenant_a, "甲的应用")


@pytest.fixture(scope="session")
def app_b(platform: RunningPlatform, tenant_b: Tenant) -> App:
    return platform.application(tenant_b, "乙的应用")


@pytest.fixture
def own_platform() -> Iterator[RunningPlatform]:
    """For a test that kills, fills or restarts."""
    from tests.platform import RunningPlatform

    with RunningPlatform() as running:
        yield running
