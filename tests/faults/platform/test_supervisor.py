"""The supervisor with real processes: kill -9 of each child and of the supervisor itself."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from miyun.edge.supervisor import AlreadyRunning, BackOff, ChildSpec, PidFile, Supervisor, holder, read_state
from miyun.edge.supervisor import supervisor as supervising
from miyun.edge.supervisor.logfile import LogFile
from miyun.edge.supervisor.supervisor import Running

SERVE = """
import argparse, os, signal, socket, sys
parser = argparse.ArgumentParser()
parser.add_argument("--socket"); parser.add_argument("--order"); parser.add_argument("--token-fd", type=int)
options = parser.parse_args()
name = os.path.basename(options.socket)
if options.token_fd is not None:
    print("token of", len(os.read(options.token_fd, 100)), "octets", flush=True)
if os.path.exists(options.socket):
    os.unlink(options.socket)
listening = socket.socket(socket.AF_UNIX)
def stop(*_):
    with open(options.order, "a") as file:
        file.write(name + "\\n")
    os._exit(0)
signal.signal(signal.SIGTERM, stop)
listening.bind(options.socket)
listening.listen()
while True:
    listening.accept()[0].close()
"""

RUN = """
import asyncio, json, sys
from pathlib import Path
from miyun.edge.supervisor import BackOff, ChildSpec, Supervisor
folder = Path(sys.argv[1])
specs = [
    ChildSpec(name, "standin", ("--socket", str(folder / name), "--order", str(folder / "order")), stage=stage,
              socket=folder / name, token=name == "machine")
    for stage, name in enumerate(("machine", "ledger", "web"))
]
backoff = BackOff(first=0.05, ceiling=1.0)
asyncio.run(Supervisor(specs, run_folder=folder, log_folder=folder, backoff=backoff).run())
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="my", dir="/tmp"))
    (path / "standin.py").write_text(SERVE)
    (path / "run.py").write_text(RUN)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def supervisor(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = start(folder)
    yield process
    if process.poll() is None:
        process.terminate()
        process.wait(60)


def start(folder: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, str(folder / "run.py"), str(folder)], env={**os.environ, "PYTHONPATH": str(folder)}
    )
    eventually(lambda: states(folder) == ["ready"] * 3 and read_state(folder)["pid"] == process.pid)
    return process


def states(folder: Path) -> list[str]:
    return [child["state"] for child in read_state(folder).get("children", [])]


def pids(folder: Path) -> dict[str, int]:
    return {child["name"]: child["pid"] for child in read_state(folder)["children"]}


