"""`miyun ca`: the certification authorities, and the ceremonies that use their root keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from miyun.edge.cli.local import home_option, json_option, with_platform
from miyun.edge.cli.say import Exit, Problem, say
from miyun.edge.cli.vsm import provision_into, submit_shares

if TYPE_CHECKING:
    from miyun.edge.assembly import Platform
    from miyun.hsm.soft.client import SoftMachine


@click.group(help=say("证书认证机构与根密钥仪式。", "Certification authorities and ceremonies of the root keys."))
def ca() -> None:
    pass


@ca.command(help=say("列出各 CA、吊销列表及何时须举行仪式。", "List the CAs, their lists, and when a ceremony is due."))
@home_option
@json_option
def status(home: Path | None, as_json: bool) -> None:
    rows = with_platform(home, _rows)
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    if not rows:
        click.echo(say("尚无 CA。请执行 miyun ca ceremony。", "There is no CA yet. Run miyun ca ceremony."))
    for row in rows:
        due = say("  须举行仪式", "  a ceremony is due") if row["ceremony_due"] else ""
        listed = say(f"吊销列表至 {row['crl_next_update'] or '无'}", f"list until {row['crl_next_update'] or 'none'}")
        click.echo(f"{row['ca']:<16}{row['not_after']}  {listed}{due}")


@ca.command(
    help=say(
        "根密钥仪式：启动根密码机，建立缺少的 CA，更新将到期的根吊销列表，然后关闭。首次以分量保护时，须给出 --out。",
        "Start the machine of the root keys, certify CAs that are missing, renew root lists that are due, and stop it "
        "again. The first time, where shares protect it, --out is needed.",
    )
)
@click.option("--threshold", type=click.IntRange(2, 16), default=2, help=say("解锁所需份数", "shares needed to unlock"))
@click.option("--shares", type=click.IntRange(2, 16), default=3, help=say("总份数", "shares in all"))
@click.option("--out", type=click.Path(path_type=Path), help=say("写入分量的目录", "folder for the shares"))
@click.option(
    "--share-file", type=click.Path(path_type=Path), multiple=True, help=say("分量文件", "a file with a share")
)
@home_option
def ceremony(threshold: int, shares: int, out: Path | None, share_file: tuple[Path, ...], home: Path | None) -> None:
    async def hold(platform: Platform) -> list[str]:
        from miyun.core.machine import machine_errors
        from miyun.edge.assembly import roots_machine

        with machine_errors():
            async with roots_machine(platform.settings) as machine:
                await _open(machine, threshold, shares, out, share_file)
                made = await platform.services["certificate"].hold_ceremony(machine)
        return [f"{item.authority} {item.number} {item.next_update:%Y-%m-%d}" for item in made]

    for line in with_platform(home, hold):
        click.echo(say(f"吊销列表：{line}", f"list: {line}"))
    click.echo(say("仪式完成，根密码机已关闭", "done; the machine of the root keys is stopped"))


async def _open(
    machine: SoftMachine, threshold: int, shares: int, out: Path | None, share_file: tuple[Path, ...]
) -> None:
    from miyun.hsm.port import MachineState

    state = (await machine.status()).state
    if state is MachineState.UNPROVISIONED:
        if out is None:
            raise Problem(
                say("首次仪式请以 --out 给出写入分量的目录", "the first ceremony needs --out, a folder for the shares"),
                Exit.USAGE,
            )
        await provision_into(machine, threshold, shares, out)
    elif state is MachineState.LOCKED and (missing := await submit_shares(machine, share_file)):
        raise Problem(say(f"还缺 {missing} 份", f"{missing} more shares are needed"), Exit.FAILED)


async def _rows(platform: Platform) -> list[dict[str, Any]]:
    certificate = platform.services["certificate"]
    due = {item.id for item in await certificate.revocation.roots_due()}
    return [
        {
            "ca": item.ca,
            "role": item.role,
            "subject": item.subject,
            "not_after": item.not_after.date().isoformat(),
            "crl_number": item.crl_number,
            "crl_next_update": item.crl_next_update.date().isoformat() if item.crl_next_update else None,
            "ceremony_due": item.ca in due,
        }
        for item in (certificate.authority_view(item.id) for item in certificate.authorities.all())
    ]
