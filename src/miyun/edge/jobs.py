"""`python -m miyun.edge.jobs --home HOME`: the periodic work of a node, run by the supervisor."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
from dataclasses import dataclass

import uvloop

from miyun.core.errors import Unavailable
from miyun.core.jobs import Runner, Task
from miyun.core.settings import Settings, load
from miyun.edge import assembly
from miyun.edge.answering import answering
from miyun.edge.assembly import Platform
from miyun.edge.logs import configure
from miyun.edge.tokens import read_token

SETUP_RETRY_SECONDS = 2.0
log = logging.getLogger("miyun.jobs")


@dataclass(slots=True)
class Anchoring:
    """An anchor a minute, unless nothing was recorded since the last."""

    platform: Platform
    _last_size: int = -1

    async def anchor(self) -> None:
        if (await self.platform.ledger.head()).size != self._last_size:
            self._last_size = await self.platform.anchor()


async def serve(settings: Settings, token: bytes) -> None:
    """Until SIGTERM; running tasks are finished."""
    platform = await assembly.assemble(settings, process="jobs", token=token)
    runner = Runner(platform.clock)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.create_task(stop.wait()).add_done_callback(lambda _: runner.stop())
    asked = await answering(settings.folder("run") / "jobs.sock")
    try:
        await _set_up(platform, stop)
        if not stop.is_set():
            anchoring = Task("ledger.anchor", settings.ledger.anchor_seconds, Anchoring.anchor)
            await runner.run([*platform.tasks, (anchoring, Anchoring(platform))])
    finally:
        asked.close()
        await platform.close()


async def _set_up(platform: Platform, stop: asyncio.Event) -> None:
    """A locked VSM is waited for: its operators unlock it when they come."""
    waiting_for = ""
    while not stop.is_set():
        try:
            await assembly.set_up(platform)
        except Unavailable as error:
            if error.code != waiting_for:
                log.warning("the set-up waits: %s", error.message.en)
                waiting_for = error.code
        except Exception:
            log.exception("the set-up failed; it is tried again")
        else:
            log.info("the installation is set up")
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), SETUP_RETRY_SECONDS)


def main() -> None:
    parser = argparse.ArgumentParser(prog="miyun.edge.jobs")
    parser.add_argument("--home", required=True)
    parser.add_argument("--token-fd", type=int)
    arguments = parser.parse_args()
    configure()
    uvloop.run(serve(load(arguments.home), read_token(arguments.token_fd)))


if __name__ == "__main__":
    main()
