"""`miyun selftest`: the algorithms on every provider of this machine, by known answers or published vectors."""

from __future__ import annotations

import json
from pathlib import Path

import click

from miyun.edge.cli.say import Exit, say


@click.command(
    help=say("密码算法自检；退出码非 0 即有不符。", "Self-test of the algorithms; non-zero on any mismatch.")
)
@click.option(
    "--vectors",
    type=click.Path(path_type=Path),
    help=say("运行该目录中的全部测试向量（JSON）", "run every vector file (JSON) of this folder"),
)
@click.option("--json", "as_json", is_flag=True, help=say("输出 JSON", "print JSON"))
def selftest(vectors: Path | None, as_json: bool) -> None:
    from miyun.edge.prepare import require_provider

    require_provider()
    if vectors is None:
        _known_answers(as_json)
        return
    from miyun.edge.vectors import CHECKS
    from miyun.gm.selftest import run_vectors

    report = run_vectors(vectors, extra=CHECKS)
    if as_json:
        click.echo(json.dumps(report.to_dict(), ensure_ascii=False, indent=1))
    else:
        for file in report.files:
            skipped = f"  {say('跳过', 'skipped')} {file.skipped}: {file.why_skipped}" if file.skipped else ""
            click.echo(f"{file.provider:<10}{file.file:<40}{file.passed:>7} ok {file.failed:>4} failed{skipped}")
            for failure in file.failures:
                click.echo(f"    {failure}", err=True)
    raise SystemExit(int(Exit.FAILED if report.failed else Exit.OK))


def _known_answers(as_json: bool) -> None:
    from miyun.edge.conformance import self_tests

    report = self_tests()
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False, indent=1))
    else:
        for entry in report["providers"]:
            click.echo(f"{entry['provider']:<10}{len(entry['passed'])} ok  {entry['failed'] or ''}")
    raise SystemExit(int(Exit.FAILED if report["failed"] else Exit.OK))
