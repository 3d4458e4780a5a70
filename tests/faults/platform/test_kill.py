"""kill -9 of every process under load: what was acknowledged is there, nothing happens twice.

FAULT_ROUNDS says how often each is killed: 3 in CI, 20 in `make assurance`.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator

import pytest
from tests.faults.platform.load import Load
from tests.platform import RunningPlatform, spec, unique

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "3"))
BEFORE_BACKOFF = 4  # kills; the supervisor takes more of them in a row for a crash loop and waits

pytestmark = pytest.mark.timeout(180 + 60 * ROUNDS)


@pytest.fixture(scope="module")
def load() -> Iterator[Load]:
    with RunningPlatform() as platform:
        tenant = platform.activate(spec(unique("k"), capacity=1_000_000))
        yield Load(platform, tenant, platform.application(tenant, services=("timestamp", "signature")))


@pytest.mark.parametrize("name", ["vsm-platform", "ledger", "web-1"])
def test_a_killed_process_loses_and_repeats_nothing(load: Load, name: str) -> None:
    platform = load.platform
    for number in range(ROUNDS):
        if number and number % BEFORE_BACKOFF == 0:
            assert platform.stop() == {}
            platform.start()
        load.begin()
        try:
            load.flow()
            time.sleep(random.uniform(0, 0.5))
            killed = platform.kill(name)
            platform.wait_replaced(name, killed)
            load.flow(1)
        finally:
            load.end()
        load.settle()
    load.repeat_some(5)
    load.check()
    assert platform.verify_journal().problems == []


def test_a_killed_platform_loses_and_repeats_nothing(load: Load) -> None:
    platform = load.platform
    for _ in range(ROUNDS):
        load.begin()
        try:
            load.flow()
            time.sleep(random.uniform(0, 0.5))
            platform.kill_everything()
        finally:
            load.end()
        report = platform.verify_journal()
        assert report.problems == []
        platform.start()
        load.settle()
    load.repeat_some(5)
    load.check()
    assert platform.verify_journal().problems == []
