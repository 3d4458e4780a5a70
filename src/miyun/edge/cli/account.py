"""`miyun account recover`: by the operator of the machine, recorded in the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from miyun.edge.cli.local import home_option, with_platform
from miyun.edge.cli.say import say

if TYPE_CHECKING:
    from miyun.edge.assembly import Platform


@click.group(help=say("人员账号。", "People's accounts."))
def account() -> None:
    pass


@account.command(
    help=say(
        "为被锁在外面的人重设一次性口令，写入 secrets/ 下 0600 文件；记入账本。",
        "A new one-time password for somebody locked out, in a 0600 file under secrets/; recorded in the ledger.",
    )
)
@click.argument("login")
@home_option
def recover(login: str, home: Path | None) -> None:
    async def work(platform: Platform) -> list[Path]:
        from miyun.edge.first_logins import keep_first_logins

        password = await platform.cloud.accounts.recover(login)
        return keep_first_logins(platform.settings, {login: password})

    for file in with_platform(home, work):
        click.echo(str(file))
