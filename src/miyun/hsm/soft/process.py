"""`python -m miyun.hsm.soft`: one VSM. Started and restarted by the supervisor; stops on SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from miyun.hsm.errors import MachineError
from miyun.hsm.soft import backup
from miyun.hsm.soft.confine import confine
from miyun.hsm.soft.home import Home, KeyFile
from miyun.hsm.soft.server import Server
from miyun.hsm.soft.vault import Vault

try:
    import uvloop
except ImportError:  # only needed for speed, and not offered for every system
    uvloop = None  # type: ignore[assignment]

log = logging.getLogger("miyun.hsm.soft")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="miyun.hsm.soft", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="MIYUN_HOME")
    parser.add_argument("--name", default="platform", help="the VSM's name: data/vsm-NAME, run/vsm-NAME.sock")
    parser.add_argument("--socket", type=Path, help="Unix socket to serve, instead of run/vsm-NAME.sock")
    parser.add_argument(
        "--root",
        choices=("keyfile", "shares"),
        default="keyfile",
        help="of a new VSM. keyfile: development only, the root lies in secrets/ and unlocks by itself; "
        "shares: operators provision and unlock",
    )
    parser.add_argument("--uid", type=int, default=0, help="numeric user to become when started as root; 0: stay")
    parser.add_argument("--allow-uid", type=int, action="append", default=[], help="a user whose processes may connect")
    parser.add_argument("--token-fd", type=int, help="descriptor to read the clients' token from, until its end")
    parser.add_argument("--restore", type=Path, help="put a backup's root into a new VSM, and end")
    parser.add_argument("--passphrase-fd", type=int, help="descriptor to read the backup's passphrase from")
    return parser.parse_args(argv)


def _read_secret(descriptor: int | None) -> bytes:
    if descriptor is None:
        return b""
    with os.fdopen(descriptor, "rb") as file:
        return file.read(4096).strip()


def _listen(path: Path) -> socket.socket:
    """The home's lock is held: a socket that lies there already is a dead one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    previous = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(previous)
    os.chmod(path, 0o660)
    listener.listen(128)
    return listener


async def _serve(server: Server) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    server.start()
    await stopped.wait()
    server.stop()


def main(argv: Sequence[str] | None = None) -> int:
    """0 after SIGTERM or a restore; 1 when a restore is refused; 2 when another process already serves this VSM."""
    arguments = _arguments(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    name, starter = arguments.name, os.geteuid()
    token = _read_secret(arguments.token_fd)
    uid = arguments.uid if starter == 0 and arguments.uid else None
    home = Home(arguments.home / "data" / f"vsm-{name}", owner=uid)
    try:
        home.lock()
    except BlockingIOError:
        log.error("another process serves the VSM %s", name)
        return 2
    keyfile = None
    if arguments.root == "keyfile" or arguments.restore:
        label = "vsm-root.key" if name == "platform" else f"vsm-{name}-root.key"
        keyfile = KeyFile(arguments.home / "secrets" / label)
    # The self-test loads every library, which the VSM's own user might not be able to read; no key exists yet.
    vault = Vault(name=name, home=home, keyfile=keyfile)
    if arguments.restore:
        passphrase = _read_secret(arguments.passphrase_fd).decode()
        return _restore(vault, arguments.restore.read_bytes(), passphrase)
    listener = _listen(arguments.socket or arguments.home / "run" / f"vsm-{name}.sock")
    confinement = confine(uid)
    vault.open(provision=arguments.root == "keyfile")
    log.info("VSM %s is %s; root: %s; self-test %s", name, vault.state, vault.root_description, vault.self_test)

    async def run() -> None:
        server = Server(
            vault,
            listener,
            allowed=frozenset(arguments.allow_uid),
            administrators=frozenset((starter,)),
            token=token,
            facts={"confinement": asdict(confinement)},
        )
        await _serve(server)

    (uvloop or asyncio).run(run())
    return 0


def _restore(vault: Vault, blob: bytes, passphrase: str) -> int:
    try:
        vault.open(provision=False)
        vault.restore(backup.decipher(blob, passphrase))
    except MachineError as error:
        log.error("nothing was restored: %s", error)
        return 1
    return 0
