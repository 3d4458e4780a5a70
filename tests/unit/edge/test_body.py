"""A body that is too large is let go by before it is refused, so that its sender hears why."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from miyun.core.errors import Overloaded, TooLarge
from miyun.edge.http import body


class Sender:
    """Sends `parts` of 1 KiB, then stays silent."""

    def __init__(self, parts: int, *, ends: bool = True) -> None:
        self.left, self.ends = parts, ends

    async def __call__(self) -> dict[str, Any]:
        if self.left == 0:
            await asyncio.sleep(3600)
        self.left -= 1
        return {"type": "http.request", "body": bytes(1024), "more_body": self.left > 0 or not self.ends}


@pytest.mark.parametrize("headers", [{"content-length": "8192"}, {}])
def test_the_rest_is_taken_before_the_refusal(headers: dict[str, str]) -> None:
    sender = Sender(8)
    with pytest.raises(TooLarge):
        asyncio.run(body.read(sender, headers, 2048))
    assert sender.left == 0


def test_who_asks_before_sending_is_refused_at_once() -> None:
    sender = Sender(8)
    with pytest.raises(TooLarge):
        asyncio.run(body.read(sender, {"content-length": "8192", "expect": "100-continue"}, 2048))
    assert sender.left == 8


def test_a_flood_is_not_taken_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "LINGER_OCTETS", 16 * 1024)
    sender = Sender(1000)
    with pytest.raises(TooLarge):
        asyncio.run(body.read(sender, {}, 2048))
    assert sender.left > 900


def test_a_sender_that_falls_silent_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "LINGER_SECONDS", 0.05)
    with pytest.raises(TooLarge):
        asyncio.run(body.read(Sender(4, ends=False), {}, 2048))


def test_a_body_within_its_limit_arrives_whole() -> None:
    assert asyncio.run(body.read(Sender(4), {}, 4096)) == bytes(4096)


def test_large_bodies_find_a_bounded_room_and_small_ones_always_fit() -> None:
    room, limit = body.Room(1_000_000), 4_000_000
    large = room.take({"content-length": "600000"}, limit)
    with pytest.raises(Overloaded) as refused:
        room.take({"content-length": "600000"}, limit)
    assert refused.value.retry_after == 1
    with pytest.raises(Overloaded):
        room.take({"transfer-encoding": "chunked"}, limit)
    room.give(room.take({"content-length": "1000"}, limit))
    room.give(large)
    room.take({"content-length": "600000"}, limit)
