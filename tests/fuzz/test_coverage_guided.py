"""Atheris finds its way through every decoder for a while. Only in `make assurance`, where it is installed."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fuzz import other_targets, wire_targets

SECONDS = int(os.environ.get("MIYUN_FUZZ_SECONDS", "15"))
TARGETS = [target.name for target in (*wire_targets.TARGETS, *other_targets.TARGETS)]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not importlib.util.find_spec("atheris"), reason="atheris (dependency group fuzz) is not installed")
@pytest.mark.parametrize("target", TARGETS)
def test_nothing_undocumented_is_raised(target: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz.coverage_guided", target, f"-max_total_time={SECONDS}", "-timeout=10"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
