"""The examples run against a platform, as an application that the wizard onboarded."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.platform import RunningPlatform, spec, unique

from miyun.core.operation import Role

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


@pytest.fixture(scope="session")
def environ(platform: RunningPlatform) -> Mapping[str, str]:
    tenant = platform.activate(spec(unique("x")))
    with platform.session(platform.person(Role.TENANT_SYSTEM, tenant)) as client:
        started = client.call("onboarding.start", name="示例应用")
    return {
        "PATH": os.environ["PATH"],
        "MIYUN_URL": platform.url,
        "MIYUN_AUTHORITY": str(platform.authority),
        "MIYUN_ACCESS_KEY": started["access_key"],
        "MIYUN_SECRET_KEY": started["secret_key"],
    }


def test_the_sdk_signs_and_timestamps(environ: Mapping[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "sdk.py")], env=dict(environ), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("signature ") and "'valid': True" in done.stdout


@pytest.mark.engine
def test_openssl_and_curl_make_a_signed_request(environ: Mapping[str, str]) -> None:
    missing = [program for program in ("curl", "openssl", "bash") if shutil.which(program) is None]
    if missing:
        pytest.fail(f"missing: {missing}") if os.environ.get("CI") == "true" else pytest.skip(f"missing: {missing}")
    command = ["bash", str(EXAMPLES / "sign-with-openssl.sh")]
    done = subprocess.run(command, env=dict(environ), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"token":' in done.stdout
    forged = {**environ, "MIYUN_SECRET_KEY": "0" * 64}
    refused = subprocess.run(command, env=forged, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 22 and "Unauthenticated" in refused.stdout
