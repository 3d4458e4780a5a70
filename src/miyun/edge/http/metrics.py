"""Counters in the Prometheus text format. Any worker answers for all: it asks its neighbours over their sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path

from miyun.core.pipeline import Pipeline

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LOCAL_PATH = "/metrics/local"
NEIGHBOUR_SECONDS = 1.0

_HEAD = (
    "# HELP miyun_operations_total Operations by outcome: ok or the error code.\n"
    "# TYPE miyun_operations_total counter\n"
)


def local(pipeline: Pipeline, worker: int) -> str:
    """The samples of this worker alone."""
    lines = (
        f'miyun_operations_total{{operation="{operation}",outcome="{outcome}",worker="{worker}"}} {count}\n'
        for (operation, outcome), count in sorted(pipeline.counters.items())
    )
    return "".join(lines) + f'miyun_worker_up{{worker="{worker}"}} 1\n'


async def everywhere(own: str, neighbours: Sequence[Path]) -> str:
    """Own samples and those of every neighbour that answers; one that does not is simply not up."""
    others = await asyncio.gather(*(_ask(socket) for socket in neighbours))
    return _HEAD + _ordered("".join((own, *others)).splitlines())


def _ordered(samples: Iterable[str]) -> str:
    """One metric's samples stand together."""
    lines = sorted(samples)
    up = [line for line in lines if line.startswith("miyun_worker_up")]
    rest = [line for line in lines if not line.startswith("miyun_worker_up")]
    tail = ["# HELP miyun_worker_up Workers that answered.", "# TYPE miyun_worker_up gauge", *up]
    return "\n".join((*rest, *tail)) + "\n"


async def _ask(socket: Path) -> str:
    try:
        async with asyncio.timeout(NEIGHBOUR_SECONDS):
            reader, writer = await asyncio.open_unix_connection(str(socket))
            try:
                writer.write(f"GET {LOCAL_PATH} HTTP/1.1\r\nhost: local\r\nconnection: close\r\n\r\n".encode())
                head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            finally:
                writer.close()
    except OSError:
        return ""
    return body.decode() if head.startswith(b"HTTP/1.1 200") else ""
