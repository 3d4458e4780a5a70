"""The size of a request's head, over a real connection."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from miyun.edge.http import arrival
from miyun.edge.http.__main__ import unix_socket
from miyun.edge.http.bounds import MAX_HEAD, BoundedHttp
from miyun.wire.proxy import SIGNATURE, Origin, encode

CLIENT = encode(Origin("203.0.113.7", 4711))
CERTIFICATE = b"0\x82a certificate" * 200
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
    ("sent", "client", "certificate"),
    [
        ([CLIENT + GOOD], ("203.0.113.7", 4711), None),
        ([encode(Origin("2001:db8::7", 4711)) + GOOD], ("2001:db8::7", 4711), None),
        ([encode(Origin("203.0.113.7", 4711, b"")) + GOOD], ("203.0.113.7", 4711), b""),
        ([encode(Origin("203.0.113.7", 4711, CERTIFICATE)) + GOOD], ("203.0.113.7", 4711), CERTIFICATE),
        # the header comes in pieces
        ([CLIENT[:5], CLIENT[5:17], CLIENT[17:] + GOOD[:3], GOOD[3:]], ("203.0.113.7", 4711), None),
        ([GOOD], None, None),  # not by the listener: the platform's own user, on the worker's socket
        # what a client claims comes after the listener's header, and is no HTTP
        ([CLIENT + encode(Origin("127.0.0.1", 1, CERTIFICATE)) + GOOD], "refused", None),
        ([CLIENT + b"PROXY TCP4 127.0.0.1 0.0.0.0 1 0\r\n" + GOOD], "refused", None),
        # nor is any header believed
        (
            [CLIENT + GOOD[:-2] + b"x-forwarded-for: 127.0.0.1\r\nclient-cert: :MIIB:\r\n\r\n"],
            ("203.0.113.7", 4711),
            None,
        ),
    ],
)
def test_the_client_is_who_the_listener_says(sent: list[bytes], client: Any, certificate: bytes | None) -> None:
    seen: list[Any] = []

    async def remember(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope["client"], arrival.certificate(scope)))
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
        for piece in sent:
            writer.write(piece)
            await asyncio.sleep(0.01)
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
    assert seen == ([] if client == "refused" else [(client, certificate)] * 2)


def test_a_broken_header_of_the_listener_ends_the_connection() -> None:
    async def scenario(path: Path) -> None:
        config = uvicorn.Config(ok, http=BoundedHttp, ws="none", lifespan="off", log_config=None)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[unix_socket(path)]))
        while not server.started:
            await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(SIGNATURE + b"\x21\x11\x00\x02ab" + GOOD)
        assert await reader.read() == b""
        writer.close()
        server.should_exit = True
        await serving

    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        asyncio.run(scenario(Path(folder) / "web.sock"))
