"""`miyun vsm`: the operators' commands for the cryptographic machine. Shares are typed or read from files."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from miyun.core.settings import load
from miyun.edge.cli.local import home_option, json_option
from miyun.edge.cli.say import Exit, Problem, ask_secret, say

if TYPE_CHECKING:
    from miyun.hsm.soft.client import SoftMachine

Answer = TypeVar("Answer")


@click.group(help=say("虚拟密码机。", "The cryptographic machine."))
def vsm() -> None:
    pass


@vsm.command(help=say("查看状态。", "Show its state."))
@home_option
@json_option
def status(home: Path | None, as_json: bool) -> None:
    found = _with_machine(home, lambda machine: machine.status())
    facts = {name: str(value) for name, value in asdict(found).items()}
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False, indent=1))
    else:
        for name, value in facts.items():
            click.echo(f"{name:<16}{value}")


@vsm.command(
    help=say(
        "初始化：生成根密钥并分成操作员分量，每份写入一个 0600 文件，请分人保管。",
        "Provision: make the root and split it; each operator's share goes to a 0600 file of its own.",
    )
)
@click.option("--threshold", type=click.IntRange(2, 16), default=2, help=say("解锁所需份数", "shares needed to unlock"))
@click.option("--shares", type=click.IntRange(2, 16), default=3, help=say("总份数", "shares in all"))
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help=say("写入分量的目录", "folder for the shares")
)
@home_option
def provision(threshold: int, shares: int, out: Path, home: Path | None) -> None:
    _with_machine(home, lambda machine: provision_into(machine, threshold, shares, out))


@vsm.command(help=say("解锁：逐份提交操作员分量。", "Unlock: hand in operators' shares one by one."))
@click.option(
    "--share-file", type=click.Path(path_type=Path), multiple=True, help=say("分量文件", "a file with a share")
)
@home_option
def unlock(share_file: tuple[Path, ...], home: Path | None) -> None:
    missing = _with_machine(home, lambda machine: submit_shares(machine, share_file))
    if missing:
        raise Problem(say(f"还缺 {missing} 份", f"{missing} more shares are needed"), Exit.FAILED)
    click.echo(say("已解锁", "unlocked"))


async def provision_into(machine: SoftMachine, threshold: int, shares: int, out: Path) -> None:
    """Make the machine's root; each operator's share is written to a file of its own under `out`."""
    if threshold > shares:
        raise Problem(say("所需份数不能多于总份数", "the threshold exceeds the number of shares"), Exit.USAGE)
    out = out.resolve()
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = [out / f"share-{number}-of-{shares}.txt" for number in range(1, shares + 1)]
    for file in files:
        # The shares are nowhere else: what could keep them from being written must show before they exist.
        if file.exists():
            raise Problem(say(f"{file} 已存在", f"{file} exists already"), Exit.USAGE)
    opened = [os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600) for file in files]
    try:
        made = await machine.provision(threshold, shares)
    except BaseException:
        for descriptor, file in zip(opened, files, strict=True):
            os.close(descriptor)
            file.unlink()
        raise
    for descriptor, file, share in zip(opened, files, made, strict=True):
        with os.fdopen(descriptor, "w") as written:
            written.write(share + "\n")
            written.flush()
            os.fsync(descriptor)
        click.echo(str(file))


async def submit_shares(machine: SoftMachine, files: Sequence[Path]) -> int:
    """Hand in the shares in `files`, or ask for them; the answer is how many are missing still."""
    texts = [file.read_text("utf-8").strip() for file in files]
    missing = (await machine.status()).shares_missing
    given = iter(texts)
    while missing:
        text = next(given, None)
        if text is None:
            if texts:
                break
            text = await asyncio.to_thread(ask_secret, "分量", "share")
        missing = await machine.submit_share(text)
    return missing


def _with_machine(home: Path | None, work: Callable[[SoftMachine], Awaitable[Answer]]) -> Answer:
    from miyun.core.machine import machine_errors
    from miyun.edge.tokens import local_token
    from miyun.hsm.soft.client import SoftMachine

    run = load(home).folder("run")

    async def connected() -> Answer:
        machine = SoftMachine(str(run / "vsm-platform.sock"), token=local_token(run), patience=5.0)
        try:
            with machine_errors():
                return await work(machine)
        finally:
            await machine.aclose()

    return asyncio.run(connected())
