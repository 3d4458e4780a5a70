"""`miyun ca`: the certification authorities, and the ceremonies that use their root keys."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from miyun.edge.cli.local import home_option, json_option, with_platform
from miyun.edge.cli.say import Exit, Problem, say
from miyun.edge.cli.vsm import provision_into, submit_shares

if TYPE_CHECKING:
    from miyun.edge.assembly import Platform
    from miyun.hsm.soft.client import SoftMachine
    from miyun.offerings.certificate.ceremony import Ceremonies
    from miyun.offerings.certificate.model import RevocationList

_share_option = click.option(
    "--share-file", type=click.Path(path_type=Path), multiple=True, help=say("分量文件", "a file with a share")
)


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
        state = ""
        if row["state"] != "active":
            ended = {"revoked": say("已吊销", "revoked"), "succeeded": say("不再签发", "issues no more")}[row["state"]]
            state = f"  {ended}" + (
                say(f"，后继 {row['successor']}", f", then {row['successor']}") if row["successor"] else ""
            )
        listed = say(f"吊销列表至 {row['crl_next_update'] or '无'}", f"list until {row['crl_next_update'] or 'none'}")
        click.echo(f"{row['ca']:<16}{row['not_after']}  {listed}{state}{due}")


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
@_share_option
@home_option
def ceremony(threshold: int, shares: int, out: Path | None, share_file: tuple[Path, ...], home: Path | None) -> None:
    _hold(
        home,
        lambda machine: _open(machine, threshold, shares, out, share_file),
        lambda ceremonies, machine: ceremonies.hold(machine),
    )


@ca.command(
    help=say(
        "在仪式中吊销一个签发 CA，不可撤销：根 CA 随即签发新的吊销列表与 OCSP 应答，并建立后继 CA 继续签发。"
        "密钥可能泄露或丢失时用 key_compromise：其签发的全部证书一律不再可信。",
        "Revoke an issuing CA in a ceremony, for good: its root signs a new list and OCSP answers, and a successor "
        "issues in its place. key_compromise, where its key may be with others, makes all that it issued worthless, "
        "whatever the time.",
    )
)
@click.argument("name", metavar="CA")
@click.option(
    "--reason",
    type=click.Choice(["key_compromise", "ca_compromise", "superseded", "cessation_of_operation"]),
    required=True,
    help=say("吊销原因", "why"),
)
@click.option("--yes", is_flag=True, help=say("不再询问", "do not ask"))
@_share_option
@home_option
def revoke(name: str, reason: str, yes: bool, share_file: tuple[Path, ...], home: Path | None) -> None:
    from miyun.offerings.certificate.model import AuthorityReason

    if not yes:
        click.confirm(say(f"吊销 {name}（{reason}），不可撤销？", f"Revoke {name} ({reason}), for good?"), abort=True)
    _hold(
        home,
        lambda machine: _open(machine, 0, 0, None, share_file),
        lambda ceremonies, machine: ceremonies.revoke(name, AuthorityReason(reason), machine),
    )


@ca.command(
    help=say(
        "在仪式中为一个签发 CA 建立后继，由其继续签发；原 CA 已签发的证书仍然有效。",
        "Make a successor of an issuing CA in a ceremony, which issues from now on. What the CA issued stays good.",
    )
)
@click.argument("name", metavar="CA")
@_share_option
@home_option
def succeed(name: str, share_file: tuple[Path, ...], home: Path | None) -> None:
    _hold(
        home,
        lambda machine: _open(machine, 0, 0, None, share_file),
        lambda ceremonies, machine: ceremonies.succeed(name, machine),
    )


def _hold(
    home: Path | None,
    unlock: Callable[[SoftMachine], Awaitable[None]],
    work: Callable[[Ceremonies, SoftMachine], Awaitable[list[RevocationList]]],
) -> None:
    async def hold(platform: Platform) -> list[str]:
        from miyun.core.machine import machine_errors
        from miyun.edge.assembly import roots_machine

        with machine_errors():
            async with roots_machine(platform.settings) as machine:
                await unlock(machine)
                made = await work(platform.services["certificate"].ceremonies, machine)
        # At once, what the periodic tasks would do within the hour: responders, lists, and the platform's own keys.
        for part in (platform.services["certificate"], platform.services["timestamp"], platform.evidence_signer):
            await part.bootstrap()
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
            "state": item.state,
            "successor": item.successor,
        }
        for item in (certificate.authority_view(item.id) for item in certificate.authorities.all())
    ]
