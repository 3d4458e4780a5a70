"""Counters in the Prometheus text format. Any worker answers for all: it asks its neighbours over their sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from miyun.core.pipeline import Pipeline

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LOCAL_PATH = "/metrics/local"
NEIGHBOUR_SECONDS = 1.0

_METRICS = {
    "miyun_operations_total": ("counter", "Operations by outcome: ok or the error code."),
    "miyun_calls_running": ("gauge", "Calls that run in a worker."),
    "miyun_calls_waiting": ("gauge", "Calls that wait in a worker for their turn."),
    "miyun_calls_turned_away_total": ("counter", "Calls refused because too many waited."),
    "miyun_calls_waited_seconds_total": ("counter", "Time that calls waited for their turn."),
    "miyun_vsm_operations_total": ("counter", "Requests to the VSM."),
    "miyun_vsm_batches_total": ("counter", "Batches computed, by lane."),
    "miyun_vsm_requests_total": ("counter", "Requests in these batches."),
    "miyun_vsm_items_total": ("counter", "Items in these batches; by batches: how full they are."),
    "miyun_vsm_waiting_items": ("gauge", "Items that wait in a lane."),
    "miyun_vsm_waited_seconds_total": ("counter", "Time that requests waited in a lane until their batch began."),
    "miyun_vsm_busy_seconds_total": ("counter", "Time of computing."),
    "miyun_worker_up": ("gauge", "Workers that answered."),
}


def local(pipeline: Pipeline, worker: int) -> str:
    """The samples of this worker alone."""
    lines = [
        f'miyun_operations_total{{operation="{operation}",outcome="{outcome}",worker="{worker}"}} {count}'
        for (operation, outcome), count in pipeline.counters.items()
    ]
    if (turns := pipeline.turns) is not None:
        values = {
            "miyun_calls_running": turns.running,
            "miyun_calls_waiting": turns.waiting,
            "miyun_calls_turned_away_total": turns.refused,
            "miyun_calls_waited_seconds_total": round(turns.waited, 6),
        }
        lines += [f'{name}{{worker="{worker}"}} {value}' for name, value in values.items()]
    return "\n".join((*lines, f'miyun_worker_up{{worker="{worker}"}} 1\n'))


def machine(counters: Mapping[str, Any]) -> str:
    """The samples of the VSM, from what it counts."""
    lines = [f"miyun_vsm_operations_total {counters['operations']}"]
    names = {
        "miyun_vsm_batches_total": "batches",
        "miyun_vsm_requests_total": "requests",
        "miyun_vsm_items_total": "items",
        "miyun_vsm_waiting_items": "waiting",
        "miyun_vsm_waited_seconds_total": "waited_seconds",
        "miyun_vsm_busy_seconds_total": "busy_seconds",
    }
    for lane, values in counters["lanes"].items():
        lines += [f'{name}{{lane="{lane}"}} {round(values[key], 6)}' for name, key in names.items()]
    return "\n".join((*lines, ""))


async def everywhere(own: str, neighbours: Sequence[Path]) -> str:
    """Own samples and those of every neighbour that answers; one that does not is simply not up."""
    others = await asyncio.gather(*(_ask(socket) for socket in neighbours))
    return _ordered("".join((own, *others)).splitlines())


def _ordered(samples: Iterable[str]) -> str:
    """One metric's samples stand together, under what it is."""
    by_name: dict[str, list[str]] = {}
    for line in sorted(samples):
        by_name.setdefault(line.partition("{")[0].partition(" ")[0], []).append(line)
    lines: list[str] = []
    for name, (kind, what) in _METRICS.items():
        if name in by_name:
            lines += [f"# HELP {name} {what}", f"# TYPE {name} {kind}", *by_name[name]]
    return "\n".join((*lines, ""))


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
