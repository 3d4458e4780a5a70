"""What the commands say, in zh or en, and how they end."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, NoReturn

import click

from miyun.core.errors import MiyunError
from miyun.core.i18n import Locale


class Exit(IntEnum):
    OK = 0
    FAILED = 1
    USAGE = 2
    DENIED = 3
    UNAVAILABLE = 4


def language(arguments: Sequence[str] | None = None) -> Locale:
    """`--lang` wins over MIYUN_LANG, LC_ALL, LC_MESSAGES and LANG; Chinese unless one of them is English."""
    listed = list(sys.argv[1:] if arguments is None else arguments)
    for index, argument in enumerate(listed):
        if argument.startswith("--lang="):
            return "en" if argument.endswith("en") else "zh"
        if argument == "--lang" and index + 1 < len(listed):
            return "en" if listed[index + 1] == "en" else "zh"
    for name in ("MIYUN_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name, "").lower():
            return "en" if value.startswith(("en", "c.", "c", "posix")) and not value.startswith("zh") else "zh"
    return "zh"


def say(zh: str, en: str) -> str:
    """The sentence in the caller's language."""
    return zh if language() == "zh" else en


def ask_secret(zh: str, en: str, *, new: bool = False) -> str:
    """Asked on the terminal without being shown, twice when it is `new`. Where there is no terminal, a line of standard
    input: a script may give it so, and the arguments and the environment never hold it."""
    if sys.stdin.isatty():
        answer: str = click.prompt(say(zh, en), hide_input=True, confirmation_prompt=new, err=True)
        return answer
    line = sys.stdin.readline()
    if not line:
        raise Problem(
            say(f"请在终端输入{zh}，或经标准输入给出", f"{en}: enter it on a terminal, or give it on standard input"),
            Exit.USAGE,
        )
    return line.rstrip("\r\n")


def status_exit(status: int) -> Exit:
    """The exit code for an error of an HTTP status."""
    if status in (401, 403):
        return Exit.DENIED
    return Exit.UNAVAILABLE if status in (429, 503) else Exit.FAILED


def fail(message: str, code: Exit = Exit.FAILED) -> NoReturn:
    click.echo(message, err=True)
    raise SystemExit(int(code))


def fail_with(error: MiyunError) -> NoReturn:
    locale = language()
    fail(f"{error.code}: {error.message.to(locale)} {error.advice.to(locale)}", status_exit(error.status))


class Problem(click.ClickException):
    """A failure with its own exit code."""

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(message)
        self.exit_code = int(code)  # type: ignore[misc]

    def show(self, file: Any = None) -> None:
        click.echo(self.format_message(), err=True)
