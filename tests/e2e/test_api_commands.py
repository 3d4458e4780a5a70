"""The operators' commands against a real platform: what is refused, and offline verification."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.platform import DIGEST, RunningPlatform, spec, unique

pytestmark = pytest.mark.timeout(240)
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def runner(platform: RunningPlatform) -> Run:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "miyun.edge.cli", *arguments]
        return subprocess.run(command, env=platform.environ, capture_output=True, text=True, timeout=120, check=False)

    return run


@pytest.fixture
def passphrase(tmp_path: Path) -> Path:
    file = tmp_path / "passphrase"
    file.write_text("correct horse battery staple\n")
    file.chmod(0o600)
    return file


def test_a_wrong_passphrase_restores_nothing(platform: RunningPlatform, passphrase: Path, tmp_path: Path) -> None:
    run, archive = runner(platform), tmp_path / "platform.miyun"
    assert run("backup", str(archive), "--passphrase-file", str(passphrase)).returncode == 0
    passphrase.write_text("another passphrase entirely\n")
    refused = run("restore", str(archive), "--check", "--passphrase-file", str(passphrase))
    assert refused.returncode == 1 and "ArchiveUnreadable" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_an_altered_journal_is_found_offline(platform: RunningPlatform, tmp_path: Path) -> None:
    tenant = platform.activate(spec(unique("j")))
    with platform.client(platform.application(tenant)) as client:
        client.timestamp.issue(digest=DIGEST, hash_algorithm="SM3")
    run = runner(platform)
    copy = tmp_path / "journal"
    shutil.copytree(platform.home / "journal", copy)
    trust = platform.home / "data" / "trust"
    good = run("audit", "verify", "--journal", str(copy), "--trust", str(trust), "--json")
    assert good.returncode == 0, good.stdout
    assert json.loads(good.stdout)["signatures_checked"] is True
    segment = sorted(copy.glob("*.seg"))[0]
    content = segment.read_bytes()
    segment.write_bytes(content.replace(b"timestamp.issue", b"timestamp.iszue", 1))
    bad = run("audit", "verify", "--journal", str(copy), "--trust", str(trust), "--json")
    assert bad.returncode == 1
    assert json.loads(bad.stdout)["problems"]
