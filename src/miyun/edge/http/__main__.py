"""`python -m miyun.edge.http --home HOME --worker N`: one web worker on its Unix socket, run by the supervisor."""

from __future__ import annotations

import argparse
import os
import socket
from pathlib import Path

import uvicorn
import uvloop

from miyun.core.settings import Settings, load
from miyun.edge import assembly
from miyun.edge.console.page import Addresses
from miyun.edge.console.routes import MUTUAL, console_routes
from miyun.edge.http.app import Web, create_app
from miyun.edge.http.bounds import BoundedHttp
from miyun.edge.http.health import Health
from miyun.edge.logs import configure
from miyun.edge.supervisor.platform import web_socket
from miyun.edge.tokens import read_token

KEEP_ALIVE_SECONDS = 75
SHUTDOWN_SECONDS = 8


def unix_socket(path: Path) -> socket.socket:
    """Bound here and not by uvicorn, which would make it writable for everybody."""
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listening.bind(str(path))
    finally:
        os.umask(before)
    return listening


async def serve(settings: Settings, worker: int, token: bytes) -> None:
    platform = await assembly.assemble(settings, process="web", token=token)
    platform.ledger.listen()
    run = settings.folder("run")
    parts = {
        "vsm": platform.machine_state,
        "ledger": platform.ledger_state,
        "database": platform.database_state,
        "setup": platform.setup_state,
    }
    addresses = Addresses(settings.login.agent, settings.url, settings.mutual_url)
    app = create_app(
        Web(
            pipeline=platform.pipeline,
            health=Health(parts),
            protocols=assembly.PROTOCOLS,
            mounts=(lambda web: console_routes(web.pipeline, platform.rehearsing, addresses),),
            mutual_pages=MUTUAL,
            worker=worker,
            machine=platform.machine.counters,
            neighbours=[web_socket(run, other) for other in range(settings.server.workers) if other != worker],
            metrics_token=settings.server.metrics_token,
            url=settings.url,
            extra={"platform": platform},
        )
    )
    config = uvicorn.Config(
        app,
        http=BoundedHttp,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        backlog=1024,
    )
    try:
        await uvicorn.Server(config).serve(sockets=[unix_socket(web_socket(run, worker))])
    finally:
        await platform.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="miyun.edge.http")
    parser.add_argument("--home", required=True)
    parser.add_argument("--worker", type=int, required=True)
    parser.add_argument("--token-fd", type=int)
    arguments = parser.parse_args()
    configure()
    token = read_token(arguments.token_fd)
    uvloop.run(serve(load(arguments.home), arguments.worker, token))


if __name__ == "__main__":
    main()
