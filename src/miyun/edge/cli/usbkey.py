"""`miyun usbkey`: USB keys on this machine, of any maker, set up and unlocked with the platform's operations."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from miyun.edge.cli.calling import calling
from miyun.edge.cli.profile import load_profile
from miyun.edge.cli.say import Exit, Problem, ask_secret, say

if TYPE_CHECKING:
    from miyun.hsm.skf import Library

_AUTHENTICATION_KEY: Final = 16

library_option = click.option(
    "--library",
    type=click.Path(path_type=Path),
    help=say("厂商的 GM/T 0016 库，默认软件钥匙的库", "a maker's library of GM/T 0016; default that of software keys"),
)
token_option = click.option(
    "--token",
    "name",
    help=say("库中的设备名，只插一把时可省略", "its name in the library; not needed when one is plugged in"),
)
pin_option = click.option(
    "--pin-file",
    type=click.Path(path_type=Path),
    help=say("新用户 PIN 的文件，默认提示输入", "file of the new user PIN"),
)
profile_option = click.option("--profile", default="default", help=say("配置节", "section of the profile file"))


@click.group(help=say("智能密码钥匙：写证书、解锁。", "USB keys: set up, unlock."))
def usbkey() -> None:
    pass


@usbkey.command(name="list", help=say("列出已插入的钥匙。", "List the keys that are plugged in."))
@library_option
def listing(library: Path | None) -> None:
    from miyun.hsm.skf import connected, token_names

    with _library(library) as loaded:
        names = token_names(loaded)
        if not names:
            click.echo(say("没有插入密码钥匙。", "No key is plugged in."))
        for name in names:
            with connected(loaded, name) as token:
                info = token.info()
            click.echo(f"{name:<24}{info.serial:<34}{info.label}")


@usbkey.command(
    help=say(
        "初始化一把已入库的钥匙，在其中生成签名密钥，申请双证书；经另一人审核后以 miyun usbkey write 写入。"
        "中断后可重新执行。",
        "Set up a key from stock: its signing key is made in it, a pair of certificates applied for. Somebody else "
        "reviews; then `miyun usbkey write` writes them. It can be repeated after whatever went wrong.",
    )
)
@click.argument("usbkey_id", metavar="USBKEY")
@click.option(
    "--auth-key",
    type=click.Path(path_type=Path),
    required=True,
    help=say(
        "出厂设备认证密钥的文件（32 位十六进制，或 16 个字符）", "file of the device authentication key it came with"
    ),
)
@click.option("--subject", required=True, help=say("证书主体，如 CN=张三,O=某局", "subject, as CN=张三,O=某局"))
@click.option("--template", default="person", help=say("证书模板", "certificate template"))
@click.option("--days", type=int, help=say("有效天数", "days of validity"))
@pin_option
@token_option
@library_option
@profile_option
def personalise(
    usbkey_id: str,
    auth_key: Path,
    subject: str,
    template: str,
    days: int | None,
    pin_file: Path | None,
    name: str | None,
    library: Path | None,
    profile: str,
) -> None:
    from miyun.edge import personalise as work

    key, parts = _authentication_key(auth_key), _subject(subject)
    with _library(library) as loaded, calling(load_profile(profile)) as platform:
        token = _one_token(loaded, name)
        pin = _pin(pin_file)
        with _right_key():
            filed = work.personalise(
                loaded, platform.call, work.Wanted(usbkey_id, token, key, pin, parts, template, days)
            )
            if filed["state"] == "issued":
                made = work.write(loaded, platform.call, usbkey_id, token, pin)
    if filed["single_person"]:
        click.secho(
            say(
                "注意：该模板无须审核，本证书仅经您一人办理。",
                "Note: this template asks for no review; nobody but you has looked at this certificate.",
            ),
            fg="red",
            err=True,
        )
    if filed["state"] == "issued":
        click.echo(say(f"已写入 {made['subject']}", f"written: {made['subject']}"))
    else:
        click.echo(
            say(
                f"已申请 {filed['application']}，待另一名安全管理员审核；签发后执行：miyun usbkey write {usbkey_id}",
                f"applied for: {filed['application']}. Another security administrator reviews it; then run: "
                f"miyun usbkey write {usbkey_id}",
            )
        )


@usbkey.command(
    help=say(
        "将已审核签发（或更新）的证书写入钥匙。可重复执行。",
        "Write the certificates that were reviewed and issued, or renewed, into the key. It can be repeated.",
    )
)
@click.argument("usbkey_id", metavar="USBKEY")
@click.option("--pin-file", type=click.Path(path_type=Path), help=say("用户 PIN 的文件", "file of the user PIN"))
@token_option
@library_option
@profile_option
def write(usbkey_id: str, pin_file: Path | None, name: str | None, library: Path | None, profile: str) -> None:
    from miyun.edge import personalise as work

    with _library(library) as loaded, calling(load_profile(profile)) as platform, _right_key():
        made = work.write(loaded, platform.call, usbkey_id, _one_token(loaded, name), _pin(pin_file, new=False))
    click.echo(say(f"已写入 {made['subject']}", f"written: {made['subject']}"))


@contextmanager
def _right_key() -> Iterator[None]:
    """Another key than is meant, one that is not ours, and one without certificates become the command's failure."""
    from miyun.edge import personalise as work

    try:
        yield
    except work.WrongKey as error:
        raise Problem(
            say(
                f"插入的是序列号 {error.found} 的钥匙，应为 {error.wanted}",
                f"the key that is plugged in has the serial number {error.found}, not {error.wanted}",
            ),
            Exit.FAILED,
        ) from None
    except work.NotAuthentic:
        raise Problem(
            say("设备认证密钥不对，请核对 --auth-key", "the device authentication key is wrong: check --auth-key"),
            Exit.DENIED,
        ) from None
    except work.NotIssued as error:
        filed = error.filed
        raise Problem(
            say(
                f"申请 {filed['application']} 尚未签发：{filed['state']} {filed['reason']}".rstrip(),
                f"application {filed['application']} is not issued: {filed['state']} {filed['reason']}".rstrip(),
            ),
            Exit.FAILED,
        ) from None


