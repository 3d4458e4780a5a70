"""A machine that waits for its operators: nothing is served by it, everything else says why, nothing is lost."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.platform import DIGEST, RunningPlatform, spec, unique

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


def miyun(platform: RunningPlatform, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "miyun.edge.cli", *arguments]
    return subprocess.run(command, env=platform.environ, capture_output=True, text=True, timeout=60, check=False)


def status(platform: RunningPlatform) -> str:
    """What the operators' command says of the machine."""
    return str(json.loads(miyun(platform, "status", "--json").stdout)["parts"]["vsm"])


def hold_ceremony(platform: RunningPlatform, folder: Path) -> list[Path]:
    """Provision both machines, so that the set-up can go on; answers the share files of the root CAs' one."""
    made = miyun(platform, "vsm", "provision", "--threshold", "2", "--shares", "3", "--out", str(folder / "shares"))
    assert made.returncode == 0, made.stderr
    assert sorted(map(Path, made.stdout.split())) == sorted((folder / "shares").iterdir())
    held = miyun(platform, "ca", "ceremony", "--threshold", "2", "--shares", "3", "--out", str(folder / "roots"))
    assert held.returncode == 0, held.stderr
    platform.wait_ready()
    return sorted((folder / "roots").iterdir())


def test_a_locked_machine_serves_nothing_until_enough_operators_came(
    shared_root: RunningPlatform, tmp_path: Path
) -> None:
    platform = shared_root
    assert health(platform, vsm="unprovisioned").status_code == 503
    assert status(platform) == "unprovisioned"
    hold_ceremony(platform, tmp_path)
    shares = sorted((tmp_path / "shares").iterdir())
    assert len(shares) == 3 and all(share.stat().st_mode & 0o777 == 0o600 for share in shares)

    tenant = platform.activate(spec(unique("l")))
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

        assert status(platform) == "locked"
        garbled = tmp_path / "garbled"
        garbled.write_text("not a share")
        wrong = miyun(platform, "vsm", "unlock", "--share-file", str(garbled))
        assert wrong.returncode == 1 and "Traceback" not in wrong.stderr
        one = miyun(platform, "vsm", "unlock", "--share-file", str(shares[0]))
        assert one.returncode == 1 and "1" in one.stdout + one.stderr
        assert health(platform, vsm="locked").status_code == 503
        again = miyun(platform, "vsm", "unlock", "--share-file", str(shares[0]))
        assert again.returncode != 0, "one operator twice is not two"
        two = miyun(platform, "vsm", "unlock", "--share-file", str(shares[2]))
        assert two.returncode == 0, two.stdout + two.stderr
        platform.wait_ready()
        read = client.call("encryption.decrypt", key=key, ciphertext=ciphertext)
        assert read["plaintext"] == DIGEST
        after = client.call("timestamp.issue", digest=DIGEST, hash_algorithm="SM3")
        assert after["serial"] != before["serial"]
        assert [item["label"] for item in session.call("kms.key.list")["items"]] == ["甲"]
    assert platform.verify_journal().problems == []


def test_the_root_keys_open_only_for_a_ceremony_of_enough_operators(
    shared_root: RunningPlatform, tmp_path: Path
) -> None:
    platform = shared_root
    health(platform, vsm="unprovisioned")
    miyun(platform, "vsm", "provision", "--out", str(tmp_path / "first"))
    told = miyun(platform, "ca", "status")
    assert told.returncode == 0 and "miyun ca ceremony" in told.stdout
    refused = miyun(platform, "ca", "ceremony")
    assert refused.returncode == 2 and "--out" in refused.stderr

    held = miyun(platform, "ca", "ceremony", "--out", str(tmp_path / "roots"))
    assert held.returncode == 0 and "sm2-root" in held.stdout, held.stderr
    assert not (platform.home / "run" / "vsm-roots.sock").exists()
    platform.wait_ready()
    first, second, _ = sorted((tmp_path / "roots").iterdir())
    alone = miyun(platform, "ca", "ceremony", "--share-file", str(first))
    assert alone.returncode == 1 and "1 more share" in alone.stderr
    other = miyun(platform, "ca", "ceremony", "--share-file", str(tmp_path / "first" / "share-1-of-3.txt"))
    assert other.returncode != 0
    both = miyun(platform, "ca", "ceremony", "--share-file", str(first), "--share-file", str(second))
    assert both.returncode == 0, both.stderr
    assert "a ceremony is due" not in miyun(platform, "ca", "status").stdout


def test_a_revoked_authority_and_its_successor_are_known_in_every_process(
    shared_root: RunningPlatform, tmp_path: Path
) -> None:
    platform = shared_root
    health(platform, vsm="unprovisioned")
    shares = [part for share in hold_ceremony(platform, tmp_path)[:2] for part in ("--share-file", str(share))]
    tenant = platform.activate(spec(unique("ca")))
    app = platform.application(tenant, services=("timestamp",))

    def listed() -> dict[str, dict[str, str]]:
        with platform.http() as http:
            return {item["ca"]: item for item in http.get("/v1/certificates/authorities").json()["items"]}

    with platform.client(app) as client:
        before = client.call("timestamp.issue", digest=DIGEST, hash_algorithm="SM3")["token"]
        why = ("--reason", "key_compromise", "--yes")
        alone = miyun(platform, "ca", "revoke", "sm2-issuing", *why, *shares[:2])
        assert alone.returncode == 1 and "1 more share" in alone.stderr
        assert listed()["sm2-issuing"]["state"] == "active" and "sm2-2-issuing" not in listed()
        done = miyun(platform, "ca", "revoke", "sm2-issuing", *why, *shares)
        assert done.returncode == 0 and "sm2-root" in done.stdout, done.stderr
        for _ in range(6):  # whichever worker answers
            old = listed()["sm2-issuing"]
            assert (old["state"], old["successor"]) == ("revoked", "sm2-2-issuing")
            token = client.call("timestamp.issue", digest=DIGEST, hash_algorithm="SM3")["token"]
            assert client.call("timestamp.verify", token=token, digest=DIGEST)["valid"]
            told = client.call("timestamp.verify", token=before, digest=DIGEST)
            assert [reason["code"] for reason in told["reasons"]] == ["revoked"]
        for path in ("/crl/sm2-2-issuing.crl", "/ca/sm2-2-issuing.cer"):
            with platform.http() as http:
                assert http.get(path).status_code == 200
    again = miyun(platform, "ca", "revoke", "sm2-issuing", *why, *shares)
    assert again.returncode == 1 and "revoked already" in again.stderr
    succeeded = miyun(platform, "ca", "succeed", "ecdsa-issuing", *shares)
    assert succeeded.returncode == 0 and "ecdsa-root" in succeeded.stdout, succeeded.stderr
    rows = {row["ca"]: row for row in json.loads(miyun(platform, "ca", "status", "--json").stdout)}
    assert not any(row["ceremony_due"] for row in rows.values())
    assert (rows["ecdsa-issuing"]["state"], rows["ecdsa-issuing"]["successor"]) == ("succeeded", "ecdsa-2-issuing")
    assert platform.verify_journal().problems == []
