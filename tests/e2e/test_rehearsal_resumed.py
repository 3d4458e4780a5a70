"""`make up` that was broken off: the next run uses what the one before did not, and nothing twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.platform import RunningPlatform

from miyun.core.errors import Unavailable
from miyun.edge import rehearsal
from miyun.offerings.onboarding.errors import OnboardingIncomplete
from miyun.offerings.onboarding.service import OnboardingService


@pytest.fixture
def running() -> Iterator[RunningPlatform]:
    with RunningPlatform(workers=1) as platform:
        yield platform


class PowerCut(Exception):
    pass


def perform(platform: RunningPlatform) -> dict[str, Any]:
    return asyncio.run(rehearsal._perform(platform.settings, platform.authority))


def used(report: dict[str, Any]) -> dict[str, int]:
    rows = json.loads((report["dossier"] / "evidence/usage.json").read_text("utf-8"))["rows"]
    totals: dict[str, int] = {}
    for row in rows:
        totals[row["meter"]] = totals.get(row["meter"], 0) + row["units"]
    return totals


def test_a_run_broken_off_before_between_and_amid_the_use_is_finished(
    running: RunningPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:  # amid the onboarding: an application with half its bindings
        step = OnboardingService._step

        async def refuse(self: Any, application: Any, binding: Any, now: Any, *, fresh: bool) -> Any:
            if binding.offering == "encryption":
                raise Unavailable("vsm")
            return await step(self, application, binding, now, fresh=fresh)

        broken.setattr(OnboardingService, "_step", refuse)
        with pytest.raises(OnboardingIncomplete):
            perform(running)
    with monkeypatch.context() as broken:  # between onboarding and use

        async def cut(*_: Any) -> None:
            raise PowerCut

        broken.setattr(rehearsal, "_log_in", cut)
        with pytest.raises(PowerCut):
            perform(running)
    with monkeypatch.context() as broken:  # amid the use: the first service only
        call_services = rehearsal._call_services

        def cut_short(client: Any, steps: list[Any]) -> None:
            call_services(client, [step for step in steps if step.service == "timestamp"])
            raise PowerCut

        broken.setattr(rehearsal, "_call_services", cut_short)
        with pytest.raises(PowerCut):
            perform(running)
    whole = perform(running)
    totals = used(whole)
    assert {"timestamp.tokens", "signature.calls", "encryption.calls", "strong_auth.logins"} <= totals.keys()
    assert totals["timestamp.tokens"] == 1, "what was used is not used again"
    assert used(perform(running)) == totals
