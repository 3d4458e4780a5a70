"""The platform as people meet it from a shell: curl and openssl, with nothing of ours."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.platform import App, RunningPlatform, Tenant, spec, unique

from miyun.core.operation import Role

pytestmark = pytest.mark.engine


@pytest.fixture(autouse=True)
def programs() -> None:
    missing = [name for name in ("curl", "openssl") if shutil.which(name) is None]
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"missing: {missing}")
    if missing:
        pytest.skip(f"missing: {missing}")


def shell(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """As typed, all of a pipe having to succeed, without a proxy of this machine."""
    environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=60,
        check=False,
    )


@pytest.fixture
def credential(platform: RunningPlatform, tenant_a: Tenant, app_a: App, tmp_path: Path) -> Path:
    """A curl configuration with a single-purpose credential: nothing secret in argv."""
    username, password = platform.basic(tenant_a, app_a, "timestamp", "timestamp.rfc3161")
    file = tmp_path / "timestamp.curlrc"
    file.touch(mode=0o600)
    file.write_text(f'user = "{username}:{password}"\n')
    return file


@pytest.fixture
def roots(platform: RunningPlatform, tmp_path: Path) -> Path:
    """The published roots, fetched as a stranger would."""
    with platform.http() as http:
        items = http.get("/v1/certificates/authorities").json()["items"]
    file = tmp_path / "roots.pem"
    file.write_text("".join(item["pem"] for item in items if item["role"] == "root"))
    return file


def query(platform: RunningPlatform, policy: str, options: str) -> str:
    return (
        f"openssl ts -query -data data.txt {options} -cert -out query.tsq && "
        f"curl --silent --show-error --fail-with-body --cacert {platform.authority} --config timestamp.curlrc "
        f"--header 'Content-Type: application/timestamp-query' --data-binary @query.tsq "
        f"--output reply.tsr {platform.url}/tsa/{policy}"
    )


@pytest.mark.parametrize("policy", ["ecdsa", "rsa"])
@pytest.mark.parametrize("options", ["-sha256", "-sha512 -no_nonce"])
def test_openssl_verifies_what_curl_fetched(
    platform: RunningPlatform, credential: Path, roots: Path, tmp_path: Path, policy: str, options: str
) -> None:
    (tmp_path / "data.txt").write_text("待加盖时间戳的内容")
    fetched = shell(tmp_path, query(platform, policy, options))
    assert fetched.returncode == 0, fetched.stderr
    verified = shell(tmp_path, f"openssl ts -verify -queryfile query.tsq -in reply.tsr -CAfile {roots}")
    assert verified.returncode == 0 and "Verification: OK" in verified.stdout + verified.stderr, verified.stderr
    (tmp_path / "data.txt").write_text("另一内容")
    assert shell(tmp_path, f"openssl ts -verify -data data.txt -in reply.tsr -CAfile {roots}").returncode != 0


def test_one_pipe_from_query_to_answer(
    platform: RunningPlatform, credential: Path, roots: Path, tmp_path: Path
) -> None:
    (tmp_path / "data.txt").write_text("content")
    done = shell(
        tmp_path,
        "openssl ts -query -data data.txt -sha256 -cert | "
        f"curl --silent --fail --cacert {platform.authority} --config timestamp.curlrc "
        f"--header 'Content-Type: application/timestamp-query' --data-binary @- {platform.url}/tsa/ecdsa"
        " > reply.tsr && "
        f"openssl ts -verify -data data.txt -in reply.tsr -CAfile {roots}",
    )
    assert done.returncode == 0, done.stderr


def test_a_refused_query_is_a_timestamp_response_that_openssl_reads(
    platform: RunningPlatform, credential: Path, tmp_path: Path
) -> None:
    (tmp_path / "data.txt").write_text("content")
    assert shell(tmp_path, query(platform, "ecdsa", "-sha1")).returncode == 0
    read = shell(tmp_path, "openssl ts -reply -in reply.tsr -text")
    assert "Status: Rejected" in read.stdout
    assert "unrecognized or unsupported algorithm identifier" in read.stdout.lower()


def test_without_the_credential_nothing_is_issued(platform: RunningPlatform, tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("content")
    (tmp_path / "timestamp.curlrc").write_text('user = "bc_00000000000000000000000000:wrong"\n')
    done = shell(tmp_path, query(platform, "ecdsa", "-sha256"))
    assert done.returncode == 22  # HTTP error
    assert b"Authentication failed" in (tmp_path / "reply.tsr").read_bytes()


def test_every_command_of_the_wizard_works_as_it_stands(platform: RunningPlatform, tmp_path: Path) -> None:
    """Onboarding ends with a curl for each bound service: saved and run as it is printed."""
    tenant = platform.activate(spec(unique("w")))
    with platform.session(platform.person(Role.TENANT_SYSTEM, tenant)) as client:
        started = client.call("onboarding.start", name="交易平台")
        steps = {step["service"]: step for step in started["steps"]}
        assert set(steps) == {"strong_auth", "signature", "encryption", "timestamp", "ssl_certificate"}
        waiting = client.call("onboarding.check", application=started["application"])
        assert not waiting["passed"]
        for service, step in steps.items():
            folder = tmp_path / service
            folder.mkdir()
            file = folder / step["credential_file"]
            file.touch(mode=0o600)
            file.write_text(step["credential"])
            done = shell(folder, step["command"])
            assert done.returncode == 0, f"{service}: {step['command']}\n{done.stdout}{done.stderr}"
            assert done.stdout
            password = step["credential"].split(":", 1)[1].split('"')[0]
            assert password not in step["command"]
        checked = client.call("onboarding.check", application=started["application"])
        assert checked["passed"], checked
        guide = client.call("onboarding.guide", application=started["application"])
        assert all(step["credential"] is None for step in guide["steps"])  # shown once
        assert client.call("onboarding.count")["counted"] == 5
