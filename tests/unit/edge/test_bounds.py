"""The size of a request's head, over a real connection."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from miyun.edge.http.__main__ import unix_socket
from miyun.edge.http.bounds import MAX_HEAD, BoundedHttp

GOOD = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"


async def ok(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@pytest.mark.parametrize("endless", [b"x-header: ", b"GET /"])
def test_no_later_request_of_a_connection_has_an_endless_head(endless: bytes) -> None:
    async def scenario(path: Path) -> int:
        config = uvicorn.Config(ok, http=BoundedHttp, ws="none", lifespan="off", log_config=None)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[unix_socket(path)]))
        while not server.started:
            await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_unix_connection(str(path))
        for _ in range(3):  # heads that are whole do not add up
            writer.write(GOOD[:-2] + b"x-long: " + b"a" * (MAX_HEAD // 2) + b"\r\n\r\n")
            assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
        writer.write((GOOD[:-2] if endless[0:1] == b"x" else b"") + endless)
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 64 * MAX_HEAD:
                writer.write(b"a" * MAX_HEAD)
                await writer.drain()
                await asyncio.sleep(0)
                sent += MAX_HEAD
        writer.close()
        server.should_exit = True
        await serving
        return sent

    with tempfile.TemporaryDirectory(prefix="my", dir="/tmp") as folder:
        assert asyncio.run(scenario(Path(folder) / "s")) < 64 * MAX_HEAD
