"""Start, stop, start again; backup, loss of the machine, restore on an empty one."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.platform import DIGEST, App, RunningPlatform, Tenant, spec, unique

from miyun.client import Client
from miyun.core.ledger.port import Head
from miyun.core.operation import Role
from miyun.edge.assembly import Platform
from miyun.gm import sm2
from miyun.wire.spki import parse_spki

SECRET = base64.b64encode("机密".encode()).decode()
AAD = base64.b64encode(b"row 7").decode()


def cli(platform: RunningPlatform, *arguments: str, succeeds: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "miyun.edge.cli", *arguments],
        env=platform.environ,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    if succeeds:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


def head(platform: RunningPlatform) -> Head:
    async def ask(inside: Platform) -> Head:
        return await inside.ledger.head()

    return platform.inside(ask)


class Memory:
    """What a tenant left behind, to be found again."""

    def __init__(self, platform: RunningPlatform) -> None:
        self.tenant: Tenant = platform.activate(spec(unique("m")))
        self.app: App = platform.application(self.tenant)
        self.seat = platform.person(Role.TENANT_SECURITY, self.tenant)
        self.audit = platform.person(Role.TENANT_AUDIT, self.tenant)
        with platform.session(self.seat) as security, platform.client(self.app) as client:
            mine = {"applications": [self.app.id]}
            self.key = security.call("kms.key.create", algorithm="SM4", usage="encrypt", label="人事", **mine)["key"]
            self.ciphertext = self.encrypt(client)
            security.call("kms.key.rotate", key=self.key)
            self.newer = self.encrypt(client)
            self.signer: dict[str, Any] = security.call(
                "signature.signer.create", name="approval", subject={"CN": "审批"}, **mine
            )
            self.public = parse_spki(
                base64.b64decode(client.call("kms.key.public", key=self.signer["key"])["public_key"])
            ).point
            self.asked = {"digest": DIGEST, "hash_algorithm": "SM3", "idempotency_key": "before-the-loss"}
            self.token = client.call("timestamp.issue", **self.asked)

    def encrypt(self, client: Client) -> str:
        made = client.call("encryption.encrypt", key=self.key, plaintext=SECRET, associated_data=AAD)
        return str(made["ciphertext"])

    def check(self, platform: RunningPlatform) -> None:
        """The same keys, answers and people as before."""
        with platform.client(self.app) as client, platform.session(self.seat) as security:
            for ciphertext in (self.ciphertext, self.newer):
                read = client.call("encryption.decrypt", key=self.key, ciphertext=ciphertext, associated_data=AAD)
                assert read["plaintext"] == SECRET
            made = client.call("signature.sign", signer="approval", message=SECRET)
            sm2.verify(self.public, base64.b64decode(SECRET), base64.b64decode(made["signature"]))
            assert made["certificate_serial"] == self.signer["certificate_serial"]
            assert client.call("timestamp.verify", token=self.token["token"], digest=DIGEST)["valid"]
            assert client.call("timestamp.issue", **self.asked) == self.token, "same idempotency, same answer"
            later = client.call("timestamp.issue", digest=DIGEST, hash_algorithm="SM3")
            assert int(later["serial"], 16) != int(self.token["serial"], 16)
            assert [item["version"] for item in security.call("kms.key.versions", key=self.key)["items"]]
            listed = security.call("certificate.list")["items"]
            assert int(self.signer["certificate_serial"], 16) in {int(item["serial"], 16) for item in listed}
        with platform.session(self.audit) as audit:
            statement = audit.call("usage.statement", contract=self.tenant.contract)
            [line] = [line for line in statement["lines"] if line["meter"] == "timestamp.tokens"]
            assert line["units"] >= 2


@pytest.fixture(scope="module")
def lived() -> Iterator[tuple[RunningPlatform, Memory]]:
    with RunningPlatform(environ={"MIYUN_LEDGER__ANCHOR_SECONDS": "1"}) as platform:
        yield platform, Memory(platform)


def test_a_restart_keeps_everything(lived: tuple[RunningPlatform, Memory]) -> None:
    platform, memory = lived
    before = head(platform)
    assert platform.stop() == {}
    platform.start()
    after = head(platform)
    assert after.size >= before.size
    memory.check(platform)
    assert platform.verify_journal().problems == []


def test_anyone_verifies_the_journal_offline_and_sees_what_was_altered(
    lived: tuple[RunningPlatform, Memory], tmp_path: Path
) -> None:
    platform, _ = lived
    journal, deadline = tmp_path / "journal", time.monotonic() + 60
    while True:  # anchors come by themselves
        shutil.rmtree(journal, ignore_errors=True)
        shutil.copytree(platform.home / "journal", journal)
        report = json.loads(cli(platform, "audit", "verify", "--journal", str(journal), "--json").stdout)
        if report["anchored"] > 50 or time.monotonic() > deadline:
            break
    assert report["anchors"] > 0 and report["signatures_checked"] and report["anchored"] > 50, report
    segment = sorted(file for file in journal.iterdir() if file.is_file() and file.stat().st_size > 10_000)[0]
    content = bytearray(segment.read_bytes())
    place = content.index(b"timestamp.issue")
    content[place : place + 15] = b"timestamp.verif"
    segment.write_bytes(content)
    altered = cli(platform, "audit", "verify", "--journal", str(journal), "--json", succeeds=False)
    assert altered.returncode == 1
    assert "altered" in altered.stdout


def test_a_second_start_changes_nothing(lived: tuple[RunningPlatform, Memory]) -> None:
    platform, memory = lived
    before = platform.pids()
    foreground = cli(platform, "serve", "--foreground", succeeds=False)
    assert foreground.returncode != 0 and str(platform.pid("supervisor")) in foreground.stdout + foreground.stderr
    detached = cli(platform, "serve", "--detach")
    assert "running" in detached.stdout, "already running is no failure"
    cli(platform, "status")
    assert platform.pids() == before
    passwords = {file.name: file.read_text() for file in (platform.home / "secrets").glob("first-login-*")}
    assert set(passwords) >= {"first-login-system.txt", "first-login-security.txt", "first-login-audit.txt"}
    memory.check(platform)


def test_stopping_leaves_nothing_running(own_platform: RunningPlatform) -> None:
    """By the command; by SIGTERM above."""
    platform = own_platform
    pids = platform.pids()
    assert len(pids) >= 7 and platform.process is not None
    cli(platform, "stop")
    platform.process.wait(60)
    assert "did not stop" not in (platform.home / "log" / "supervisor.log").read_text("utf-8"), "one had to be killed"
    assert platform.process is not None and platform.process.returncode == 0
    for pid in pids.values():
        assert not Path(f"/proc/{pid}").exists()
    assert not _processes_with(str(platform.home)), "a process of this home still runs"
    for path in (platform.home / "run").glob("*.sock"):
        with socket.socket(socket.AF_UNIX) as probe, pytest.raises(OSError):
            probe.connect(str(path))
    with socket.socket() as probe, pytest.raises(OSError):
        probe.connect(("127.0.0.1", platform.port))
    assert "Not running" in cli(platform, "stop").stdout
    assert cli(platform, "status", succeeds=False).returncode == 4


def _processes_with(text: str) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            except OSError:
                continue
            if text in line:
                found.append(line)
    return found


def test_what_was_backed_up_comes_back_on_an_empty_machine(lived: tuple[RunningPlatform, Memory]) -> None:
    platform, memory = lived
    away = Path(tempfile.mkdtemp(prefix="my", dir="/tmp"))
    try:
        archive, passphrase = away / "platform.backup", away / "passphrase"
        passphrase.touch(mode=0o600)
        passphrase.write_text("a passphrase of several words")
        before = head(platform)
        cli(platform, "backup", str(archive), "--passphrase-file", str(passphrase))
        content = archive.read_bytes()
        for hidden in (b"PRIVATE KEY", memory.app.access_key.encode(), b"SQLite format"):
            assert hidden not in content
        cli(platform, "restore", str(archive), "--check", "--passphrase-file", str(passphrase))
        refused = cli(platform, "restore", str(archive), "--passphrase-file", str(passphrase), succeeds=False)
        assert refused.returncode == 1, "a running platform is not written over"

        platform.kill_everything()  # the machine is lost, with its home
        shutil.rmtree(platform.home)
        wrong = away / "wrong"
        wrong.write_text("another passphrase")
        restored = RunningPlatform(home=platform.home, port=platform.port)
        assert cli(restored, "restore", str(archive), "--passphrase-file", str(wrong), succeeds=False).returncode
        assert not (restored.home / "data" / "miyun.db").exists()
        cli(restored, "restore", str(archive), "--passphrase-file", str(passphrase))
        with restored:
            report = restored.verify_journal()
            assert report.problems == [] and report.records >= before.size
            memory.check(restored)
            assert head(restored).size > before.size  # the chain goes on
            cli(restored, "audit", "verify")
            assert restored.verify_journal().problems == []
    finally:
        shutil.rmtree(away, ignore_errors=True)
