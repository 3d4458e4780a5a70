"""`miyun api kms key create --alias x …`: one command for each operation, made from a generated table.

A value `@FILE` is read from a file and `@-` from standard input; octets are then encoded, otherwise given as base64.
What is secret is best given so: the command line is seen by others.
"""

from __future__ import annotations

import base64
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from miyun.edge.cli._operations import OPERATIONS, Described
from miyun.edge.cli.calling import calling, key_option, library_option, the_key
from miyun.edge.cli.profile import load_profile
from miyun.edge.cli.say import Exit, Problem, say

_BYTES, _JSON, _LIST = "bytes", "json", "list"
_METAVARS = {_BYTES: "BASE64", _LIST: "STR", "bool": "true|false"}


class Tree(click.Group):
    """The operations below a prefix. Any operation can also be called by its whole id."""

    def __init__(self, prefix: str, **options: Any) -> None:
        super().__init__(**options)
        self._prefix = prefix

    def list_commands(self, ctx: click.Context) -> list[str]:
        rest = [id_.removeprefix(self._prefix) for id_ in OPERATIONS if id_.startswith(self._prefix)]
        return sorted({part.split(".", 1)[0] for part in rest})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in OPERATIONS:
            return _command(OPERATIONS[cmd_name])
        full = self._prefix + cmd_name
        if any(id_.startswith(full + ".") for id_ in OPERATIONS):
            own = OPERATIONS.get(full)
            summary = say(own.zh[0], own.en[0]) if own else ""
            tree = Tree(full + ".", name=cmd_name, short_help=summary, params=[], no_args_is_help=own is None)
            if own is not None:
                tree.params, tree.callback, tree.invoke_without_command = _parameters(own), _runner(own), True
            return tree
        return _command(OPERATIONS[full]) if full in OPERATIONS else None


def _command(operation: Described) -> click.Command:
    summary, description = map(say, operation.zh, operation.en)
    return click.Command(
        operation.id.rpartition(".")[2],
        params=_parameters(operation),
        callback=_runner(operation),
        help=f"{summary}  ({operation.id})\n\n{description}",
        epilog=say(
            "值写作 @文件 则从文件读取，@- 为标准输入。", "A value @FILE is read from a file, @- from standard input."
        ),
        short_help=summary,
    )


def _parameters(operation: Described) -> list[click.Parameter]:
    parameters: list[click.Parameter] = []
    for field in operation.fields:
        more = " …" if field.kind == _LIST else ""
        notes = [f"{say('默认', 'default')} {field.default}"] if field.default else []
        notes += [f"{say('例如', 'e.g.')} {field.example}"] if field.example else []
        parameters.append(
            click.Option(
                [f"--{field.name.replace('_', '-')}", f"field_{field.name}"],
                required=field.required and not operation.group,
                multiple=field.kind == _LIST,
                metavar=f"{'|'.join(field.choices) or _METAVARS.get(field.kind, field.kind.upper())}{more}",
                help="; ".join(notes),
            )
        )
    if operation.body != "json":
        parameters.append(
            click.Option(["--in", "source"], required=True, help=say("输入文件，- 为标准输入", "- reads stdin"))
        )
    if operation.reply != "json":
        parameters.append(click.Option(["--out", "target"], help=say("输出文件，默认标准输出", "default stdout")))
    parameters.append(click.Option(["--charge-to"], help=say("计入的服务实例", "service instance to charge")))
    if operation.idempotent:
        parameters.append(click.Option(["--idempotency-key"], help=say("幂等键", "default: a fresh one")))
    if operation.step_up:
        parameters += [library_option(), key_option()]
    parameters.append(click.Option(["--profile"], default="default", help=say("配置节", "section of the profile file")))
    return parameters


def _runner(operation: Described) -> Callable[..., None]:
    def run(
        profile: str,
        source: str | None = None,
        target: str | None = None,
        skf_library: Path | None = None,
        key_name: str | None = None,
        **options: Any,
    ) -> None:
        if operation.group and (context := click.get_current_context()).invoked_subcommand is not None:
            if any(value for name, value in options.items() if name.startswith("field_")):
                context.fail(say("选项须放在子命令之后", "options belong after the subcommand"))
            return
        kinds = {field.name: field.kind for field in operation.fields}
        values = {
            name: _value(kinds[name], options[f"field_{name}"])
            for name in kinds
            if options[f"field_{name}"] not in (None, ())
        }
        extra = {name: options[name] for name in ("charge_to", "idempotency_key") if options.get(name)}
        _call(operation, profile, values | extra, source, target, skf_library, key_name)

    return run


def _call(
    operation: Described,
    profile: str,
    values: dict[str, Any],
    source: str | None,
    target: str | None,
    skf_library: Path | None,
    key_name: str | None,
) -> None:
    found = load_profile(profile)
    with calling(found, the_key(found, skf_library, key_name)) as client:
        try:
            if operation.body == "stream" or operation.reply == "stream":
                _transfer(client, operation, values, source or "-", target or "-")
                return
            body = _read(source) if source is not None else None
            answer = client.call(operation.id, body=body, **values)
        except TypeError as error:
            raise click.UsageError(str(error)) from None
    if isinstance(answer, bytes):
        _write(target, answer)
    else:
        click.echo(json.dumps(answer, ensure_ascii=False, indent=1))


def _transfer(client: Any, operation: Described, values: dict[str, Any], source: str, target: str) -> None:
    total = Path(source).stat().st_size if source != "-" else None
    shown = sys.stderr.isatty()

    def progress(sent: int, received: int) -> None:
        if shown:
            share = f" {100 * sent // total}%" if total else ""
            click.echo(f"\r{sent >> 20} MiB → {received >> 20} MiB{share}", err=True, nl=False)

    client.transfer(
        operation.id,
        io.BytesIO() if operation.body != "stream" else sys.stdin.buffer if source == "-" else source,
        sys.stdout.buffer if target == "-" else target,
        progress=progress,
        **values,
    )
    if shown:
        click.echo("", err=True)


def _value(kind: str, given: Any) -> Any:
    if kind == _LIST:
        return [_text(item) for item in given]
    if kind == _BYTES:
        return _read(given[1:]) if given.startswith("@") else _base64(given)
    text = _text(given)
    try:
        if kind == _JSON:
            return json.loads(text)
        if kind == "int":
            return int(text)
        if kind == "float":
            return float(text)
    except ValueError as error:
        raise click.UsageError(f"{text!r}: {error}") from None
    if kind == "bool":
        if text.lower() not in ("true", "false"):
            raise click.UsageError(f"{text!r}: true | false")
        return text.lower() == "true"
    return text


def _base64(text: str) -> str:
    try:
        base64.b64decode(text, validate=True)
    except ValueError as error:
        raise click.UsageError(f"{say('不是 base64', 'not base64')}: {error}") from None
    return text


def _text(given: str) -> str:
    if given.startswith("@@"):
        return given[1:]
    return _read(given[1:]).decode("utf-8").rstrip("\n") if given.startswith("@") else given


def _read(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise Problem(str(error), Exit.USAGE) from None


def _write(target: str | None, content: bytes) -> None:
    if target in (None, "-"):
        sys.stdout.buffer.write(content)
    else:
        Path(str(target)).write_bytes(content)


api = Tree(
    "",
    name="api",
    help=say(
        "调用平台接口；身份取自 ~/.config/miyun/profile.toml（0600）或环境变量。",
        "Call operations; who you are comes from ~/.config/miyun/profile.toml (0600) or the environment.",
    ),
)
