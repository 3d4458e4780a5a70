"""No time tells of a secret: Welch's t-test over a million traces an operation, on the portable core and on the engine
that serves here. Not in CI: what runs beside it on the machine is in its figures.

|t| beyond 4.5 by chance is rare but happens among a hundred crops and neighbours; a leak shows in every repetition, and
grows with the traces. So an operation is judged leaky when three runs in a row exceed the limit.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from tests.assurance.native import HERE, Builder

from miyun.gm.providers import providers

TRACES = int(os.environ.get("MIYUN_TIMING_TRACES", "1000000"))
LIMIT = 4.5
RUNS = 3
ENGINES = tuple(dict.fromkeys(("portable", next(p.name for p in providers() if p.name != "openssl"))))
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def driver(native: Builder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return native.program(HERE / "timing.c", tmp_path_factory.mktemp("timing") / "timing")


def leaks(driver: Path, test: str, engine: str, traces: int) -> bool:
    for number in range(RUNS):
        ran = subprocess.run([str(driver), test, str(traces), engine], capture_output=True, text=True, check=True)
        t = json.loads(ran.stdout)["t"]
        print(f"{test} on {engine}, run {number + 1}: {traces} traces, |t| = {t}")
        if t <= LIMIT:
            return False
    return True


@pytest.mark.parametrize("test", ["leaky mac", "leaky sign"])
def test_a_leak_is_found(driver: Path, test: str) -> None:
    assert leaks(driver, test, "portable", min(TRACES, 100_000))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("test", ["sign key", "sign nonce", "decrypt", "mac", "gcm tag"])
def test_time_does_not_tell_of_the_secret(driver: Path, test: str, engine: str) -> None:
    assert not leaks(driver, test, engine, TRACES)
