"""Private keys are in the VSM and nowhere else: the memory of every other process and every file are searched."""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
from pathlib import Path

import pytest
from tests.platform import App, RunningPlatform, Tenant, unique

from miyun.core.operation import Role
from miyun.gm import sm2
from miyun.wire.spki import parse_spki, sm2_spki

pytestmark = pytest.mark.engine


@pytest.fixture(autouse=True)
def root() -> None:
    if os.geteuid() != 0:
        if os.environ.get("CI") == "true":
            pytest.fail("reading other processes' memory needs root")
        pytest.skip("reading other processes' memory needs root")


def forms(secret: bytes) -> dict[str, bytes]:
    """The shapes in which a secret of whole octets may lie about."""
    return {
        "raw": secret,
        "reversed": secret[::-1],
        "hex": secret.hex().encode(),
        "HEX": secret.hex().upper().encode(),
        # base64 at any offset in something longer: without the first and last characters that neighbours change
        "base64": base64.b64encode(secret)[:40],
        "base64 + 1": base64.b64encode(b"\0" + secret)[4:40],
        "base64 + 2": base64.b64encode(b"\0\0" + secret)[4:40],
        "decimal": str(int.from_bytes(secret)).encode(),
    }


def in_memory(pid: int, needles: dict[str, bytes]) -> set[str]:
    """Which of the needles are somewhere in the readable memory of a process."""
    found: set[str] = set()
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            if "r" not in rights or "[v" in line:
                continue
            start, end = (int(part, 16) for part in span.split("-"))
            try:
                memory.seek(start)
                content = memory.read(end - start)
            except (OSError, ValueError, OverflowError):
                continue
            found |= {name for name, needle in needles.items() if needle in content}
    return found


def in_files(home: Path, needles: dict[str, bytes]) -> set[tuple[str, str]]:
    files = [file for file in home.rglob("*") if file.is_file() and not file.is_symlink()]
    assert len(files) > 10
    found = set()
    for file in files:
        with contextlib.suppress(FileNotFoundError):  # a temporary one, renamed meanwhile
            content = file.read_bytes()
            found |= {(str(file.relative_to(home)), name) for name, needle in needles.items() if needle in content}
    return found


def test_an_imported_key_that_signs_and_decrypts_is_in_the_vsm_only(
    platform: RunningPlatform, tenant_a: Tenant, app_a: App
) -> None:
    d, plain = sm2.generate_private_key(), secrets.token_bytes(16)
    public = sm2.public_key(d)
    spki = sm2_spki(public)
    with (
        platform.session(platform.person(Role.TENANT_SECURITY, tenant_a)) as security,
        platform.client(app_a) as client,
    ):
        transport = parse_spki(base64.b64decode(security.call("kms.key.transport")["public_key"])).point
        keys = {}
        for name, algorithm, usage, material in (
            ("sign", "SM2", "sign", d), ("decrypt", "SM2", "encrypt", d), ("encrypt", "SM4", "encrypt", plain),
        ):  # fmt: skip
            keys[name] = security.call(
                "kms.key.import",
                algorithm=algorithm,
                usage=usage,
                label="自带",
                enveloped=base64.b64encode(sm2.encrypt(transport, material)).decode(),
                applications=[app_a.id],
            )["key"]
        signer = security.call("signature.signer.create", name=unique("s"), subject={"CN": "签"}, key=keys["sign"])
        assert base64.b64encode(spki) == client.call("kms.key.public", key=keys["sign"])["public_key"].encode()
        for number in range(40):  # both workers work with it
            message = b"%d" % number
            made = client.call("signature.sign", signer=signer["signer"], message=base64.b64encode(message).decode())
            sm2.verify(public, message, base64.b64decode(made["signature"]))
            ciphertext = base64.b64encode(sm2.encrypt(public, message)).decode()
            read = client.call("encryption.sm2.decrypt", key=keys["decrypt"], ciphertext=ciphertext)
            assert base64.b64decode(read["plaintext"]) == message
            client.call("encryption.encrypt", key=keys["encrypt"], plaintext=base64.b64encode(message).decode())
        needles = forms(d) | {f"SM4 {name}": needle for name, needle in forms(plain).items() if len(needle) >= 16}
        pids = platform.pids()
        vsm = pids.pop("vsm-platform")
        assert {"web-0", "web-1", "jobs", "ledger", "listener", "supervisor"} <= set(pids)
        assert in_memory(vsm, needles), "the search finds the keys where they have to be"
        assert any(in_memory(pids[name], {"public": spki[-64:]}) for name in ("web-0", "web-1"))
        for name, pid in pids.items():
            assert in_memory(pid, needles) == set(), name
        assert in_files(platform.home, needles) == set()


def test_a_secret_access_key_is_in_no_file(platform: RunningPlatform, app_a: App) -> None:
    with platform.client(app_a) as client:
        client.call("timestamp.status")
    assert in_files(platform.home, {"secret key": app_a.secret_key.encode()}) == set()


def test_only_the_listener_keeps_a_private_key_in_a_file_and_nobody_else_may_read_it(
    platform: RunningPlatform,
) -> None:
    """The certificate of TLS is not the platform's business identity; its keys are 0600 in a 0700 folder."""
    holding = in_files(platform.home, {"PEM": b"PRIVATE KEY-----"})
    assert {name for name, _ in holding} == {"secrets/listener.key", "secrets/listener-ca.key"}
    for name, _ in holding:
        assert (platform.home / name).stat().st_mode & 0o777 == 0o600
    assert platform.home.stat().st_mode & 0o777 == 0o700
