"""`miyun agent`: what web pages on this machine may ask of its USB keys. Run by the user whose keys they are."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from miyun.edge.cli.say import Exit, Problem, say

if TYPE_CHECKING:
    from miyun.edge.agent.keys import Keys

LOOK_EVERY: Final = 60.0

file_option = click.option(
    "--file",
    type=click.Path(path_type=Path),
    help=say(
        "允许的网站与授权记录，默认 ~/.miyun/agent.json", "allowed sites and consents; default ~/.miyun/agent.json"
    ),
)


@click.group(
    invoke_without_command=True,
    help=say(
        "密码钥匙助手：供本机浏览器中的网页调用智能密码钥匙（SOF 接口）。不带子命令即启动。",
        "The key agent: web pages in this machine's browser call USB keys through it (SOF). Starts without a command.",
    ),
)
@click.option("--port", type=click.IntRange(1, 65535), default=8610, help=say("本机端口", "port on this machine"))
@click.option(
    "--library",
    type=click.Path(path_type=Path),
    help=say("厂商的 GM/T 0016 库，默认软件钥匙的库", "a maker's library of GM/T 0016; default that of software keys"),
)
@file_option
@click.pass_context
def agent(ctx: click.Context, port: int, library: Path | None, file: Path | None) -> None:
    if ctx.invoked_subcommand is None:
        _serve(port, library, file)


@agent.command(help=say("允许一个网站，例如 https://example.gov.cn", "Allow a site, such as https://example.gov.cn"))
@click.argument("origin")
@file_option
def allow(origin: str, file: Path | None) -> None:
    try:
        click.echo(say("已允许 ", "Allowed: ") + _consents(file).allow(origin))
    except ValueError:
        raise Problem(
            say(
                "应为 https://主机[:端口]（本机可用 http），不带路径",
                "Expected https://host[:port] (http for this machine only) without a path",
            ),
            Exit.USAGE,
        ) from None


@agent.command(help=say("不再允许一个网站，并撤销对它的授权。", "Stop allowing a site; its consents go with it."))
@click.argument("origin")
@file_option
def forbid(origin: str, file: Path | None) -> None:
    if not _consents(file).forbid(origin):
        raise Problem(say(f"{origin} 不在允许之列", f"{origin} is not allowed anyway"), Exit.FAILED)
    click.echo(say("已取消 ", "No longer allowed: ") + origin)


@agent.command(name="list", help=say("列出允许的网站。", "List the allowed sites."))
@file_option
def listing(file: Path | None) -> None:
    for origin in _consents(file).origins():
        click.echo(origin)


def _consents(file: Path | None) -> Any:
    """By the option of the subcommand, or of `miyun agent` before it."""
    from miyun.edge.agent.consent import Consents, default_file

    above = click.get_current_context().parent
    return Consents(file or (above and above.params.get("file")) or default_file())


def _serve(port: int, library: Path | None, file: Path | None) -> None:
    import uvicorn

    from miyun.edge.agent.app import Agent
    from miyun.edge.agent.consent import now
    from miyun.edge.agent.functions import Functions
    from miyun.edge.agent.keys import Keys
    from miyun.hsm.skf import OWN_LIBRARY, Library, LibraryUnusable

    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    try:
        loaded = Library(library or OWN_LIBRARY)
    except LibraryUnusable as error:
        raise Problem(say(f"不能使用 {error.path}：{error.why}", f"{error.path}: {error.why}"), Exit.FAILED) from None
    consents, keys = _consents(file), Keys(loaded)
    app = Agent(Functions(keys, consents), consents, port=port)
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_config=None, access_log=False, server_header=False, lifespan="off"
    )
    server = uvicorn.Server(config)

    async def run() -> None:
        idle = asyncio.create_task(_forget_idle(keys, app, now))
        try:
            await server.serve()
        finally:
            idle.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await idle

    click.echo(say(f"密码钥匙助手在 http://127.0.0.1:{port}", f"The key agent is at http://127.0.0.1:{port}"))
    asyncio.run(run())
    keys.close()
    if not server.started:
        raise Problem(say(f"端口 {port} 不可用", f"port {port} is not available"), Exit.UNAVAILABLE)


async def _forget_idle(keys: Keys, app: Any, now: Any) -> None:
    while True:
        await asyncio.sleep(LOOK_EVERY)
        await app.in_thread(keys.forget_idle, now())
