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
from miyun.edge.listener.splice import preamble

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


@pytest.mark.parametrize(
    ("sent", "client"),
    [
        (preamble(("203.0.113.7", 4711)) + GOOD, ("203.0.113.7", 4711)),
        (preamble(("2001:db8::7", 4711, 0, 0)) + GOOD, ("2001:db8::7", 4711)),
        (GOOD, None),  # not by the listener: the platform's own user, on the worker's socket
        # what a client claims comes after the listener's line, and is no HTTP
        (preamble(("203.0.113.7", 4711)) + preamble(("127.0.0.1", 1)) + GOOD, "refused"),
        (GOOD[:-2] + b"x-forwarded-for: 127.0.0.1\r\nforwarded: for=127.0.0.1\r\n\r\n", None),
    ],
)
def test_the_client_is_who_the_listener_says(sent: bytes, client: Any) -> None:
    seen: list[Any] = []

    async def remember(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["client"])
        await ok(scope, receive, send)

    async def scenario(path: Path) -> None:
        config = uvicorn.Config(
            remember, http=BoundedHttp, ws="none", lifespan="off", log_config=None, proxy_headers=False
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[unix_socket(path)]))
        while not server.started:
            await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(sent)
        head = await reader.readuntil(b"\r\n\r\n")
        assert (b"400 Bad Request" in head) is (client == "refused")
        if client != "refused":
            writer.write(GOOD)  # it stays so for the connection
            await reader.readuntil(b"\r\n\r\n")
        writer.close()
        server.should_exit = True
        await serving

    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        asyncio.run(scenario(Path(folder) / "web.sock"))
    assert seen == ([] if client == "refused" else [client, client])
