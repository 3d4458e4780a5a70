"""`miyun serve`, `stop`, `status`: the processes of this node."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click

from miyun.core.settings import Settings, load
from miyun.edge.cli.say import Exit, Problem, say
from miyun.edge.supervisor import AlreadyRunning, BackOff, Supervisor, holder, read_state
from miyun.edge.supervisor.child import is_alive, started_ticks
from miyun.edge.supervisor.platform import specs, web_socket

START_SECONDS = 90.0
STOP_SECONDS = 90.0
_CHILD = ("name", "state", "pid", "since", "restarts", "last_exit", "reason")

home_option = click.option(
    "--home",
    type=click.Path(path_type=Path),
    help=say("数据目录，默认 MIYUN_HOME 或 ./var", "default MIYUN_HOME or ./var"),
)


@click.command(help=say("启动平台的全部进程。", "Start all processes of the platform."))
@home_option
@click.option(
    "--detach/--foreground",
    default=False,
    help=say("在后台运行，就绪后返回", "run in the background, return when ready"),
)
def serve(home: Path | None, detach: bool) -> None:
    settings = load(home)
    if detach:
        _detach(settings)
        return
    from miyun.edge.prepare import prepare

    prepare(settings)
    supervisor = Supervisor(
        specs(settings), run_folder=settings.folder("run"), log_folder=settings.folder("log"), backoff=BackOff()
    )
    click.echo(say(f"平台地址 {settings.url}，按 Ctrl-C 停止。", f"Serving {settings.url}; Ctrl-C stops."))
    try:
        asyncio.run(supervisor.run())
    except AlreadyRunning as error:
        raise Problem(
            say(f"平台已在运行（进程 {error.pid}）。", f"Already running (pid {error.pid})."), Exit.FAILED
        ) from None


def _detach(settings: Settings) -> None:
    from miyun.edge.prepare import prepare

    if (pid := holder(settings.folder("run") / "supervisor.pid")) is not None:
        click.echo(say(f"平台已在运行（进程 {pid}）：{settings.url}", f"Already running (pid {pid}): {settings.url}"))
        return
    prepare(settings)
    output = settings.folder("log") / "serve.out"
    with open(output, "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "miyun.edge.cli", "serve", "--foreground", "--home", str(settings.home)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        state = read_state(settings.folder("run"))
        if state.get("pid") == process.pid and all(child["state"] == "ready" for child in state["children"]):
            click.echo(say(f"平台已启动：{settings.url}", f"Started: {settings.url}"))
            return
        if process.poll() is not None:
            raise Problem(say(f"启动失败，见 {output}", f"The start failed, see {output}"), Exit.FAILED)
        time.sleep(0.1)
    late = ", ".join(child["name"] for child in state.get("children", ()) if child["state"] != "ready")
    raise Problem(
        say(f"未就绪：{late}，见 {settings.folder('log')}", f"Not ready: {late}; see {settings.folder('log')}"),
        Exit.UNAVAILABLE,
    )


@click.command(help=say("停止平台，等全部进程结束。", "Stop the platform; returns when every process has ended."))
@home_option
def stop(home: Path | None) -> None:
    settings = load(home)
    pidfile = settings.folder("run") / "supervisor.pid"
    pid = holder(pidfile)
    if pid is None:
        click.echo(say("平台没有在运行。", "Not running."))
        return
    ticks = started_ticks(pid)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while holder(pidfile) is not None or is_alive(pid, ticks):
        if time.monotonic() > deadline:
            raise Problem(say(f"进程 {pid} 没有停止。", f"Process {pid} did not stop."), Exit.FAILED)
        time.sleep(0.05)
    click.echo(say("平台已停止。", "Stopped."))


@click.command(help=say("查看进程与就绪状态。", "Show processes and readiness."))
@home_option
@click.option("--json", "as_json", is_flag=True, help=say("输出 JSON", "print JSON"))
def status(home: Path | None, as_json: bool) -> None:
    settings = load(home)
    run = settings.folder("run")
    pid = holder(run / "supervisor.pid")
    children = read_state(run).get("children", []) if pid is not None else []
    health = _health(settings) if pid is not None else None
    ready = bool(health and health.get("ready")) and all(child["state"] == "ready" for child in children)
    report = {"running": pid is not None, "ready": ready, "pid": pid, "address": settings.url,
              "mutual": settings.mutual_url, "publication": settings.publication_url, "children": [
        {name: child.get(name) for name in _CHILD} for child in children
    ], "parts": (health or {}).get("parts", {})}  # fmt: skip
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False, indent=1))
    else:
        _print(report)
    raise SystemExit(int(Exit.OK if ready else Exit.UNAVAILABLE))


def _print(report: dict[str, Any]) -> None:
    if not report["running"]:
        click.echo(say("平台没有在运行。", "Not running."))
        return
    readiness = say("就绪", "ready") if report["ready"] else say("未就绪", "not ready")
    click.echo(f"{report['address']}  pid {report['pid']}  {readiness}")
    if report["mutual"]:
        click.echo(f"{report['mutual']}  {say('要求客户端证书（登录）', 'asks clients for certificates (login)')}")
    if report["publication"] != report["address"]:
        click.echo(
            f"{report['publication']}  {say('明文发布：吊销列表、OCSP', 'in the clear: revocation lists, OCSP')}"
        )
    for child in report["children"]:
        restarts = say(f"重启 {child['restarts']} 次", f"{child['restarts']} restarts")
        reason = f"  {child['reason']}" if child["reason"] else ""
        click.echo(f"  {child['name']:<14}{child['state']:<15}pid {child['pid'] or '-':<9}{restarts}{reason}")
    for part, state in report["parts"].items():
        click.echo(f"  {part}: {state}")


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("local", timeout=5)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _health(settings: Settings) -> dict[str, Any] | None:
    """Asked over a worker's own socket, so that it answers even when the listener does not."""
    for number in range(settings.server.workers):
        connection = _UnixConnection(web_socket(settings.folder("run"), number))
        try:
            connection.request("GET", "/healthz")
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
            return answer
        except (OSError, http.client.HTTPException, ValueError):
            continue
        finally:
            connection.close()
    return None