def eventually(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("name", ["machine", "ledger", "web"])
def test_a_killed_child_is_started_again(folder: Path, supervisor: subprocess.Popen[bytes], name: str) -> None:
    before = pids(folder)
    os.kill(before[name], signal.SIGKILL)
    eventually(lambda: pids(folder)[name] not in (None, before[name]) and states(folder) == ["ready"] * 3)
    after = pids(folder)
    assert {other: pid for other, pid in after.items() if other != name} == {
        other: pid for other, pid in before.items() if other != name
    }
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(str(folder / name))


def test_no_child_outlives_a_killed_supervisor_and_the_next_one_starts(
    folder: Path, supervisor: subprocess.Popen[bytes]
) -> None:
    children = pids(folder)
    supervisor.kill()
    supervisor.wait()
    eventually(lambda: not any(runs(pid) for pid in children.values()))
    second = start(folder)
    assert set(pids(folder).values()).isdisjoint(children.values())
    second.terminate()
    assert second.wait(60) == 0


def test_children_stop_in_reverse_order_and_nothing_stays(folder: Path, supervisor: subprocess.Popen[bytes]) -> None:
    children = pids(folder)
    supervisor.terminate()
    assert supervisor.wait(60) == 0
    assert (folder / "order").read_text().split() == ["web", "ledger", "machine"]
    assert not any(runs(pid) for pid in children.values())
    assert holder(folder / "supervisor.pid") is None


def test_a_second_supervisor_is_refused(folder: Path, supervisor: subprocess.Popen[bytes]) -> None:
    assert holder(folder / "supervisor.pid") == supervisor.pid
    with pytest.raises(AlreadyRunning) as refusal:
        PidFile(folder / "supervisor.pid").acquire()
    assert refusal.value.pid == supervisor.pid


def test_the_token_comes_by_a_descriptor_and_is_in_no_command_line(
    folder: Path, supervisor: subprocess.Popen[bytes]
) -> None:
    eventually(lambda: "token of 64 octets" in (folder / "machine.log").read_text())
    command = Path(f"/proc/{pids(folder)['machine']}/cmdline").read_bytes().split(b"\0")
    assert command[-3:-1] == [b"--token-fd", command[-2]]
    assert command[-2].isdigit() and len(command[-2]) < 4


def test_a_crash_loop_is_told_loudly_and_tried_slowly(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "broken.py").write_text("raise SystemExit(7)")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    asyncio.run(_until_crash_loop(folder))
    text = (folder / "supervisor.log").read_text()
    assert "CRITICAL crash loop: broken ended with 7; next start in 60.0 s" in text


async def _until_crash_loop(folder: Path) -> None:
    spec = ChildSpec("broken", "broken", socket=folder / "never.sock")
    backoff = BackOff(first=0.01, ceiling=60.0, patience=3)
    supervisor = Supervisor([spec], run_folder=folder, log_folder=folder, backoff=backoff)
    task = asyncio.create_task(supervisor.run())
    while states(folder) != ["crash-looping"]:
        await asyncio.sleep(0.02)
    supervisor.stop()
    await asyncio.wait_for(task, 60)


def test_a_child_that_says_it_cannot_be_helped_is_not_started_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "damaged.py").write_text("raise SystemExit(3)")
    monkeypatch.setenv("PYTHONPATH", str(folder))

    async def scenario() -> None:
        spec = ChildSpec("damaged", "damaged", socket=folder / "never.sock", final_exits=frozenset({3}))
        supervisor = Supervisor([spec], run_folder=folder, log_folder=folder, backoff=BackOff(first=0.01))
        task = asyncio.create_task(supervisor.run())
        while states(folder) != ["failed"]:
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.2)
        assert states(folder) == ["failed"]
        supervisor.stop()
        await asyncio.wait_for(task, 60)

    asyncio.run(scenario())
    assert (folder / "supervisor.log").read_text().count("damaged started") == 1


def test_back_off_doubles_is_bounded_and_forgets_after_good_times() -> None:
    backoff = BackOff(first=0.2, ceiling=30.0, patience=6, healthy_after=30.0)
    assert [round(backoff.ended(1.0), 1) for _ in range(5)] == [0.2, 0.4, 0.8, 1.6, 3.2]
    assert backoff.ended(1.0) == 30.0
    assert backoff.crash_looping
    assert backoff.ended(31.0) == 0.2


def test_log_files_stay_bounded(folder: Path) -> None:
    log = LogFile(folder / "web.log", max_bytes=1000, keep=2)
    for number in range(200):
        log.line(f"record {number:04} of something that happened")
    log.close()
    files = sorted(folder.glob("web.log*"))
    assert [file.name for file in files] == ["web.log", "web.log.1", "web.log.2"]
    assert all(file.stat().st_size <= 1000 for file in files)
    assert "record 0199" in files[0].read_text()
    assert files[0].stat().st_mode & 0o777 == 0o600


