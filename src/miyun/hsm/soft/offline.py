"""A VSM that runs only while it is needed, such as the one with the roots of the certification authorities."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from miyun.gm import rand
from miyun.hsm.errors import MachineUnavailable
from miyun.hsm.soft.client import SoftMachine

_STOP_SECONDS = 10.0


@asynccontextmanager
async def started(home: Path, name: str, *, root: str, uid: int = 0) -> AsyncIterator[SoftMachine]:
    """The VSM `name` of MIYUN_HOME `home`, as long as the block runs; it may be locked or unprovisioned.

    `root` and `uid` as `python -m miyun.hsm.soft` takes them. Only this block knows the token that admits to it. Raises
    MachineUnavailable when it does not start, as when another process has it running."""
    socket = home / "run" / f"vsm-{name}.sock"
    token = rand.token(32).hex().encode()
    read, write = os.pipe()
    os.write(write, token)
    os.close(write)
    arguments = ("--home", str(home), "--name", name, "--root", root, "--uid", str(uid), "--token-fd", str(read))
    try:
        with (home / "log" / f"vsm-{name}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "miyun.hsm.soft", *arguments, pass_fds=(read,), stdout=log, stderr=log
            )
    finally:
        os.close(read)
    machine = SoftMachine(str(socket), token=token, patience=20.0)
    try:
        await _answer(machine, process)
        yield machine
    finally:
        await machine.aclose()
        await _stop(process)
        if process.returncode != 2:  # then it is another's
            socket.unlink(missing_ok=True)


async def _answer(machine: SoftMachine, process: asyncio.subprocess.Process) -> None:
    """Wait until it answers, or is gone."""
    answering, ending = asyncio.create_task(machine.status()), asyncio.create_task(process.wait())
    await asyncio.wait((answering, ending), return_when=asyncio.FIRST_COMPLETED)
    for task in (answering, ending):
        if not task.done():
            task.cancel()
    if ending.done() and not ending.cancelled():
        raise MachineUnavailable(f"it ended with {process.returncode}; see its log")
    await answering


async def _stop(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
