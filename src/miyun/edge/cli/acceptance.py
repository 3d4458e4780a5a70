"""`miyun acceptance build` and `miyun acceptance verify` (offline)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from miyun.edge.cli.local import home_option, json_option, with_platform
from miyun.edge.cli.say import Exit, Problem, say
from miyun.edge.cli.trust import load_roots

if TYPE_CHECKING:
    from miyun.edge.assembly import Platform


@click.group(help=say("生成、校验验收资料。", "Build and verify the acceptance dossier."))
def acceptance() -> None:
    pass


@acceptance.command(
    help=say("为合同生成验收资料。缺项时退出码为 1。", "Build a contract's dossier; exit 1 when items are missing.")
)
@click.argument("contract")
@home_option
def build(contract: str, home: Path | None) -> None:
    async def work(platform: Platform) -> dict[str, Any]:
        found = platform.contracts.contract(contract, None)
        if found is None:
            raise Problem(say(f"没有合同 {contract}", f"no contract {contract}"), Exit.FAILED)
        await platform.anchor()
        manifest = await platform.delivery.build_for(found, lambda path: click.echo(path, err=True))
        return {
            "path": str(platform.delivery.folder(found.id)),
            "ready": manifest.ready,
            "items": len(manifest.items),
            "missing": [item.path for item in manifest.missing],
        }

    report = with_platform(home, work)
    click.echo(json.dumps(report, ensure_ascii=False, indent=1))
    raise SystemExit(int(Exit.OK if report["ready"] else Exit.FAILED))


@acceptance.command(
    help=say(
        "离线校验验收资料：逐项指出被改、缺失、多出的文件与失效的签名、时间戳、账本证明。",
        "Verify a dossier offline: names every altered, missing or added file and what does not verify.",
    )
)
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--root",
    "roots",
    multiple=True,
    type=click.Path(path_type=Path),
    help=say(
        "信任的根证书；不给则用资料自带的并说明", "a root to trust; default: those of the dossier, and it is said"
    ),
)
@json_option
def verify(directory: Path, roots: tuple[Path, ...], as_json: bool) -> None:
    from miyun.delivery.acceptance.manifest import DossierUnreadable
    from miyun.delivery.acceptance.verify import verify_dossier

    try:
        report = verify_dossier(directory, roots=load_roots(roots))
    except DossierUnreadable as error:
        raise Problem(f"{directory}: {error}", Exit.USAGE) from None
    answer = report.to_dict()
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False, indent=1))
    else:
        _print(answer)
    raise SystemExit(int(Exit.OK if report.ok else Exit.FAILED))


def _print(answer: dict[str, Any]) -> None:
    if answer["rehearsal"]:
        click.echo(say("演练资料（服务期已平移）", "A rehearsal (its term was moved)"))
    click.echo(
        say(
            f"文件 {answer['files']}，账本记录 {answer['records']}",
            f"{answer['files']} files, {answer['records']} ledger records",
        )
    )
    click.echo(
        say(
            f"签名者 {answer['signed_by']}，时间戳 {answer['timestamp']}",
            f"signed by {answer['signed_by']}, time-stamped {answer['timestamp']}",
        )
    )
    if answer["roots_from_dossier"]:
        click.echo(
            say("根证书取自资料本身，请核对其指纹：", "The roots are the dossier's own; compare their fingerprints:")
        )
    for root in answer["roots"]:
        click.echo(f"  SM3 {root}")
    for fault in answer["faults"]:
        click.echo(f"{fault['kind']}: {fault['path']}: {fault['text']}", err=True)
    for item in answer["missing"]:
        click.echo(say(f"缺项：{item['path']}", f"missing: {item['path']}"), err=True)
    click.echo(say("校验通过", "verified") if answer["ok"] else say("校验未通过", "NOT verified"))
