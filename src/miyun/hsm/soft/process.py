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

from miyun.hsm.soft.confine import confine
from miyun.hsm.soft.home import Home, KeyFile
from miyun.hsm.soft.server import Server
from miyun.hsm.soft.vault import Vault

try:
    import uvloop
except ImportError:  # only needed for speed, and not offered for every system
    uvloop = None

log = logging.getLogger("miyun.hsm.soft")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="miyun.hsm.soft", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="the VSM's own directory")
    parser.add_argument("--name", required=True, help="the VSM's name, for example platform")
    parser.add_argument("--socket", type=Path, required=True, help="Unix socket to serve")
    parser.add_argument("--keyfile", type=Path, help="development only: root key in this file, unlocks by itself")
    parser.add_argument(
        "--provision-keyfile", action="store_true", help="make the root and write the key file when there is none"
    )
    parser.add_argument("--uid", type=int, help="numeric user to become when started as root")
    parser.add_argument("--allow-uid", type=int, action="append", default=[], help="a user whose processes may connect")
    parser.add_argument("--token-fd", type=int, help="descriptor to read the clients' token from, until its end")
    return parser.parse_args(argv)


def _read_token(descriptor: int | None) -> bytes:
    if descriptor is None:
        return b""
    with os.fdopen(descriptor, "rb") as file:
        return file.read(1024).strip()


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
    """Returns 0 after SIGTERM, 2 when another process already serves this home."""
    arguments = _arguments(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    starter = os.geteuid()
    token = _read_token(arguments.token_fd)
    home = Home(arguments.home, owner=arguments.uid if starter == 0 else None)
    try:
        home.lock()
    except BlockingIOError:
        log.error("another process serves %s", arguments.home)
        return 2
    keyfile = KeyFile(arguments.keyfile) if arguments.keyfile else None
    listener = _listen(arguments.socket)
    # The self-test loads every library, which the VSM's own user might not be able to read; no key exists yet.
    vault = Vault(name=arguments.name, home=home, keyfile=keyfile)
    confinement = confine(arguments.uid)
    vault.open(provision_keyfile=arguments.provision_keyfile)
    log.info("VSM %s is %s; root: %s; self-test %s", vault.name, vault.state, vault.root_description, vault.self_test)

    async def run() -> None:
        administrators = frozenset((starter,))
        server = Server(
            vault,
            listener,
            allowed=frozenset(arguments.allow_uid),
            administrators=administrators,
            token=token,
            facts={"confinement": asdict(confinement)},
        )
        await _serve(server)

    (uvloop or asyncio).run(run())
    return 0
