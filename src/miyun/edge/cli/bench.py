"""`miyun bench crypto|api|growth|…`: runs the measurements of the source tree; a package has none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from miyun.edge.cli.say import Exit, Problem, say

_FOLDER = Path(__file__).parents[4] / "benchmarks"


@click.command(
    context_settings={"ignore_unknown_options": True},
    help=say(
        "性能测量（源码目录中的 benchmarks/）；--json 输出 JSON，--write 更新 docs/ 中的页面。",
        "Measure performance (benchmarks/ of the source tree); --json prints JSON, --write updates the page in docs/.",
    ),
)
@click.argument("name", type=click.Choice(["crypto", "api", "growth", "ledger", "certificate", "start"]))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(name: str, arguments: tuple[str, ...]) -> None:
    file = _FOLDER / f"{name}.py"
    if not file.exists():
        raise Problem(
            say(
                f"找不到 {file}：性能测量需要在源码目录中安装的密云（make install）。",
                f"there is no {file}: measurements need Miyun installed from its source tree (make install).",
            ),
            Exit.UNAVAILABLE,
        )
    raise SystemExit(subprocess.run([sys.executable, str(file), *arguments], check=False).returncode)
