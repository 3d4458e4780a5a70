"""No room on the disk: operations are refused, nothing acknowledged is lost, and it goes on when there is room."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.platform import DIGEST, RunningPlatform, all_pages, spec, unique

from miyun.client import ApiError, Unavailable
from miyun.core.operation import Role

pytestmark = pytest.mark.engine


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 64 MB."""
    folder = Path(tempfile.mkdtemp(prefix="my", dir="/tmp"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m,mode=700", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        folder.rmdir()
        if os.environ.get("CI") == "true" and os.geteuid() == 0 and not Path("/.dockerenv").exists():
            pytest.fail("no file system can be mounted here")
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)
        shutil.rmtree(folder, ignore_errors=True)


def fill(folder: Path) -> Path:
    """Until not one octet more fits."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while file.write(b"\0" * size) == size:
                    pass
            except OSError:
                continue
    return ballast


def test_a_full_disk_refuses_and_forgets_nothing(small_disk: Path) -> None:
    platform = RunningPlatform(home=small_disk, environ={"MIYUN_LEDGER__SEGMENT_BYTES": str(4 << 20)})
    with platform:
        tenant = platform.activate(spec(unique("f")))
        app = platform.application(tenant, services=("timestamp",))
        security = platform.person(Role.TENANT_SECURITY, tenant)
        audit = platform.person(Role.TENANT_AUDIT, tenant)
        serials = []
        with platform.client(app) as client, platform.session(security) as session:
            for _ in range(5):
                serials.append(client.call("timestamp.issue", digest=DIGEST, hash_algorithm="SM3")["serial"])
            key = session.call("kms.key.create", algorithm="SM4", usage="encrypt", label="之前")["key"]
            ballast = fill(small_disk)
            refusals = []
            for _ in range(40):
                try:
                    serials.append(client.call("timestamp.issue", digest=DIGEST, hash_algorithm="SM3")["serial"])
                except ApiError as error:
                    refusals.append(error)
            assert refusals, "the disk is full, and still all was acknowledged"
            for error in refusals:
                assert isinstance(error, Unavailable) and error.status == 503, (error.status, error.code)
                assert error.zh["detail"] and error.en["detail"]
            assert "StorageFull" in {error.code for error in refusals}
            with pytest.raises(Unavailable) as refused:
                session.call("kms.key.create", algorithm="SM4", usage="encrypt", label="期间")
            assert refused.value.status in (503,)

            ballast.unlink()
            deadline = time.monotonic() + 60
            while True:
                try:
                    serials.append(client.call("timestamp.issue", digest=DIGEST, hash_algorithm="SM3")["serial"])
                    break
                except ApiError:
                    assert time.monotonic() < deadline, "there is room again"
                    time.sleep(0.2)
            labels = [item["label"] for item in session.call("kms.key.list")["items"]]
            assert labels == ["之前"] and session.call("kms.key.get", key=key)["state"] == "enabled"
        platform.wait_ready()
        with platform.session(audit) as reader:
            records = [
                r for r in all_pages(reader, "audit.records", operation="timestamp.issue") if r["outcome"] == "ok"
            ]
            recorded = [record["resource"]["serial"] for record in records]
        assert len(set(serials)) == len(serials)
        assert len(set(recorded)) == len(recorded)
        assert set(serials) <= set(recorded)
        assert platform.stop() == {}
        assert platform.verify_journal().problems == []
        for file in (small_disk / "log").glob("web-*.log"):
            assert "Traceback" not in file.read_text("utf-8", "replace")