@usbkey.command(help=say("取远程解锁挑战（仅软件钥匙），交管理员提出解锁。", "The challenge for unlocking from afar."))
@token_option
@library_option
def challenge(name: str | None, library: Path | None) -> None:
    from miyun.edge import personalise as work

    with _library(library) as loaded:
        click.echo(base64.b64encode(work.challenge(loaded, _one_token(loaded, name))).decode())


@usbkey.command(
    help=say(
        "解锁用户 PIN：用管理员给的应答（--response），或领取已批准的事项（--approval）。",
        "Unlock the user's PIN: by the administrator's --response, or by an approved request (--approval).",
    )
)
@click.option("--response", help=say("对挑战的应答，Base64", "answer to the challenge, Base64"))
@click.option("--approval", help=say("已批准事项的编号", "id of the approved request"))
@pin_option
@token_option
@library_option
@profile_option
def unlock(
    response: str | None,
    approval: str | None,
    pin_file: Path | None,
    name: str | None,
    library: Path | None,
    profile: str,
) -> None:
    from miyun.edge import personalise as work

    if (response is None) == (approval is None):
        raise click.UsageError(say("--response 与 --approval 取其一", "one of --response and --approval"))
    with _library(library) as loaded:
        token, pin = _one_token(loaded, name), _pin(pin_file)
        if approval is not None:
            with calling(load_profile(profile)) as platform:
                answer = platform.call("usbkey.approval.collect", approval=approval)
            response = answer["response"]
            if not response:
                work.unblock(loaded, token, answer["admin_pin"], pin)
        if response:
            try:
                octets = base64.b64decode(response, validate=True)
            except binascii.Error:
                raise click.UsageError(say("应答应为 Base64", "the response should be Base64")) from None
            work.unlock(loaded, token, octets, pin)
    click.echo(say("已解锁", "unlocked"))


@contextmanager
def _library(path: Path | None) -> Iterator[Library]:
    """What the library or a token refuses becomes the command's failure."""
    from miyun.hsm.skf import OWN_LIBRARY, Library, LibraryUnusable, TokenError

    try:
        yield Library(path or OWN_LIBRARY)
    except LibraryUnusable as error:
        raise Problem(say(f"不能使用 {error.path}：{error.why}", f"{error.path}: {error.why}"), Exit.FAILED) from None
    except TokenError as error:
        left = "" if error.tries is None else say(f"，还可试 {error.tries} 次", f", {error.tries} tries left")
        raise Problem(say(f"钥匙拒绝：{error}{left}", f"the key refused: {error}{left}"), Exit.FAILED) from None


def _one_token(library: Library, name: str | None) -> str:
    from miyun.hsm.skf import token_names

    names = token_names(library)
    if name is not None and name in names:
        return name
    if name is None and len(names) == 1:
        return names[0]
    listed = ", ".join(names) or say("没有", "none")
    raise Problem(
        say(f"请以 --token 选一把钥匙；已插入：{listed}", f"choose by --token; plugged in: {listed}"), Exit.USAGE
    )


def _pin(file: Path | None, *, new: bool = True) -> str:
    if file is not None:
        return file.read_text("ascii").strip()
    return ask_secret("新用户 PIN", "new user PIN", new=True) if new else ask_secret("用户 PIN", "user PIN")


def _authentication_key(file: Path) -> bytes:
    text = file.read_bytes().strip()
    if len(text) == _AUTHENTICATION_KEY:
        return text
    try:
        key = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        key = b""
    if len(key) != _AUTHENTICATION_KEY:
        raise Problem(say(f"{file} 不是设备认证密钥", f"{file} is no device authentication key"), Exit.USAGE)
    return key


def _subject(text: str) -> dict[str, str]:
    parts = dict(part.split("=", 1) for part in text.split(",") if "=" in part)
    if not parts or len(parts) != text.count("=") or text.count(",") != len(parts) - 1:
        raise click.UsageError(say("主体应为 CN=张三,O=某局", "the subject should be like CN=张三,O=某局"))
    return {name.strip(): value.strip() for name, value in parts.items()}
