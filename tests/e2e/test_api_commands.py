"""The operators' commands against a real platform: locked machine, backup and restore, offline verification."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.platform import DIGEST, RunningPlatform, spec, unique

from miyun.edge.supervisor.child import started_ticks

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


def test_a_machine_of_shares_is_provisioned_locked_by_a_crash_and_unlocked(tmp_path: Path) -> None:
    platform = RunningPlatform(workers=1, environ={"MIYUN_MACHINE__ROOT": "shares"})
    try:
        platform.start(ready=False)
        run = runner(platform)
        until(lambda: parts(run).get("vsm") == "unprovisioned")
        made = run("vsm", "provision", "--threshold", "2", "--shares", "3", "--out", str(tmp_path / "shares"))
        assert made.returncode == 0, made.stderr
        files = [Path(line) for line in made.stdout.split()]
        assert [file.stat().st_mode & 0o777 for file in files] == [0o600] * 3
        held = run("ca", "ceremony", "--out", str(tmp_path / "roots"))
        assert held.returncode == 0, held.stderr
        platform.wait_ready()

        platform.kill("vsm-platform")
        until(lambda: parts(run).get("vsm") == "locked")
        one = run("vsm", "unlock", "--share-file", str(files[0]))
        assert one.returncode == 1
        garbled = tmp_path / "garbled"
        garbled.write_text("not a share")
        wrong = run("vsm", "unlock", "--share-file", str(garbled))
        assert wrong.returncode == 1 and "Traceback" not in wrong.stderr
        assert run("vsm", "unlock", "--share-file", str(files[2])).returncode == 0
        platform.wait_ready()
    finally:
        platform.__exit__()


def until(holds: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)


def parts(run: Run) -> dict[str, str]:
    found: dict[str, str] = json.loads(run("status", "--json").stdout)["parts"]
    return found


def test_what_was_backed_up_comes_back_on_an_empty_machine(
    own_platform: RunningPlatform, passphrase: Path, tmp_path: Path
) -> None:
    tenant = own_platform.activate(spec(unique("r")))
    app = own_platform.application(tenant)
    asked = {"digest": DIGEST, "hash_algorithm": "SM3", "idempotency_key": "before-the-backup"}
    with own_platform.client(app) as client:
        before = client.timestamp.issue(**asked)
    run, archive = runner(own_platform), tmp_path / "platform.miyun"
    made = run("backup", str(archive), "--passphrase-file", str(passphrase))
    assert made.returncode == 0, made.stderr
    assert run("restore", str(archive), "--check", "--passphrase-file", str(passphrase)).returncode == 0
    running = run("restore", str(archive), "--passphrase-file", str(passphrase))
    assert running.returncode == 1, "a running platform is not overwritten"

    own_platform.stop()
    shutil.rmtree(own_platform.home)
    restored = run("restore", str(archive), "--passphrase-file", str(passphrase))
    assert restored.returncode == 0, restored.stderr
    own_platform.start()
    with own_platform.client(app) as client:
        assert client.timestamp.issue(**asked) == before, "same credential, same idempotency, same answer"
        assert client.timestamp.issue(digest=DIGEST, hash_algorithm="SM3")["serial"] != before["serial"]
    assert run("audit", "verify").returncode == 0


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


def test_stop_leaves_nothing_and_a_second_start_keeps_everything(own_platform: RunningPlatform) -> None:
    run = runner(own_platform)
    pids = own_platform.pids()
    assert run("serve", "--detach").returncode == 0, "already running is no failure"
    assert own_platform.pids() == pids
    assert run("stop").returncode == 0
    assert all(started_ticks(pid) is None for pid in pids.values())
    assert run("stop").returncode == 0
    own_platform.start()
    assert run("status").returncode == 0
