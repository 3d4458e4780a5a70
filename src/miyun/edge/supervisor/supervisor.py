"""The parent of every process of a node: starts in stages, restarts with back-off, stops in reverse order.

It holds no key and serves no request, so there is little in it that can fail; when it is killed all the same, its
children end by their lifelines and the next `miyun serve` starts from a clean table.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from miyun.edge.supervisor.child import BackOff, ChildSpec, is_alive, started_ticks
from miyun.edge.supervisor.logfile import MAX_LINE, LogFile
from miyun.edge.supervisor.pidfile import PidFile
from miyun.edge.tokens import new_token

READY_SECONDS = 60.0
PROBE_SECONDS = 0.05
_MISSES = 3  # in a row: where the whole machine stood still, one answer may come too late
_LAST_WORDS = 1.0  # seconds for a hanging child to write its stacks


@dataclass(slots=True)
class Running:
    """What is known of one child."""

    spec: ChildSpec
    backoff: BackOff
    log: LogFile
    process: asyncio.subprocess.Process | None = None
    state: str = "starting"  # starting | ready | waiting | crash-looping | failed | stopped
    restarts: int = 0
    since: float = 0.0
    last_exit: int | None = None
    reason: str = ""  # why the supervisor itself ended it last
    ready: asyncio.Event = field(default_factory=asyncio.Event)


class Supervisor:
    """`await run()` until SIGTERM or SIGINT. `run_folder` gets supervisor.pid and supervisor.json."""

    def __init__(self, specs: Sequence[ChildSpec], *, run_folder: Path, log_folder: Path, backoff: BackOff) -> None:
        self._run_folder = run_folder
        self._pidfile = PidFile(run_folder / "supervisor.pid")
        self._log = LogFile(log_folder / "supervisor.log")
        self._token = b""
        self._stopping = asyncio.Event()
        self._children = [
            Running(
                spec,
                BackOff(backoff.first, backoff.ceiling, backoff.patience, backoff.healthy_after),
                LogFile(log_folder / f"{spec.name}.log"),
            )
            for spec in specs
        ]

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        """Raises AlreadyRunning when another supervisor serves this MIYUN_HOME."""
        self._pidfile.acquire()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        self._token = new_token(self._run_folder)
        lifeline, held = os.pipe()
        keepers: list[asyncio.Task[None]] = []
        try:
            await self._clear_orphans()
            self._log.line(f"supervisor started, pid {os.getpid()}")
            for stage in sorted({child.spec.stage for child in self._children}):
                members = [child for child in self._children if child.spec.stage == stage]
                keepers += [asyncio.create_task(self._keep(child, lifeline)) for child in members]
                await self._until_ready(members)
                if self._stopping.is_set():
                    break
            await self._stopping.wait()
        finally:
            await self._stop_children(keepers)
            os.close(held)
            os.close(lifeline)
            self._publish()
            self._log.line("supervisor stopped")
            self._pidfile.release()

    async def _until_ready(self, members: Sequence[Running]) -> None:
        """A stage that does not come up in time is logged and passed: the others may still serve what they can."""
        waits = [asyncio.create_task(child.ready.wait()) for child in members]
        stop = asyncio.create_task(self._stopping.wait())
        everyone = asyncio.gather(*waits)
        await asyncio.wait((everyone, stop), timeout=READY_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if not everyone.done() and not self._stopping.is_set():
            late = ", ".join(child.spec.name for child in members if not child.ready.is_set())
            self._log.line(f"ERROR not ready after {READY_SECONDS:.0f} s, going on without: {late}")
        stop.cancel()
        everyone.cancel()
        await asyncio.gather(everyone, stop, return_exceptions=True)

    async def _keep(self, child: Running, lifeline: int) -> None:
        """Start one child again and again until the supervisor stops."""
        name = child.spec.name
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                child.process = await self._spawn(child, lifeline)
            except OSError as error:
                self._log.line(f"ERROR {name} cannot be started: {error}")
                child.process = None
            else:
                child.state, child.since = "starting", time.time()
                self._log.line(f"{name} started, pid {child.process.pid}")
                await self._attend(child, child.process)
            if self._stopping.is_set():
                return
            child.ready.clear()
            if child.last_exit in child.spec.final_exits:
                child.state = "failed"
                self._log.line(
                    f"CRITICAL {name} ended with {child.last_exit}: another start will not help, see its log"
                )
                self._publish()
                return
            delay = child.backoff.ended(time.monotonic() - started)
            child.restarts += 1
            child.state = "crash-looping" if child.backoff.crash_looping else "waiting"
            level = "CRITICAL crash loop:" if child.backoff.crash_looping else "WARNING"
            self._log.line(f"{level} {name} ended with {child.last_exit}; next start in {delay:.1f} s")
            self._publish()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)

    async def _attend(self, child: Running, process: asyncio.subprocess.Process) -> None:
        """From start to end of one process: wait for its readiness, copy its output, take its exit code."""
        self._publish()
        probe = asyncio.create_task(self._probe(child))
        copy = asyncio.create_task(_copy(process, child.log))
        watch = asyncio.create_task(self._watch(child, process)) if child.spec.hangs_after else None
        child.last_exit = await process.wait()
        for task in filter(None, (probe, watch)):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        # a grandchild may hold the pipe open; its output is not waited for
        await asyncio.wait((copy,), timeout=1.0)
        copy.cancel()
        child.process = None

    async def _watch(self, child: Running, process: asyncio.subprocess.Process) -> None:
        """End a child that neither answers nor ends: SIGUSR2 leaves its stacks in its log, SIGKILL ends anything.

        Until the first answer it is given READY_SECONDS besides: what it is asked on may come after it is ready."""
        await child.ready.wait()
        limit = child.spec.hangs_after
        heard, patience, missed = time.monotonic(), limit + READY_SECONDS, 0
        while True:
            await asyncio.sleep(limit / 6)
            if await asyncio.to_thread(child.spec.answers, limit / 6):
                heard, patience, missed = time.monotonic(), limit, 0
                continue
            missed += 1
            if missed >= _MISSES and time.monotonic() - heard >= patience:
                break
        child.reason = f"hung: no answer for {limit:.0f} s"
        self._log.line(f"ERROR {child.spec.name} {child.reason}; it is ended")
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGUSR2)
            await asyncio.sleep(_LAST_WORDS)
            process.kill()

    async def _probe(self, child: Running) -> None:
        while not await asyncio.to_thread(child.spec.is_ready):
            await asyncio.sleep(PROBE_SECONDS)
        child.state = "ready"
        child.ready.set()
        self._log.line(f"{child.spec.name} is ready")
        self._publish()

    async def _spawn(self, child: Running, lifeline: int) -> asyncio.subprocess.Process:
        token = _pipe_with(self._token) if child.spec.token else None
        try:
            return await asyncio.create_subprocess_exec(
                *child.spec.command(lifeline, token),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                pass_fds=(lifeline,) if token is None else (lifeline, token),
                start_new_session=True,  # Ctrl-C reaches the supervisor only: it stops the others in order
                env={**os.environ, "PYTHONUNBUFFERED": "1", **child.spec.environ},
            )
        finally:
            if token is not None:
                os.close(token)

    async def _stop_children(self, keepers: Sequence[asyncio.Task[None]]) -> None:
        self._stopping.set()
        for stage in sorted({child.spec.stage for child in self._children}, reverse=True):
            await asyncio.gather(*(self._end(child) for child in self._children if child.spec.stage == stage))
        await asyncio.gather(*keepers, return_exceptions=True)
        for child in self._children:
            child.state = "stopped"
            child.log.close()

    async def _end(self, child: Running) -> None:
        process = child.process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), child.spec.stop_seconds)
        except TimeoutError:
            self._log.line(f"ERROR {child.spec.name} did not stop in {child.spec.stop_seconds:.0f} s: killed")
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        self._log.line(f"{child.spec.name} stopped")

    async def _clear_orphans(self) -> None:
        """Children of a supervisor that was killed end by themselves in a moment; one that hangs is killed."""
        orphans = [(c["pid"], c["ticks"]) for c in read_state(self._run_folder).get("children", ()) if c.get("pid")]
        deadline = time.monotonic() + 8.0
        while alive := [(pid, ticks) for pid, ticks in orphans if is_alive(pid, ticks)]:
            if time.monotonic() > deadline:
                for pid, _ in alive:
                    self._log.line(f"ERROR orphan {pid} of an earlier supervisor hangs: killed")
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                deadline += 5.0
            await asyncio.sleep(PROBE_SECONDS)

    def _publish(self) -> None:
        """Write supervisor.json for `miyun status`; replaced atomically."""
        children = [
            {
                "name": child.spec.name,
                "state": child.state,
                "pid": child.process.pid if child.process else None,
                "ticks": started_ticks(child.process.pid) if child.process else None,
                "since": child.since,
                "restarts": child.restarts,
                "last_exit": child.last_exit,
                "reason": child.reason,
            }
            for child in self._children
        ]
        file = self._run_folder / "supervisor.json"
        fresh = file.with_suffix(".new")
        try:
            fresh.write_bytes(msgspec.json.encode({"pid": os.getpid(), "children": children}))
            fresh.replace(file)
        except OSError as error:
            self._log.line(f"ERROR {file.name} cannot be written: {error}")


def read_state(run_folder: Path) -> dict[str, Any]:
    """The last published state; empty when there is none."""
    try:
        state = msgspec.json.decode((run_folder / "supervisor.json").read_bytes())
    except (OSError, msgspec.DecodeError):
        return {}
    return state if isinstance(state, dict) else {}


async def _copy(process: asyncio.subprocess.Process, log: LogFile) -> None:
    assert process.stdout is not None
    while chunk := await process.stdout.read(MAX_LINE):
        log.write(chunk)


def _pipe_with(content: bytes) -> int:
    """The read end of a pipe that already holds `content` (shorter than a pipe's buffer)."""
    read, write = os.pipe()
    os.write(write, content)
    os.close(write)
    return read
