"""`miyun audit verify`: the whole journal, offline."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from miyun.core.settings import load
from miyun.edge.cli.local import home_option, json_option
from miyun.edge.cli.say import Exit, Problem, language, say
from miyun.edge.cli.trust import Trust, load_trust

if TYPE_CHECKING:
    from miyun.core.ledger.verify import VerifyReport


@click.group(help=say("审计账本。", "The audit ledger."))
def audit() -> None:
    pass


@audit.command(
    help=say(
        "离线验证账本：逐条重算杂凑链与默克尔根，校验锚点的签名与时间戳，指出第一处被改动的记录。",
        "Verify a journal offline: hash chain, Merkle roots, signatures and time-stamps of the anchors.",
    )
)
@click.option("--journal", type=click.Path(path_type=Path), help=say("账本目录", "the journal's folder"))
@click.option(
    "--trust", type=click.Path(path_type=Path), help=say("证书目录", "folder with root-*.pem, intermediate-*.pem")
)
@click.option(
    "--root", "roots", multiple=True, type=click.Path(path_type=Path), help=say("信任的根证书", "a root to trust")
)
@json_option
@home_option
def verify(journal: Path | None, trust: Path | None, roots: tuple[Path, ...], as_json: bool, home: Path | None) -> None:
    from miyun.core.ledger.verify import verify_journal

    if journal is None or trust is None:
        settings = load(home)
        journal = journal or settings.folder("journal")
        trust = trust or settings.folder("data") / "trust"
    if not journal.is_dir():
        raise Problem(say(f"没有账本目录 {journal}", f"no journal folder {journal}"), Exit.USAGE)
    trusted = load_trust(trust, roots)
    report = verify_journal(journal, check_signature=signature_check(trusted) if trusted.roots else None)
    if as_json:
        click.echo(json.dumps(_as_dict(report), ensure_ascii=False, indent=1))
    else:
        _print(report)
    raise SystemExit(int(Exit.OK if report.ok else Exit.FAILED))


def signature_check(trust: Trust) -> Callable[[bytes, bytes, bytes | None], None]:
    """Checks an anchor's CMS signature and time-stamp up to the trusted roots; raises when one does not verify."""
    from miyun.core.digest import digest
    from miyun.wire.cms import verify_signed_data
    from miyun.wire.tsp import verify_token
    from miyun.wire.x509 import Purpose, verify_chain

    def check(content: bytes, signature: bytes, token: bytes | None) -> None:
        at = datetime.fromisoformat(json.loads(content)["at"])
        if token is not None:
            stamped = digest(signature)
            at = verify_token(token, anchors=trust.roots, digest=stamped, certificates=trust.intermediates).gen_time
        info = verify_signed_data(signature, content=content)
        certificate = info.signers[0].certificate
        assert certificate is not None
        known = (*info.certificates, *trust.intermediates)
        verify_chain(certificate, known, trust.roots, at, purpose=Purpose.SIGNATURE)

    return check


def _as_dict(report: VerifyReport) -> dict[str, object]:
    return {
        "ok": report.ok,
        "records": report.records,
        "segments": report.segments,
        "root": report.root.hex(),
        "anchors": report.anchors,
        "anchored": report.anchored,
        "signatures_checked": report.signatures_checked,
        "problem_count": report.problem_count,
        "problems": [
            {"kind": p.kind, "file": p.file, "seq": p.seq, "zh": p.message.zh, "en": p.message.en}
            for p in report.problems
        ],
    }


def _print(report: VerifyReport) -> None:
    click.echo(
        say(
            f"记录 {report.records} 条，锚点 {report.anchors} 个", f"{report.records} records, {report.anchors} anchors"
        )
    )
    if not report.signatures_checked:
        click.echo(
            say("未给出根证书：锚点签名未校验", "no root certificate given: the anchors' signatures were not checked")
        )
    for problem in report.problems:
        click.echo(f"{problem.kind} {problem.file}: {problem.message.to(language())}", err=True)
    click.echo(
        say("账本完整", "the journal is intact") if report.ok else say("账本被改动或缺失", "the journal was altered")
    )
