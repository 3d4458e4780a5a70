"""`miyun token`: software tokens of this user, each a process of its own that libmiyun_skf.so talks to."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import click

from miyun.edge.cli.local import json_option
from miyun.edge.cli.say import Exit, Problem, say

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 15.0
_MODULE: Final = "miyun.hsm.token"

name_argument = click.argument("name", default="token")


@click.group(
    help=say(
        "软件智能密码钥匙（GM/T 0016）：每把是一个独立进程，位于 MIYUN_TOKENS（默认 ~/.miyun/tokens）。",
        "Software USB keys (GM/T 0016): each is a process of its own, under MIYUN_TOKENS (default ~/.miyun/tokens).",
    )
)
def token() -> None:
    pass


@token.command(
    help=say(
        "新建一把软件钥匙。设备认证密钥取自 --auth-key 文件，文件不存在则生成并写入（0600，十六进制）。",
        "Make a software key. The device authentication key comes from the file --auth-key, or is made and written "
        "there (0600, hexadecimal).",
    )
)
@name_argument
@click.option("--label", default="Miyun", help=say("标签", "its label"))
@click.option("--serial", default="", help=say("序列号，默认随机", "its serial number; drawn by default"))
@click.option(
    "--auth-key", type=click.Path(path_type=Path), help=say("设备认证密钥文件", "file of the device authentication key")
)
def init(name: str, label: str, serial: str, auth_key: Path | None) -> None:
    from miyun.hsm.token.place import tokens_folder

    folder = _folder(name)
    tokens_folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    file = auth_key or tokens_folder() / f"{name}.authkey"
    key = _authentication_key(file)
    read, write = os.pipe()
    os.write(write, key)
    os.close(write)
    arguments = ["--folder", str(folder), "--make", "--label", label, "--serial", serial, "--key-fd", str(read)]
    done = subprocess.run(
        [sys.executable, "-m", _MODULE, *arguments], pass_fds=(read,), stderr=subprocess.PIPE, text=True
    )
    os.close(read)
    if done.returncode:
        raise Problem(say(f"没有新建：{_last(done.stderr)}", f"Nothing was made: {_last(done.stderr)}"), Exit.FAILED)
    click.echo(say(f"已新建 {folder}，设备认证密钥在 {file}", f"Made {folder}; device authentication key: {file}"))


@token.command(help=say("插入（启动）一把软件钥匙。", "Plug a software key in: start its process."))
@name_argument
def start(name: str) -> None:
    from miyun.hsm.token.place import process_of

    folder = _folder(name)
    if not folder.is_dir():
        raise Problem(say(f"没有 {name}，请先 miyun token init", f"No {name}; first: miyun token init"), Exit.USAGE)
    if (pid := process_of(name)) is not None:
        click.echo(say(f"已在运行（进程 {pid}）", f"Already running (pid {pid})"))
        return
    with open(folder / "token.log", "ab", opener=lambda path, flags: os.open(path, flags, 0o600)) as log:
        process = subprocess.Popen(
            [sys.executable, "-m", _MODULE, "--folder", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while process_of(name) is None:
        if process.poll() is not None or time.monotonic() > deadline:
            raise Problem(say(f"启动失败，见 {folder}/token.log", f"Not started, see {folder}/token.log"), Exit.FAILED)
        time.sleep(0.05)
    click.echo(say(f"已插入 {name}（进程 {process.pid}）", f"{name} is plugged in (pid {process.pid})"))


@token.command(help=say("拔出（停止）一把软件钥匙。", "Pull a software key out: end its process."))
@name_argument
def stop(name: str) -> None:
    from miyun.hsm.token.place import process_of

    pid = process_of(name)
    if pid is None:
        click.echo(say("没有在运行", "Not running"))
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while process_of(name) is not None:
        if time.monotonic() > deadline:
            raise Problem(say(f"进程 {pid} 没有停止", f"Process {pid} did not stop"), Exit.FAILED)
        time.sleep(0.05)
    click.echo(say(f"已拔出 {name}", f"{name} is pulled out"))


@token.command(help=say("列出软件钥匙。", "List the software keys."))
@json_option
def status(as_json: bool) -> None:
    from miyun.hsm.token.place import process_of, token_names

    rows = [{"name": name, "pid": process_of(name)} for name in token_names()]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    for row in rows:
        state = (
            say("未插入", "not plugged in")
            if row["pid"] is None
            else say("已插入", "plugged in") + f" pid {row['pid']}"
        )
        click.echo(f"{row['name']:<24}{state}")
    if not rows:
        click.echo(say("还没有软件钥匙：miyun token init", "No software key yet: miyun token init"))


def _folder(name: str) -> Path:
    from miyun.hsm.token.place import NAME, tokens_folder

    if not NAME.fullmatch(name):
        raise Problem(say("名称只用字母、数字和 . _ -", "a name has letters, digits and . _ - only"), Exit.USAGE)
    return tokens_folder() / name


def _authentication_key(file: Path) -> bytes:
    if not file.exists():
        with open(file, "x", opener=lambda path, flags: os.open(path, flags, 0o600)) as made:
            made.write(secrets.token_hex(16) + "\n")
    try:
        key = bytes.fromhex(file.read_text("ascii"))
    except ValueError:
        key = b""
    if len(key) != 16:
        raise Problem(say(f"{file} 应为 32 位十六进制", f"{file} should hold 32 hexadecimal digits"), Exit.USAGE)
    return key


def _last(text: str) -> str:
    return text.strip().rpartition("\n")[2]
