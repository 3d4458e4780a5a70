"""What the platform is compared with: a bare application behind the same listener and the same server.

`python -m benchmarks.load.bare --home HOME --worker N` is one worker on the socket that the listener knows: uvicorn
with the platform's own settings. `POST /json` is a Litestar handler that reads and answers a small JSON body; `POST
/transfer` reads a body, checks its SM3, makes an HMAC-SM3 over nonce and digest, and sends the body back.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import msgspec
import uvicorn
import uvloop
from benchmarks.load.client import Request, Target
from litestar import Litestar, post

from miyun.core.settings import FOLDERS, load
from miyun.edge import assembly
from miyun.edge.http import __main__ as worker
from miyun.edge.http.bounds import BoundedHttp
from miyun.edge.supervisor.platform import web_socket
from miyun.gm import sm3

KEY = bytes(range(32))


class Asked(msgspec.Struct):
    name: str = ""


class Answered(msgspec.Struct):
    tenant: str
    application: str
    at: str


@post("/json", status_code=200)
async def answer(data: Asked) -> Answered:
    return Answered("ten_06f3k2v8q0abcdefghjkmnpqrs", "app_06f3k2v8q0abcdefghjkmnpqrs", "2026-11-29T01:02:03.456789Z")


async def transfer(scope: Any, receive: Any, send: Any) -> None:
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    body = b"".join(parts)
    headers = dict(scope["headers"])
    digest = sm3.digest(body).hex().encode()
    good = digest == headers[b"x-miyun-content-sm3"] and sm3.hmac(KEY, headers[b"x-miyun-nonce"] + digest)
    start = [(b"content-length", str(len(body)).encode()), (b"content-type", b"application/octet-stream")]
    await send({"type": "http.response.start", "status": 200 if good else 401, "headers": start})
    await send({"type": "http.response.body", "body": body})


_litestar = Litestar([answer], openapi_config=None, logging_config=None, debug=False)


async def app(scope: Any, receive: Any, send: Any) -> None:
    await (transfer if scope["path"] == "/transfer" else _litestar)(scope, receive, send)


async def serve(home: str, number: int) -> None:
    config = uvicorn.Config(
        app,
        http=BoundedHttp,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=worker.KEEP_ALIVE_SECONDS,
        backlog=1024,
    )
    listening = worker.unix_socket(web_socket(load(home).folder("run"), number))
    await uvicorn.Server(config).serve(sockets=[listening])


def bare_json(count: int) -> list[Request]:
    body = b"{}"
    head = f"POST /json HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return [(head.encode() + body,)] * count


def bare_transfer(count: int, size: int) -> list[Request]:
    body = bytes(size)
    head = (
        f"POST /transfer HTTP/1.1\r\nhost: x\r\ncontent-type: application/octet-stream\r\ncontent-length: {size}\r\n"
        f"x-miyun-content-sm3: {sm3.digest(body).hex()}\r\nx-miyun-nonce: 0123456789\r\n\r\n"
    )
    return [(head.encode(), body)] * count


class Bare:
    """`with Bare(workers=2) as bare:` the listener and its bare workers."""

    def __init__(self, *, workers: int) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="bare", dir="/tmp")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self._settings = {
            "MIYUN_SERVER__PORT": str(port),
            "MIYUN_SERVER__MUTUAL_PORT": "0",
            "MIYUN_SERVER__PUBLICATION_PORT": "0",
            "MIYUN_SERVER__WORKERS": str(workers),
        }
        self._environ = {**os.environ, **self._settings, "MIYUN_HOME": self._home.name}
        self._workers = workers
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.target = Target(port=port, authority=assembly.listener_authority(load(self._home.name, self._settings)))

    def pids(self) -> dict[str, int]:
        return {name: process.pid for name, process in self._processes.items()}

    def __enter__(self) -> Self:
        for name in FOLDERS:
            (Path(self._home.name) / name).mkdir(mode=0o700, exist_ok=True)
        for number in range(self._workers):
            self._start(f"web-{number}", "benchmarks.load.bare", "--worker", str(number))
        self._start("listener", "miyun.edge.listener")
        deadline = time.monotonic() + 60
        while True:
            try:
                for number in range(self._workers):
                    Target(unix=web_socket(Path(self._home.name) / "run", number)).connect().close()
                self.target.connect().close()
                return self
            except (OSError, ValueError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def __exit__(self, *exception: object) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.wait(20)
        self._home.cleanup()

    def _start(self, name: str, module: str, *arguments: str) -> None:
        command = [sys.executable, "-m", module, "--home", self._home.name, *arguments]
        self._processes[name] = subprocess.Popen(command, env=self._environ, cwd=Path(__file__).parents[2])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", required=True)
    parser.add_argument("--worker", type=int, required=True)
    given = parser.parse_args(arguments)
    uvloop.run(serve(given.home, given.worker))


if __name__ == "__main__":
    main()
