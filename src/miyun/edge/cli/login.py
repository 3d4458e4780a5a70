"""`miyun login` and `miyun logout`: a person's session for the commands that come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from miyun.edge.cli.calling import calling, key_option, library_option, the_key
from miyun.edge.cli.profile import Profile, forget_session, keep_session, load_profile
from miyun.edge.cli.say import Exit, Problem, ask_secret, say


def _login(account: str | None, skf_library: Path | None, key_name: str | None, profile: str) -> None:
    found = load_profile(profile, new=True)
    if found.access_key is not None:
        raise Problem(
            say(
                f"配置节 {profile} 属于应用（access_key）；请以 --profile 另选一节",
                f"the profile {profile} is an application's (access_key): choose another by --profile",
            ),
            Exit.USAGE,
        )
    key = the_key(found, skf_library, key_name)
    with calling(_nobody(found), key) as client:
        if account is None:
            opened: dict[str, Any] = client.sign_in(key)
        else:
            password = ask_secret("口令", "Password")
            opened = client.call("account.login", login=account, password=password)
    keep_session(profile, found, opened["token"])
    person = opened["person"]
    click.echo(
        say(
            f"已登录：{person['login']}，至 {opened['expires_at']}",
            f"signed in: {person['login']}, until {opened['expires_at']}",
        )
    )


def _logout(profile: str) -> None:
    found = load_profile(profile)
    try:
        if found.session is not None:
            with calling(found) as client:
                client.call("account.logout")
    finally:
        forget_session(profile)
    click.echo(say("已退出", "signed out"))


def _nobody(found: Profile) -> Profile:
    """Who signs in is not signed in yet: an old session has no say."""
    return Profile(url=found.url, authority=found.authority, agent=found.agent)


_PROFILE = click.Option(["--profile"], default="default", help=say("配置节", "section of the profile file"))

login = click.Command(
    "login",
    callback=_login,
    params=[
        click.Argument(["account"], required=False),
        library_option(),
        key_option(),
        _PROFILE,
    ],
    help=say(
        "以本人密钥登录（经密码钥匙助手，或 --skf-library）；给出账号则以口令登录。PIN 与口令在终端输入；会话存入配置"
        "目录（0600），供之后的 miyun api 使用。",
        "Sign in with your key (through the key agent, or --skf-library); with a password where an account is named. "
        "PIN and password are asked on the terminal. The session is kept beside the profile (0600) for the commands "
        "that come.",
    ),
)
logout = click.Command(
    "logout", callback=_logout, params=[_PROFILE], help=say("结束会话并删除其文件。", "End the session and forget it.")
)
