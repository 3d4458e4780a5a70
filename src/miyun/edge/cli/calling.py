"""The platform as a command calls it: who you are comes from the profile, and a key signs where that is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from miyun.edge.cli.profile import Profile
from miyun.edge.cli.say import Exit, Problem, ask_secret, language, say, status_exit

if TYPE_CHECKING:
    from miyun.client import Client, Key, KeyUnusable


def library_option() -> click.Option:
    return click.Option(
        ["--skf-library"],
        type=click.Path(path_type=Path, dir_okay=False),
        envvar="MIYUN_SKF_LIBRARY",
        help=say(
            "以此 GM/T 0016 库中的密钥签名，不经密码钥匙助手",
            "sign with a key of this library of GM/T 0016, without the key agent",
        ),
    )


def key_option() -> click.Option:
    return click.Option(
        ["--key-name"],
        envvar="MIYUN_KEY_NAME",
        help=say("证书名或 certID，从多把密钥中选定一把", "certificate's name or certID: which of several keys signs"),
    )


@contextmanager
def calling(found: Profile, key: Key | None = None) -> Iterator[Client]:
    """What the platform refuses, and a key that cannot sign, become the command's failure."""
    from miyun.client import ApiError, Client, ConnectionFailed, KeyUnusable, MiyunError

    client = Client(
        found.url,
        found.access_key,
        found.secret_key,
        session=found.session,
        tenant=found.tenant,
        verify=found.authority or True,
        language=say("zh", "en"),
        step_up=(key or the_key(found)).sign,
    )
    with client:
        try:
            yield client
        except ApiError as error:
            raise Problem(f"{error.code}: {error.detail} {error.remedy}", status_exit(error.status)) from None
        except ConnectionFailed as error:
            raise Problem(
                say(f"无法连接 {found.url}：{error}", f"cannot reach {found.url}: {error}"), Exit.UNAVAILABLE
            ) from None
        except KeyUnusable as error:
            raise Problem(
                say("须以密钥签名：", "A key has to sign: ") + _explained(found, error), Exit.DENIED
            ) from None
        except MiyunError as error:
            raise Problem(str(error), Exit.FAILED) from None


def the_key(found: Profile, skf_library: Path | None = None, key_name: str | None = None) -> Key:
    """Nothing is asked of it before it has to sign."""
    from miyun.client import AgentKey

    if skf_library is not None:
        from miyun.edge.cli.library_key import LibraryKey

        return LibraryKey(skf_library, ask_pin, name=key_name)
    return AgentKey(_origin(found), ask_pin, name=key_name, address=found.agent, language=language())


def ask_pin() -> str:
    """On the terminal: a PIN is in no argument and no variable."""
    return ask_secret("密码钥匙 PIN", "PIN of the key")


def _origin(found: Profile) -> str:
    parts = urlsplit(found.url)
    return f"{parts.scheme}://{parts.netloc}"


def _explained(found: Profile, error: KeyUnusable) -> str:
    if error.consent:
        return say(f"{error}（在该页确认后重试）", f"{error} (say yes there, then try again)")
    if error.tries is not None:
        return str(error)
    origin = _origin(found)
    return say(
        f"{error}\n助手须允许本平台：miyun agent allow {origin}；没有助手时以 --skf-library 指明 GM/T 0016 库。",
        f"{error}\nThe agent has to allow this platform: miyun agent allow {origin}; where there is none, name the "
        "library of GM/T 0016 by --skf-library.",
    )
