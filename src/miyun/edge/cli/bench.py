"""`miyun bench crypto|api`: runs the repository's own measurements."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from miyun.edge.cli.say import Exit, Problem, say


@click.command(
    context_settings={"ignore_unknown_options": True},
    help=say("性能测量（源码目录中的 benchmarks/）。", "Measure performance (benchmarks/ of the source tree)."),
)
@click.argument("name", type=click.Choice(["crypto", "api"]))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(name: str, arguments: tuple[str, ...]) -> None:
    file = Path(__file__).parents[4] / "benchmarks" / f"{name}.py"
    if not file.exists():
        raise Problem(say(f"此安装不含 {file.name}", f"this installation has no {file.name}"), Exit.UNAVAILABLE)
    raise SystemExit(subprocess.run([sys.executable, str(file), *arguments], check=False).returncode)
