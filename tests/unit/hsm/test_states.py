"""unprovisioned → locked → operational, failed, and the way of the root into a backup and back."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.vsm import OWN_USER, Vsm

from miyun.gm.errors import SelfTestFailed
from miyun.hsm import errors
from miyun.hsm.port import KeyAlgorithm, KeyBinding, MachineState
from miyun.hsm.soft.home import Home, KeyFile
from miyun.hsm.soft.process import main
from miyun.hsm.soft.vault import UnknownHandle, Vault
from miyun.hsm.soft.wrapping import handle_of

BINDING = KeyBinding("ten_a", "key_1", 1, "enabled")
PASSPHRASE = "correct horse battery"


def test_shares_provision_and_unlock_after_a_restart() -> None:
    async def before(vsm: Vsm) -> Any:
        machine = vsm.machine()
        assert (await machine.status()).state is MachineState.UNPROVISIONED
        with pytest.raises(errors.MachineLocked):
            await machine.generate(KeyAlgorithm.SM4, BINDING)
        shares = await machine.provision(2, 3)
        assert (await machine.status()).state is MachineState.OPERATIONAL
        key = await machine.generate(KeyAlgorithm.HMAC_SM3, BINDING)
        mac = await machine.mac(key, [b"m"])
        await machine.aclose()
        return shares, key, mac

    async def after(vsm: Vsm, shares: list[str], key: Any, mac: list[bytes]) -> None:
        machine = vsm.machine()
        status = await machine.status()
        assert (status.state, status.root, status.shares_missing) == (MachineState.LOCKED, "2 of 3 shares", 2)
        for request in (machine.mac(key, [b"m"]), machine.random(8), machine.derive("session", b"x")):
            with pytest.raises(errors.MachineLocked):
                await request
        assert await machine.submit_share(shares[2]) == 1
        assert await machine.submit_share(shares[2]) == 1, "the same share twice counts once"
        with pytest.raises(errors.InvalidRequest):
            await machine.submit_share(shares[0][:-1] + ("0" if shares[0][-1] != "0" else "1"))
        assert await machine.submit_share(" " + shares[0] + "\n") == 0
        assert await machine.mac(key, [b"m"]) == mac
        await machine.lock()
        with pytest.raises(errors.MachineLocked):
            await machine.mac(key, [b"m"])
        await machine.aclose()

    with Vsm(root="shares") as vsm:
        shares, key, mac = asyncio.run(before(vsm))
        assert len(shares) == 3
        assert vsm.stop() == 0
        assert not any(share in vsm.log for share in shares)
        assert not (vsm.home / "secrets").exists()
        vsm.start()
        asyncio.run(after(vsm, shares, key, mac))


def test_shares_of_another_machine_do_not_unlock() -> None:
    async def scene(one: Vsm, other: Vsm) -> None:
        first, second = one.machine(), other.machine()
        await first.provision(2, 2)
        shares = await second.provision(2, 2)
        await first.lock()
        await first.submit_share(shares[0])
        with pytest.raises(errors.InvalidRequest):
            await first.submit_share(shares[1])
        assert (await first.status()).state is MachineState.LOCKED
        await first.aclose()
        await second.aclose()

    with Vsm(root="shares") as one, Vsm(root="shares") as other:
        asyncio.run(scene(one, other))


def test_the_key_file_is_private_and_says_what_it_is() -> None:
    with Vsm() as vsm:
        asyncio.run(_use(vsm))
        path = vsm.home / "secrets" / "vsm-root.key"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "DEVELOPMENT" in path.read_text("utf-8") and "开发" in path.read_text("utf-8")
        root = path.read_text("utf-8").split()[-1]
        state = (vsm.home / "data" / "vsm-platform" / "vsm.json").read_text("utf-8")
        assert root not in state and root not in vsm.log
        assert stat.S_IMODE(vsm.socket.stat().st_mode) == 0o660
        assert stat.S_IMODE((vsm.home / "data" / "vsm-platform").stat().st_mode) == 0o700


async def _use(vsm: Vsm) -> Any:
    machine = vsm.machine()
    key = await machine.generate(KeyAlgorithm.HMAC_SM3, BINDING)
    mac = await machine.mac(key, [b"m"])
    token = await machine.derive("session", b"x")
    transport = await machine.transport_key()
    blob = await machine.export_root(PASSPHRASE)
    with pytest.raises(errors.InvalidRequest):
        await machine.export_root("short")
    await machine.aclose()
    return key, mac, token, transport, blob


def test_a_backup_brings_the_same_keys_to_an_empty_machine(tmp_path: Path) -> None:
    async def check(vsm: Vsm, key: Any, mac: Any, token: Any, transport: Any) -> None:
        machine = vsm.machine()
        assert await machine.mac(key, [b"m"]) == mac
        assert await machine.derive("session", b"x") == token
        assert await machine.transport_key() == transport
        await machine.aclose()

    with Vsm() as vsm:
        *facts, blob = asyncio.run(_use(vsm))
    backup = tmp_path / "root.backup"
    backup.write_bytes(blob)
    fresh = Vsm()
    try:
        assert _restore(fresh, backup, "not the passphrase") == 1
        assert _restore(fresh, backup, PASSPHRASE) == 0
        assert _restore(fresh, backup, PASSPHRASE) == 1, "a machine with a root keeps it"
        fresh.start()
        asyncio.run(check(fresh, *facts))
    finally:
        fresh.__exit__()


def _restore(vsm: Vsm, backup: Path, passphrase: str) -> int:
    read, write = os.pipe()
    os.write(write, passphrase.encode())
    os.close(write)
    arguments = ["--home", str(vsm.home), "--restore", str(backup), "--passphrase-fd", str(read)]
    with os.fdopen(read):
        return subprocess.run([sys.executable, "-m", "miyun.hsm.soft", *arguments], pass_fds=(read,)).returncode


def test_a_backup_of_a_shared_root_is_restored_over_the_socket() -> None:
    async def scene(old: Vsm, new: Vsm) -> None:
        first, second = old.machine(), new.machine()
        shares = await first.provision(2, 2)
        key = await first.generate(KeyAlgorithm.HMAC_SM3, BINDING)
        blob = await first.export_root(PASSPHRASE)
        with pytest.raises(errors.DecryptionFailed):
            await second.restore_root(blob, "not the passphrase")
        with pytest.raises(errors.DecryptionFailed):
            await second.restore_root(blob[:-1] + bytes((blob[-1] ^ 1,)), PASSPHRASE)
        with pytest.raises(errors.InvalidRequest):
            await second.restore_root(b"nonsense", PASSPHRASE)
        await second.restore_root(blob, PASSPHRASE)
        assert await second.mac(key, [b"m"]) == await first.mac(key, [b"m"])
        await second.lock()
        assert await second.submit_share(shares[0]) == 1
        assert await second.submit_share(shares[1]) == 0
        await first.aclose()
        await second.aclose()

    with Vsm(root="shares") as old, Vsm(root="shares") as new:
        asyncio.run(scene(old, new))


def test_a_failed_self_test_refuses_service(tmp_path: Path) -> None:
    def broken() -> None:
        raise SelfTestFailed("sm2.sign")

    keyfile = KeyFile(tmp_path / "root.key")
    vault = Vault(name="t", home=Home(tmp_path / "vsm"), keyfile=keyfile, run_self_test=broken)
    vault.open(provision=True)
    assert vault.state is MachineState.FAILED
    assert "sm2.sign" in vault.self_test
    assert keyfile.read() is None
    for request in (
        lambda: vault.generate(KeyAlgorithm.SM4, BINDING),
        lambda: vault.derive("session", b"", 32),
        lambda: vault.provision(2, 2),
        vault.require_operational,
    ):
        with pytest.raises(errors.MachineFailed):
            request()


def test_a_key_file_of_another_machine_is_refused(tmp_path: Path) -> None:
    first = Vault(name="t", home=Home(tmp_path / "vsm"), keyfile=KeyFile(tmp_path / "root.key"))
    first.open(provision=True)
    other = KeyFile(tmp_path / "other.key")
    other.write(bytes(32))
    second = Vault(name="t", home=Home(tmp_path / "vsm"), keyfile=other)
    with pytest.raises(errors.InvalidRequest):
        second.open(provision=True)


def test_a_crash_between_key_file_and_state_is_made_good(tmp_path: Path) -> None:
    keyfile = KeyFile(tmp_path / "root.key")
    keyfile.write(bytes(range(32)))
    vault = Vault(name="t", home=Home(tmp_path / "vsm"), keyfile=keyfile)
    vault.open(provision=True)
    assert vault.state is MachineState.OPERATIONAL
    assert keyfile.read() == bytes(range(32))


def test_keys_that_are_put_away_are_overwritten_and_come_back_with_their_wrapping(tmp_path: Path) -> None:
    vault = Vault(name="t", home=Home(tmp_path / "v"), keyfile=KeyFile(tmp_path / "k"), max_open_keys=2)
    vault.open(provision=True)
    keys = [vault.generate(KeyAlgorithm.SM4, KeyBinding("t", f"k{n}", 1, "enabled")) for n in range(3)]
    opened = [vault.use(handle_of(key), key) for key in keys]
    vault.wipe_retired()
    assert opened[0].secret == bytes(16) and any(opened[2].secret)
    with pytest.raises(UnknownHandle):
        vault.use(handle_of(keys[0]), None)
    assert any(vault.use(handle_of(keys[0]), keys[0]).secret)
    vault.lock()
    vault.wipe_retired()
    assert opened[2].secret == bytes(16)


def test_a_second_process_on_the_same_home_gives_way() -> None:
    with Vsm() as vsm:
        asyncio.run(_use(vsm))
        assert main(["--home", str(vsm.home)]) == 2
        asyncio.run(_use(vsm))


@pytest.mark.skipif(not OWN_USER, reason="only root can give the process a user of its own")
def test_the_process_has_its_own_user_and_no_other_process_reads_its_memory() -> None:
    with Vsm() as vsm:
        asyncio.run(_use(vsm))
        assert vsm.process is not None
        status = Path(f"/proc/{vsm.process.pid}/status").read_text()
        assert f"Uid:\t{OWN_USER}\t{OWN_USER}\t{OWN_USER}" in status
        assert "NoNewPrivs:\t1" in status
        limits = Path(f"/proc/{vsm.process.pid}/limits").read_text()
        assert [line.split()[4:6] for line in limits.splitlines() if line.startswith("Max core")] == [["0", "0"]]
        # Not dumpable: /proc/PID/mem belongs to root even though the process runs as another user.
        assert Path(f"/proc/{vsm.process.pid}/mem").stat().st_uid == 0
