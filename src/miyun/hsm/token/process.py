"""`python -m miyun.hsm.token`: one software token. Stops on SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from miyun.gm import rand, selftest
from miyun.hsm.soft.confine import confine
from miyun.hsm.token.server import Server
from miyun.hsm.token.state import TokenFolder
from miyun.hsm.token.vault import Vault
from miyun.wire.skf import MAX_LABEL

log = logging.getLogger("miyun.hsm.token")

SOCKET: Final = "token.sock"
_KEY: Final = 16


def main(argv: Sequence[str] | None = None) -> int:
    """0 after SIGTERM, or when a token was made; 1 when its directory is damaged, or holds none (or, to make one, one
    already); 2 when another process serves it."""
    arguments = _arguments(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    folder = TokenFolder(arguments.folder)
    try:
        folder.lock()
    except BlockingIOError:
        log.error("another process serves this token")
        return 2
    selftest.run()
    listener = None if arguments.make else _listen(folder)
    confine(None)
    try:
        state = folder.load()
        if arguments.make:
            return _make(folder, arguments) if state is None else _refused("there is a token already")
        if state is None:
            return _refused("there is no token in this directory")
        vault = Vault(folder, state)
    except (msgspec.DecodeError, msgspec.ValidationError, ValueError) as error:
        return _refused(f"the token is damaged: {error}")
    assert listener is not None
    log.info("the token %s is connected", vault.state.serial)
    asyncio.run(_serve(Server(vault, listener, allowed=frozenset({os.geteuid(), *arguments.allow_uid}))))
    with contextlib.suppress(FileNotFoundError):
        os.unlink(SOCKET, dir_fd=folder.descriptor)
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="miyun.hsm.token", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="the token's directory")
    parser.add_argument("--allow-uid", type=int, action="append", default=[], help="a user whose processes may connect")
    parser.add_argument("--make", action="store_true", help="make a token there, and end")
    parser.add_argument("--label", default="Miyun", help="of a new token")
    parser.add_argument("--serial", default="", help="of a new token; drawn when not given")
    parser.add_argument("--key-fd", type=int, help="descriptor to read a new token's device authentication key from")
    return parser.parse_args(argv)


def _make(folder: TokenFolder, arguments: argparse.Namespace) -> int:
    with os.fdopen(arguments.key_fd, "rb") as file:
        key = file.read(_KEY + 1)
    serial = arguments.serial or rand.token(8).hex().upper()
    for text in (serial, arguments.label):
        if not 1 <= len(text.encode()) < MAX_LABEL:
            return _refused(f"serial and label have 1 to {MAX_LABEL - 1} octets")
    if len(key) != _KEY:
        return _refused(f"the device authentication key has {_KEY} octets")
    Vault.make(folder, serial=serial, label=arguments.label, authentication_key=key)
    return 0


def _refused(why: str) -> int:
    log.error(why)
    return 1


def _listen(folder: TokenFolder) -> socket.socket:
    """The directory's lock is held: a socket that lies there already is a dead one. Bound through the descriptor, since
    a socket's path may have 107 octets only."""
    path = f"/proc/self/fd/{folder.descriptor}/{SOCKET}"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    previous = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(previous)
    listener.listen(16)
    return listener


async def _serve(server: Server) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await server.run(stopped)
