"""Onboarding is all or told: what was begun and could not be ended says so, and a repeat is not taken for new."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from miyun.core.errors import InvalidArgument, MachineLocked
from miyun.core.operation import Call, Principal, Role
from miyun.core.tenancy.model import Application
from miyun.edge.assembly import registry
from miyun.offerings.onboarding import messages as m
from miyun.offerings.onboarding.errors import OnboardingIncomplete
from miyun.offerings.onboarding.service import OnboardingService

NOW = datetime(2026, 11, 21, tzinfo=UTC)


class Applications:
    """Registers, and then finds the machine locked."""

    def __init__(self) -> None:
        self.created: list[str] = []

    async def create(self, tenant: str, name: str, now: datetime) -> Application:
        self.created.append(name)
        return Application("app_1", tenant, name, "active", now)

    async def issue_access_key(self, *_: Any) -> Any:
        raise MachineLocked


def service(applications: Applications) -> OnboardingService:
    bought = [SimpleNamespace(id="ins_1", offering="encryption")]
    return OnboardingService(
        store=None,  # type: ignore[arg-type]
        applications=applications,  # type: ignore[arg-type]
        contracts=SimpleNamespace(list_instances=lambda tenant: bought),  # type: ignore[arg-type]
        keys=None,  # type: ignore[arg-type]
        signers=None,  # type: ignore[arg-type]
        registry=registry(),
        ledger=None,  # type: ignore[arg-type]
        url="https://cloud:8600",
        authority="ca.pem",
    )


def call() -> Call:
    return Call(Principal("p", Role.TENANT_SYSTEM, "p", tenant="ten_a"), "req_1", NOW, "zh", tenant="ten_a")


def test_a_service_that_was_not_bought_is_named_before_anything_is_created() -> None:
    applications = Applications()
    with pytest.raises(InvalidArgument) as caught:
        asyncio.run(service(applications).start(call(), m.Start(name="a", services=("timestamp",))))
    assert caught.value.field == "services" and "encryption" in caught.value.message.en
    assert applications.created == []


def test_what_was_begun_says_so_and_is_not_taken_for_nothing() -> None:
    applications = Applications()
    with pytest.raises(OnboardingIncomplete) as caught:
        asyncio.run(service(applications).start(call(), m.Start(name="a")))
    assert applications.created == ["a"]
    assert caught.value.had_effect and "app_1" in caught.value.message.zh
