"""For commands that work inside the platform on its own machine: its parts, assembled and closed again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from miyun.core.settings import Settings, load
from miyun.edge.cli.say import Exit, Problem, say
from miyun.edge.supervisor.pidfile import holder

if TYPE_CHECKING:
    from miyun.edge.assembly import Platform

Answer = TypeVar("Answer")

home_option = click.option(
    "--home",
    type=click.Path(path_type=Path),
    help=say("数据目录，默认 MIYUN_HOME 或 ./var", "data folder; default MIYUN_HOME or ./var"),
)
json_option = click.option("--json", "as_json", is_flag=True, help=say("输出 JSON", "print JSON"))


def running_settings(home: Path | None) -> Settings:
    """Fails with UNAVAILABLE when the platform does not run."""
    settings = load(home)
    if holder(settings.folder("run") / "supervisor.pid") is None:
        raise Problem(
            say("平台没有在运行，请先执行 miyun serve。", "The platform is not running; start it with miyun serve."),
            Exit.UNAVAILABLE,
        )
    return settings


def with_platform(home: Path | None, work: Callable[[Platform], Awaitable[Answer]]) -> Answer:
    """Runs `work` with the running platform's parts. Fails with UNAVAILABLE when it does not run."""
    settings = running_settings(home)
    from miyun.edge.assembly import assemble

    async def run() -> Answer:
        platform = await assemble(settings, process="cli")
        try:
            return await work(platform)
        finally:
            await platform.close()

    return asyncio.run(run())
