"""`python -m miyun.edge.listener --home HOME`: run by the supervisor."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import socket
import ssl
from pathlib import Path
from typing import Any

import uvloop
from OpenSSL import SSL

from miyun.core.settings import Settings, load
from miyun.edge.answering import answering
from miyun.edge.listener.certificate import ListenerFiles, ensure, names
from miyun.edge.listener.possession import CIPHERS, PossessionContext
from miyun.edge.listener.splice import Exchange, Limits
from miyun.edge.logs import configure
from miyun.edge.supervisor.platform import web_socket

RENEWAL_CHECK_SECONDS = 6 * 3600
FOLLOW_SECONDS = 1.0
DRAIN_SECONDS = 10.0
log = logging.getLogger("miyun.listener")


def context(files: ListenerFiles) -> ssl.SSLContext:
    """TLS 1.2 and 1.3 with forward secrecy and authenticated ciphers only."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    tls.set_ciphers(CIPHERS)
    tls.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    tls.set_alpn_protocols(["http/1.1"])
    tls.load_cert_chain(*files.served)
    return tls


class ServedContext(ssl.SSLContext):
    """Every connection gets the newest `context`, whole: one that is given a certificate of another kind of key keeps
    the old one besides, and OpenSSL goes on serving that."""

    def __new__(cls, files: ListenerFiles) -> ServedContext:
        return super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)

    def __init__(self, files: ListenerFiles) -> None:
        self._files = files
        self._own = context(files)

    def renew(self) -> None:
        """For connections from now on: the files hold a new certificate."""
        self._own = context(self._files)

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        return self._own.wrap_bio(*arguments, **options)


def listening_socket(host: str, port: int) -> socket.socket:
    """Raises SystemExit naming the address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        raise SystemExit(f"cannot listen on {host} port {port}: {error}") from None
    return listening


async def listen(exchange: Exchange, listening: socket.socket, tls: ssl.SSLContext | None) -> asyncio.Server:
    return await asyncio.get_running_loop().create_server(
        exchange.protocol,
        sock=listening,
        ssl=tls,
        backlog=1024,
        ssl_handshake_timeout=10.0 if tls else None,
        ssl_shutdown_timeout=5.0 if tls else None,
    )


async def serve(settings: Settings, *, limits: Limits | None = None) -> None:
    """Until SIGTERM; then running answers get DRAIN_SECONDS to finish."""
    files, wanted = ListenerFiles.of(settings), names(settings)
    ensure(files, wanted)
    set_aside_what_cannot_be_served(files)
    tls, mutual = ServedContext(files), PossessionContext(files)
    run: Path = settings.folder("run")
    sockets = [web_socket(run, number) for number in range(settings.server.workers)]
    exchange = Exchange(sockets, limits or Limits(connections=settings.server.max_connections))
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    host = settings.server.host
    addresses = ((settings.server.port, tls), (settings.mutual_port, mutual), (settings.publication_port, None))
    servers = [await listen(exchange, listening_socket(host, port), how) for port, how in addresses if port]
    ready = await answering(run / "listener.sock")  # it is *this* process that listens, whoever else may hold the port
    log.info("listening on %s, certificate for %s", settings.url, ", ".join(wanted))
    if settings.mutual_url:
        log.info("asking for clients' certificates on %s", settings.mutual_url)
    if settings.publication_port:
        log.info("publishing what certificates name on %s", settings.publication_url)
    following = [loop.create_task(_renew(files, wanted)), loop.create_task(_follow(files, tls, mutual))]
    await stop.wait()
    for task in following:
        task.cancel()
    ready.close()
    for server in servers:
        server.close()
    await exchange.drain(DRAIN_SECONDS)


async def _renew(files: ListenerFiles, wanted: tuple[str, ...]) -> None:
    while True:
        await asyncio.sleep(RENEWAL_CHECK_SECONDS)
        try:
            if await asyncio.to_thread(ensure, files, wanted):
                log.info("the listener's certificate was renewed")
        except (OSError, ValueError):
            log.exception("the listener's certificate could not be renewed; it is tried again")


async def _follow(files: ListenerFiles, tls: ServedContext, mutual: PossessionContext) -> None:
    """New handshakes use what was renewed, deployed or restored; nothing is interrupted."""
    seen = _state(files)
    while True:
        await asyncio.sleep(FOLLOW_SECONDS)
        if (state := _state(files)) == seen:
            continue
        seen = state
        try:
            context(files)  # whole, before either address changes
            mutual.renew()
            tls.renew()
            log.info("the listener serves the certificate of %s now", files.served[0].name)
        except (OSError, ValueError, ssl.SSLError, SSL.Error):
            log.exception("the listener's new certificate cannot be served; the old one is")


def _state(files: ListenerFiles) -> tuple[object, ...]:
    """Changes with the files: each is replaced, never written into."""
    found: list[object] = []
    for path in files.served:
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        found += [path, status.st_ino, status.st_mtime_ns]
    return tuple(found)


def set_aside_what_cannot_be_served(files: ListenerFiles) -> None:
    """A damaged certificate of another CA keeps nobody out: the installation's own is served."""
    try:
        context(files)
    except (OSError, ssl.SSLError):
        if not files.deployed.exists():
            raise
        files.deployed.replace(files.deployed.with_suffix(".unusable"))
        log.exception("the deployed certificate cannot be served and is set aside")


def main() -> None:
    parser = argparse.ArgumentParser(prog="miyun.edge.listener")
    parser.add_argument("--home", required=True)
    arguments = parser.parse_args()
    configure()
    uvloop.run(serve(load(arguments.home)))


if __name__ == "__main__":
    main()
