"""Processes that are there, take connections, and do nothing: SIGSTOP is what a deadlock looks like from outside."""

from __future__ import annotations

import os
import signal
import time

import pytest
from tests.platform import DIGEST, RunningPlatform, spec, unique

from miyun.edge.supervisor.platform import specs

pytestmark = pytest.mark.timeout(240)
KINDS = ("vsm-platform", "ledger", "jobs", "web-0", "listener")


def test_every_kind_of_process_that_hangs_is_replaced_and_the_platform_serves_on() -> None:
    with RunningPlatform(workers=1, environ={"MIYUN_SERVER__HANGS_AFTER": "3"}) as platform:
        app = platform.application(platform.activate(spec(unique("g"))))
        before = {name: platform.pid(name) for name in KINDS}
        for pid in before.values():
            os.kill(pid, signal.SIGSTOP)
        for name, pid in before.items():
            platform.wait_replaced(name, pid, 120) if name == KINDS[-1] else wait_for_another(platform, name, pid)
        platform.wait_ready()
        children = platform.children()
        assert {name: children[name]["reason"][:4] for name in KINDS} == dict.fromkeys(KINDS, "hung")
        assert {name: children[name]["last_exit"] for name in KINDS} == dict.fromkeys(KINDS, -signal.SIGKILL)
        with platform.client(app, attempts=4) as client:
            assert client.timestamp.issue(digest=DIGEST, hash_algorithm="SM3")["token"]
        assert platform.verify_journal().ok


def wait_for_another(platform: RunningPlatform, name: str, old: int) -> None:
    deadline = time.monotonic() + 120
    while (child := platform.children().get(name)) is None or child["pid"] in (None, old):
        assert time.monotonic() < deadline, f"{name} was not replaced: {platform.logs()}"
        time.sleep(0.1)


def test_a_process_that_works_answers_and_none_is_replaced(platform: RunningPlatform) -> None:
    asked = [child for child in specs(platform.settings) if child.hangs_after]
    assert {child.name for child in asked} >= set(KINDS)
    for child in asked:
        assert child.answers(30), child.name
    noted = (platform.home / "log" / "vsm-platform.log").read_text("utf-8")
    noted += (platform.home / "log" / "ledger.log").read_text("utf-8")
    assert "refused a connection" not in noted and "malformed" not in noted


def test_nobody_is_asked_where_that_is_set(platform: RunningPlatform) -> None:
    settings = RunningPlatform(home=platform.home, environ={"MIYUN_SERVER__HANGS_AFTER": "0"}).settings
    assert not any(child.hangs_after for child in specs(settings))
