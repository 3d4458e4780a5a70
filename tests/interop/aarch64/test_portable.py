"""The portable core on aarch64: cross-built, and run by an arm64 Python under qemu. It says nothing of speed."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from miyun.gm import selftest

REPOSITORY = Path(__file__).resolve().parents[3]
VECTORS = REPOSITORY.parent / "shared" / "vectors"
NEEDED = ("aarch64-linux-gnu-gcc", "qemu-aarch64-static", "apt-get", "dpkg-deb")


@pytest.mark.engine
@pytest.mark.timeout(900)
def test_every_self_test_and_vector_holds_on_aarch64() -> None:
    missing = [name for name in NEEDED if not shutil.which(name)]
    if missing:
        pytest.fail(f"missing: {missing}") if os.environ.get("CI") == "true" else pytest.skip(f"missing: {missing}")
    folder = [str(VECTORS)] if VECTORS.is_dir() else []
    command = ["bash", "deploy/aarch64.sh", "tests/interop/aarch64/report.py", *folder]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=850, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["machine"] == "aarch64"
    here = [result.name for result in selftest.run()]
    assert report["passed"] == {"portable": here, "openssl": here}
    assert [entry for entry in report["files"] if entry["failed"] or entry["skipped"]] == []
    assert bool(report["files"]) == bool(folder)
