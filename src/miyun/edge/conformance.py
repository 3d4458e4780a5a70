"""What the platform says of itself in papers: the algorithms' self-tests on every provider, and its make-up."""

from __future__ import annotations

import asyncio
import platform
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import miyun
from miyun.gm import selftest
from miyun.gm.errors import SelfTestFailed
from miyun.gm.providers import provider, providers
from miyun.hsm.port import Machine


def self_tests() -> Mapping[str, Any]:
    """`{"failed": N, "providers": [{"provider", "passed": [names], "failed": name or None}]}`."""
    reports: list[dict[str, Any]] = []
    for candidate in providers():
        report: dict[str, Any] = {"provider": candidate.name, "passed": [], "failed": None}
        try:
            report["passed"] = [result.name for result in selftest.run(candidate)]
        except SelfTestFailed as error:
            report["failed"] = str(error)
        reports.append(report)
    return {"failed": sum(report["failed"] is not None for report in reports), "providers": reports}


def describe(machine: Machine) -> Callable[[], Awaitable[Mapping[str, str]]]:
    """Version, system, provider and the state of the VSM, for the technical documents."""

    async def facts() -> Mapping[str, str]:
        status = await machine.status()
        return {
            "version": miyun.__version__,
            "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
            "provider": provider().name,
            "machine": f"{status.name}: {status.state}, {status.provider}, root {status.root}",
            "machine_self_test": status.self_test,
        }

    return facts


def own_probe(url: str, authority: Path) -> Callable[[], Awaitable[tuple[bool, int, str]]]:
    """Asks the platform's own address as a client would, through listener and worker: (ok, milliseconds, code)."""

    async def ask() -> tuple[bool, int, str]:
        import httpx  # only the jobs process asks

        started = time.monotonic()
        try:
            context = await asyncio.to_thread(ssl.create_default_context, cafile=str(authority))
            async with httpx.AsyncClient(verify=context, trust_env=False, timeout=10) as client:
                answer = await client.get(f"{url}/healthz")
        except (httpx.HTTPError, OSError) as error:
            return False, _since(started), type(error).__name__
        return answer.status_code == 200, _since(started), str(answer.status_code)

    return ask


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
