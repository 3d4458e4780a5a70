"""The client's methods are those of the declarations."""

from __future__ import annotations

import asyncio

import httpx

from miyun.client import Client
from miyun.client._operations import OPERATIONS
from miyun.edge.assembly import registry
from miyun.edge.generate import TARGET, source

from .world import make_world


def test_the_generated_client_is_in_step_with_the_operations() -> None:
    assert TARGET.read_text("utf-8") == source(registry().operations.values()), "run python -m miyun.edge.generate"
    assert set(OPERATIONS) == set(registry().operations)


def test_the_sdks_signature_is_the_one_the_edge_checks() -> None:
    """The edge's reading of a request made by the SDK verifies under the platform's own MAC."""
    world = make_world()
    sent: list[httpx.Request] = []

    def keep(request: httpx.Request) -> httpx.Response:
        request.read()
        sent.append(request)
        return httpx.Response(200, json={})

    namespace: dict[str, object] = {}
    exec(source(world.pipeline.registry.operations.values()), namespace)  # noqa: S102
    from miyun.client import _client

    table, _client.OPERATIONS = _client.OPERATIONS, namespace["OPERATIONS"]  # type: ignore[assignment]
    try:
        with Client("https://miyun.test", "ak_1", "a secret key for tests", transport=httpx.MockTransport(keep)) as c:
            c.call("room.put", note="密 云/1", text="hi", data=b"\x00")
            c.call("room.find", text="a b+c", tags=["x", "y"], limit=3)
    finally:
        _client.OPERATIONS = table

    async def replay() -> None:
        async with world.client() as client:
            for request in sent:
                answer = await client.request(
                    request.method, request.url, content=request.content, headers=request.headers
                )
                assert answer.status_code == 200, answer.text

    asyncio.run(replay())
    assert world.room.calls