HANGS = """
import argparse, http.server, os, socket, socketserver, time
parser = argparse.ArgumentParser()
parser.add_argument("--socket"); parser.add_argument("--hang-after", type=int)
options = parser.parse_args()
if os.path.exists(options.socket):
    os.unlink(options.socket)
listening = socket.socket(socket.AF_UNIX)
listening.bind(options.socket)
listening.listen()
served = 0
while True:
    connection = listening.accept()[0]
    if connection.recv(1000).startswith(b"GET /healthz/alive "):
        served += 1
        connection.sendall(b"HTTP/1.1 200 OK\\r\\ncontent-length: 0\\r\\n\\r\\n")
    connection.close()
    while served >= options.hang_after:
        time.sleep(1)  # the loop does not turn any more; the socket still takes connections
"""


def test_a_child_that_hangs_is_ended_and_started_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "hangs.py").write_text(HANGS, "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    spec = ChildSpec(
        "web",
        "hangs",
        ("--socket", str(folder / "web"), "--hang-after", "3"),
        socket=folder / "web",
        question=b"GET /healthz/alive HTTP/1.1\r\n\r\n",
        hangs_after=0.6,
    )

    async def run() -> dict[str, object]:
        supervisor = Supervisor([spec], run_folder=folder, log_folder=folder, backoff=BackOff(0.05, 1.0))
        running = asyncio.create_task(supervisor.run())
        try:
            async with asyncio.timeout(60):
                while not (children := read_state(folder).get("children")) or children[0]["restarts"] < 2:
                    await asyncio.sleep(0.05)
            return dict(children[0])
        finally:
            supervisor.stop()
            await running

    child = asyncio.run(run())
    assert child["reason"] == "hung: no answer for 1 s" and child["last_exit"] == -signal.SIGKILL
    log = (folder / "web.log").read_text("utf-8")
    assert "hangs.py" in log and "most recent call first" in log  # where it stood


def test_a_child_that_answers_is_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "hangs.py").write_text(HANGS, "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    socket_ = folder / "web"
    spec = ChildSpec(
        "web",
        "hangs",
        ("--socket", str(socket_), "--hang-after", "10000"),
        socket=socket_,
        question=b"GET /healthz/alive HTTP/1.1\r\n\r\n",
        hangs_after=2.0,
    )

    async def run() -> dict[str, object]:
        supervisor = Supervisor([spec], run_folder=folder, log_folder=folder, backoff=BackOff(0.05, 1.0))
        running = asyncio.create_task(supervisor.run())
        try:
            await asyncio.sleep(3)
            return dict(read_state(folder)["children"][0])
        finally:
            supervisor.stop()
            await running

    child = asyncio.run(run())
    assert (child["restarts"], child["reason"], child["state"]) == (0, "", "ready")


class Enough(Exception):
    pass


@dataclass
class Thawed:
    """A process that has stood still with its whole machine, as by `docker pause`: one answer comes too late."""

    clock: list[float]
    asked: int = 0

    def answers(self, _: float) -> bool:
        self.asked += 1
        if self.asked == 2:
            self.clock[0] += 3600
            return False
        if self.asked == 6:
            raise Enough
        return True


def test_a_machine_that_stood_still_costs_no_process_its_life(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time has passed for the supervisor alone: who could not answer meanwhile is asked again."""
    spec = ChildSpec("web", "nothing", hangs_after=0.06)
    thawed = Thawed([0.0])
    monkeypatch.setattr(ChildSpec, "answers", lambda _, seconds: thawed.answers(seconds))
    monkeypatch.setattr(supervising, "time", SimpleNamespace(monotonic=lambda: thawed.clock[0], time=time.time))
    killed: list[int] = []
    process: Any = SimpleNamespace(send_signal=killed.append, kill=lambda: killed.append(signal.SIGKILL))

    async def run() -> None:
        watched = Supervisor([spec], run_folder=folder, log_folder=folder, backoff=BackOff())
        child = Running(spec, BackOff(), LogFile(folder / "web.log"))
        child.ready.set()
        with pytest.raises(Enough):
            await watched._watch(child, process)

    asyncio.run(run())
    assert not killed and thawed.asked == 6
