"""`miyun contract check` (needs no platform) and `miyun contract import`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from miyun.core.clock import SHANGHAI
from miyun.edge.cli.local import home_option, json_option, with_platform
from miyun.edge.cli.say import Exit, Problem, language, say

if TYPE_CHECKING:
    from miyun.delivery.contract.checker import CheckResult
    from miyun.edge.assembly import Platform

UNREADABLE = 2


@click.group(
    help=say("核验、导入合同文本（.txt、.docx、文本 PDF）。", "Check and import a contract (.txt, .docx, text PDF).")
)
def contract() -> None:
    pass


annex_option = click.option(
    "--annex",
    "annexes",
    multiple=True,
    type=click.Path(path_type=Path),
    help=say("单独成文件的附件，可多次给出", "an annex in a file of its own; may be repeated"),
)


@contract.command(
    help=say(
        "核验合同文本。退出码：0 无错误，1 有错误，2 无法读取。",
        "Check a contract's text. Exit codes: 0 clean, 1 errors found, 2 unreadable.",
    )
)
@click.argument("file", type=click.Path(path_type=Path))
@annex_option
@json_option
@click.option("--lang", type=click.Choice(["zh", "en"]), expose_value=False, help=say("语言", "language"))
@click.option(
    "--supplement",
    type=click.Path(path_type=Path),
    help=say("另存补充协议草稿（.docx）", "write a draft supplement (.docx)"),
)
def check(file: Path, annexes: tuple[Path, ...], as_json: bool, supplement: Path | None) -> None:
    result = read(file, annexes)
    from miyun.delivery.contract.render import to_json, to_text

    if as_json:
        click.echo(json.dumps(to_json(result), ensure_ascii=False, indent=1))
    else:
        click.echo(to_text(result, language()))
    write_draft(result, supplement)
    raise SystemExit(result.exit_code)


@contract.command(
    "import",
    help=say(
        "导入合同：建立租户、服务实例与权益。有错误的文本须以 --yes 接受核验结果。",
        "Import a contract: tenant, instances, entitlements. --yes accepts the findings of a text with errors.",
    ),
)
@click.argument("file", type=click.Path(path_type=Path))
@annex_option
@click.option("--yes", is_flag=True, help=say("接受核验结果", "accept the findings"))
@click.option(
    "--rehearsal",
    is_flag=True,
    help=say("作为演练导入，服务期平移到今天起", "import as a rehearsal, its term moved to today"),
)
@click.option(
    "--overuse",
    type=click.Choice(["refuse", "allow"]),
    default="refuse",
    help=say("超出每小时容量时：拒绝，或放行并报告", "beyond the hourly capacity: refuse, or allow and report"),
)
@click.option(
    "--supplement",
    type=click.Path(path_type=Path),
    help=say("另存补充协议草稿（.docx）", "write a draft supplement (.docx)"),
)
@home_option
def import_(
    file: Path,
    annexes: tuple[Path, ...],
    yes: bool,
    rehearsal: bool,
    overuse: str,
    supplement: Path | None,
    home: Path | None,
) -> None:
    result = read(file, annexes)
    from miyun.delivery.contract.render import to_text

    click.echo(to_text(result, language()))
    write_draft(result, supplement)
    if not yes and result.findings:
        question = say("接受以上核验结果并导入？", "Accept these findings and import?")
        if not sys.stdin.isatty() or not click.confirm(question):
            raise Problem(
                say("未导入：核验结果未被接受。", "Not imported: the findings were not accepted."), Exit.FAILED
            )

    async def activate(platform: Platform) -> dict[str, Any]:
        return await import_contract(platform, result, rehearsal=rehearsal, overuse=overuse)

    click.echo(json.dumps(with_platform(home, activate), ensure_ascii=False, indent=1))


async def import_contract(platform: Platform, result: CheckResult, *, rehearsal: bool, overuse: str) -> dict[str, Any]:
    """Open what the contract buys; first logins of the tenant's administrators go to 0600 files under secrets/."""
    from miyun.core.contracts.model import Overuse
    from miyun.delivery import importing
    from miyun.delivery.contract.render import to_json
    from miyun.edge.first_logins import keep_first_logins

    prepared = importing.prepare(
        result.contract,
        to_json(result),
        result.document.text,
        offerings=platform.registry.offerings,
        today=platform.clock.now().astimezone(SHANGHAI).date(),
        rehearsal=rehearsal,
        overuse=Overuse.REFUSE if overuse == "refuse" else Overuse.ALLOW,
    )
    activated = await platform.cloud.contracts.activate(prepared.spec)
    files = keep_first_logins(platform.settings, activated.first_logins)
    return {
        "contract": activated.contract,
        "tenant": activated.tenant,
        "created": activated.created,
        "instances": dict(activated.instances),
        "not_opened": [line.name for line in prepared.not_opened],
        "first_logins": [str(file) for file in files],
    }


def read(file: Path, annexes: tuple[Path, ...]) -> CheckResult:
    from miyun.delivery.contract.checker import check
    from miyun.delivery.contract.document import UnreadableDocument
    from miyun.delivery.contract.finding import UNREAD

    try:
        result = check(file, annexes)
    except (UnreadableDocument, OSError) as error:
        text = getattr(error, "message", None)
        click.echo(text.to(language()) if text is not None else f"{file}: {error}", err=True)
        raise SystemExit(UNREADABLE) from None
    for finding in result.findings:
        if finding.kind == UNREAD:
            raise Problem(f"{file}: {finding.message.to(language())}", Exit.USAGE)
    return result


def write_draft(result: CheckResult, target: Path | None) -> None:
    if target is not None:
        from miyun.delivery.contract.supplement import write_supplement

        written = write_supplement(result, target)
        click.echo(say(f"补充协议草稿：{written}", f"Draft supplement: {written}"), err=True)
