"""`miyun evidence verify`: exported evidence, checked without the platform."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from miyun.edge.cli.local import json_option
from miyun.edge.cli.say import Exit, Problem, say
from miyun.edge.cli.trust import load_roots


@click.group(help=say("校验已导出的签名证据。", "Check exported signature evidence."))
def evidence() -> None:
    pass


@evidence.command(
    help=say(
        "离线校验证据文件（signature.evidence.export 所得的 ZIP）：记录、全部时间戳与签名。",
        "Verify an evidence file (the ZIP of signature.evidence.export) offline: record, every time-stamp, signature.",
    )
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--root",
    "roots",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help=say("信任的根证书（PEM），可多次", "a root to trust (PEM), any number of times"),
)
@json_option
def verify(file: Path, roots: tuple[Path, ...], as_json: bool) -> None:
    from miyun.offerings.signature.archive.offline import read_files
    from miyun.offerings.signature.archive.offline import verify as check
    from miyun.wire.errors import DecodeError

    try:
        files = read_files(file.read_bytes())
    except (OSError, DecodeError) as error:
        raise Problem(f"{file}: {error}", Exit.USAGE) from None
    statements = check(files, load_roots(roots), datetime.now(UTC))
    good = all(item.good for item in statements)
    if as_json:
        said = [{"good": item.good, "zh": item.text.zh, "en": item.text.en} for item in statements]
        click.echo(json.dumps({"ok": good, "statements": said}, ensure_ascii=False, indent=1))
    else:
        for item in statements:
            click.echo(("✓ " if item.good else "✗ ") + say(item.text.zh, item.text.en), err=not item.good)
        click.echo(say("校验通过", "verified") if good else say("校验未通过", "NOT verified"))
    raise SystemExit(int(Exit.OK if good else Exit.FAILED))
