"""`miyun backup` and `miyun restore`: the whole platform in one encrypted file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from miyun.core.settings import load
from miyun.edge.cli.local import home_option, with_platform
from miyun.edge.cli.say import Exit, Problem, ask_secret, say
from miyun.edge.supervisor.pidfile import holder

if TYPE_CHECKING:
    from miyun.core.backup import Manifest
    from miyun.edge.assembly import Platform

passphrase_option = click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path),
    help=say("口令文件；不给则提示输入", "a file with the passphrase; default: it is asked for"),
)


@click.command(
    help=say(
        "平台运行时备份：密钥（由口令包裹）、数据库、账本、设置，写入一个加密文件。",
        "Back up the running platform: keys (wrapped under the passphrase), database, journal, settings.",
    )
)
@click.argument("out", type=click.Path(path_type=Path))
@passphrase_option
@home_option
def backup(out: Path, passphrase_file: Path | None, home: Path | None) -> None:
    passphrase = _passphrase(passphrase_file, confirm=True)

    async def work(platform: Platform) -> Manifest:
        from miyun.core.backup import backup as make

        return await make(
            platform.settings.home,
            out.absolute(),
            passphrase,
            database=platform.database,
            ledger=platform.ledger,
            machine=platform.machine,
        )

    manifest = with_platform(home, work)
    _print(out, manifest)


@click.command(
    help=say(
        "在空目录上恢复备份；--check 只校验不写入。恢复后请执行 miyun serve。",
        "Restore into an empty folder; --check verifies and writes nothing. Then run miyun serve.",
    )
)
@click.argument("archive", type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help=say("只校验", "only verify"))
@click.option(
    "--dsn-env", metavar="NAME", help=say("装有目标数据库 DSN 的环境变量", "variable holding the target's DSN")
)
@passphrase_option
@home_option
def restore(archive: Path, check: bool, dsn_env: str | None, passphrase_file: Path | None, home: Path | None) -> None:
    from miyun.core.backup import restore as bring_back
    from miyun.core.backup import verify

    if not archive.is_file():
        raise Problem(say(f"没有备份文件 {archive}", f"no backup {archive}"), Exit.USAGE)
    passphrase = _passphrase(passphrase_file, confirm=False)
    if check:
        _print(archive, verify(archive, passphrase))
        return
    settings = load(home)
    if holder(settings.folder("run") / "supervisor.pid") is not None:
        raise Problem(say("平台正在运行，请先停止。", "The platform is running; stop it first."), Exit.FAILED)
    dsn = os.environ[dsn_env] if dsn_env else None
    _print(archive, bring_back(archive, passphrase, settings.home, dsn=dsn, machine_uid=settings.machine.uid))


def _passphrase(file: Path | None, *, confirm: bool) -> str:
    if file is None:
        return ask_secret("口令", "passphrase", new=confirm)
    try:
        return file.read_text("utf-8").strip()
    except OSError as error:
        raise Problem(str(error), Exit.USAGE) from None


def _print(file: Path, manifest: Manifest) -> None:
    facts = {
        "file": str(file),
        "made_at": manifest.made_at.isoformat(),
        "release": manifest.release,
        "database": manifest.database,
        "machine": manifest.machine,
        "journal_records": manifest.journal_size,
        "exact": manifest.exact,
        "members": len(manifest.members),
    }
    click.echo(json.dumps(facts, ensure_ascii=False, indent=1))
