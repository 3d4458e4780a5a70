"""A machine that waits for its operators: nothing is served by it, everything else says why, nothing is lost."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.platform import DIGEST, RunningPlatform, code, spec

from miyun.client import Unavailable
from miyun.core.operation import Role
from miyun.wire.algorithm import DigestAlgorithm
from miyun.wire.tsp import MessageImprint, PKIStatus, build_request, parse_response

QUERY = build_request(MessageImprint.of(DigestAlgorithm.SHA256, bytes(32)))
CHINESE = re.compile("[\u4e00-\u9fff]")


@pytest.fixture
def shared_root() -> Iterator[RunningPlatform]:
    """Its root key is split among operators."""
    platform = RunningPlatform(environ={"MIYUN_MACHINE__ROOT": "shares"})
    try:
        platform.start(ready=False)
        yield platform
    finally:
        platform.__exit__()


def health(platform: RunningPlatform, *, vsm: str, seconds: float = 60) -> httpx.Response:
    """Waits until /healthz says so of the machine."""
    deadline = time.monotonic() + seconds
    said = "nothing"
    while time.monotonic() < deadline:
        try:
            with platform.http() as http:
                answer = http.get("/healthz")
            said = answer.text
            if answer.json()["parts"]["vsm"] == vsm:
                return answer
        except (httpx.HTTPError, OSError, ValueError):
            pass
        time.sleep(0.1)
    raise AssertionError(f"the machine is not {vsm}: {said}\n{platform.logs()}")


def vsm(platform: RunningPlatform, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "miyun.edge.cli", "vsm", *arguments]
    return subprocess.run(command, env=platform.environ, capture_output=True, text=True, timeout=60, check=False)


def test_a_locked_machine_serves_nothing_until_enough_operators_came(
    shared_root: RunningPlatform, tmp_path: Path
) -> None:
    platform = shared_root
    assert health(platform, vsm="unprovisioned").status_code == 503
    made = vsm(platform, "provision", "--threshold", "2", "--shares", "3", "--out", str(tmp_path / "shares"))
    assert made.returncode == 0, made.stderr
    shares = sorted((tmp_path / "shares").iterdir())
    assert len(shares) == 3 and all(share.stat().st_mode & 0o777 == 0o600 for share in shares)
    platform.wait_ready()

    tenant = platform.activate(spec(code("l")))
    app = platform.application(tenant, services=("timestamp", "encryption"))
    credential = platform.basic(tenant, app, "timestamp", "timestamp.rfc3161")
    security = platform.person(Role.TENANT_SECURITY, tenant)
    with platform.session(security) as session, platform.client(app) as client:
        key = session.call("kms.key.create", algorithm="SM4", usage="encrypt", label="甲", applications=[app.id])["key"]
        ciphertext = client.call("encryption.encrypt", key=key, plaintext=DIGEST)["ciphertext"]
        before = client.call("timestamp.issue", digest=DIGEST, hash_algorithm="SM3")

        killed = platform.kill("vsm-platform")
        while platform.children()["vsm-platform"]["pid"] in (None, killed):
            time.sleep(0.02)
        assert health(platform, vsm="locked").status_code == 503
        for operation, values in (
            ("timestamp.issue", {"digest": DIGEST, "hash_algorithm": "SM3"}),
            ("encryption.decrypt", {"key": key, "ciphertext": ciphertext}),
        ):
            with pytest.raises(Unavailable) as refused:
                client.call(operation, **values)
            assert (refused.value.status, refused.value.code) == (503, "MachineLocked")
            assert refused.value.retry_after
            assert CHINESE.search(refused.value.zh["detail"]) and "locked" in refused.value.en["detail"]
        with pytest.raises(Unavailable):
            session.call("kms.key.create", algorithm="SM4", usage="encrypt", label="乙")
        with platform.http(auth=credential) as http:
            answer = http.post("/tsa/ecdsa", content=QUERY, headers={"content-type": "application/timestamp-query"})
        assert answer.status_code == 503 and int(answer.headers["retry-after"]) > 0
        assert parse_response(answer.content).status == PKIStatus.REJECTION
        assert session.call("kms.key.list")["items"], "what needs no machine goes on"

        one = vsm(platform, "unlock", "--share-file", str(shares[0]))
        assert one.returncode == 1 and "1" in one.stdout + one.stderr
        assert health(platform, vsm="locked").status_code == 503
        again = vsm(platform, "unlock", "--share-file", str(shares[0]))
        assert again.returncode != 0, "one operator twice is not two"
        two = vsm(platform, "unlock", "--share-file", str(shares[2]))
        assert two.returncode == 0, two.stdout + two.stderr
        platform.wait_ready()
        read = client.call("encryption.decrypt", key=key, ciphertext=ciphertext)
        assert read["plaintext"] == DIGEST
        after = client.call("timestamp.issue", digest=DIGEST, hash_algorithm="SM3")
        assert after["serial"] != before["serial"]
        assert [item["label"] for item in session.call("kms.key.list")["items"]] == ["甲"]
    assert platform.verify_journal().problems == []
