"""`make up` as a newcomer runs it, on SQLite and on PostgreSQL: the contract is performed and its dossier verifies."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.platform import free_ports
from tests.postgres import cluster

ROOT = Path(__file__).parents[2]
MIYUN = Path(sys.executable).parent / "miyun"


@pytest.fixture(params=["sqlite", "postgresql"])
def surroundings(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """The environment of a fresh installation; whatever happens, its platform is stopped."""
    home = Path(tempfile.mkdtemp(prefix="myup", dir="/tmp"))
    names = [f"MIYUN_SERVER__{name}" for name in ("PORT", "MUTUAL_PORT", "PUBLICATION_PORT")]
    ports = dict(zip(names, map(str, free_ports(3)), strict=True))
    env = {**os.environ, "MIYUN_HOME": str(home / "var"), **ports}
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        if request.param == "postgresql":
            env["MIYUN_DATABASE__DSN"] = stack.enter_context(cluster())
        stack.callback(subprocess.run, [MIYUN, "stop"], env=env, capture_output=True, timeout=90)
        yield env


def rehearse(env: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "miyun.edge.rehearsal"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def dossiers(env: dict[str, str]) -> list[Path]:
    return sorted((Path(env["MIYUN_HOME"]) / "dossiers").iterdir())


def verified(folder: Path) -> dict[str, object]:
    done = subprocess.run(
        [MIYUN, "acceptance", "verify", "--json", str(folder)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.engine
def test_a_newcomer_gets_a_performed_contract_and_a_dossier_that_verifies(surroundings: dict[str, str]) -> None:
    url = f"https://127.0.0.1:{surroundings['MIYUN_SERVER__PORT']}"
    said = rehearse(surroundings)
    assert url in said and "演练" in said
    (folder,) = dossiers(surroundings)
    assert str(folder) in said
    authority = Path(surroundings["MIYUN_HOME"]) / "data" / "listener-ca.pem"
    context = ssl.create_default_context(cafile=str(authority))
    with urllib.request.urlopen(f"{url}/healthz", context=context, timeout=60) as answer:
        assert answer.status == 200
    report = verified(folder)
    assert report["ok"] and report["ready"] and report["rehearsal"]
    contract = json.loads((folder / "evidence/contract/contract.json").read_text("utf-8"))
    assert contract["rehearsal"] and contract["contractual_term"] != contract["effective_term"]
    usage = json.loads((folder / "evidence/usage.json").read_text("utf-8"))["rows"]
    used = {row["meter"] for row in usage if row["units"]}
    assert {"timestamp.tokens", "signature.calls", "encryption.calls", "strong_auth.logins"} <= used

    # a second time: nothing is opened twice, nothing is lost
    first = [Path(p).name for p in (Path(surroundings["MIYUN_HOME"]) / "secrets").iterdir()]
    rehearse(surroundings)
    assert dossiers(surroundings) == [folder]
    again = json.loads((folder / "evidence/usage.json").read_text("utf-8"))["rows"]
    assert sum(row["units"] for row in again) == sum(row["units"] for row in usage)
    assert sorted(first) == sorted(p.name for p in (Path(surroundings["MIYUN_HOME"]) / "secrets").iterdir())

    stopped = subprocess.run([MIYUN, "stop"], env=surroundings, capture_output=True, text=True, timeout=90)
    assert stopped.returncode == 0
    assert not processes_of(surroundings["MIYUN_HOME"])
    assert verified(folder)["ok"], "the dossier verifies without the platform"


def processes_of(home: str) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and home.encode() in (entry / "cmdline").read_bytes():
                found.append(entry.name)
    return found
