"""Where and as whom `miyun api` calls: a 0600 profile file or the environment, never the command line."""

from __future__ import annotations

import json
import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from miyun.edge.cli.say import Exit, Problem, say

_VARIABLES = {
    "url": "MIYUN_URL",
    "access_key": "MIYUN_ACCESS_KEY",
    "secret_key": "MIYUN_SECRET_KEY",
    "session": "MIYUN_SESSION",
    "tenant": "MIYUN_TENANT",
    "authority": "MIYUN_AUTHORITY",
    "agent": "MIYUN_AGENT",
}
DEFAULT_FILE = Path("~/.config/miyun/profile.toml")


@dataclass(frozen=True, slots=True)
class Profile:
    """`authority`: file with the CA of the platform's listener; `agent`: the key agent of this machine."""

    url: str = "https://127.0.0.1:8600"
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    session: str | None = field(default=None, repr=False)
    tenant: str | None = None
    authority: str | None = None
    agent: str = "http://127.0.0.1:8610"


def load_profile(
    name: str, environ: Mapping[str, str] | None = None, file: Path | None = None, *, new: bool = False
) -> Profile:
    """Section `name` of the file, overridden by the environment. Fails when others may read the file, and for a name
    that is neither there nor one that `miyun login` opened a session under, unless it may be `new`.

    Without a key or session of its own it has that session."""
    environ = os.environ if environ is None else environ
    path = file or _file(environ)
    sections: dict[str, Any] = {}
    if path.exists():
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise Problem(
                say(f"{path} 他人可读，请执行 chmod 600 {path}", f"others may read {path}; run chmod 600 {path}"),
                Exit.DENIED,
            )
        try:
            sections = tomllib.loads(path.read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise Problem(f"{path}: {error}", Exit.USAGE) from None
    kept = _kept(_session_file(path, name))
    if name not in sections and not kept and not new and name != "default":
        there = ", ".join(sections) or "–"
        raise Problem(
            say(f"{path} 中没有 [{name}]（现有：{there}）", f"{path} has no [{name}] (it has: {there})"), Exit.USAGE
        )
    values = dict(sections.get(name, {key: value for key, value in kept.items() if key != "session"}))
    if unknown := set(values) - set(_VARIABLES):
        raise Problem(f"{path} [{name}]: {say('不认识', 'unknown')} {', '.join(sorted(unknown))}", Exit.USAGE)
    for key, variable in _VARIABLES.items():
        if value := environ.get(variable):
            values[key] = value
    found = Profile(**values)
    if found.access_key is None and found.session is None and kept.get("url") == found.url:
        found = replace(found, session=kept["session"])
    return found


def keep_session(name: str, profile: Profile, session: str) -> None:
    """For the commands that come, under this profile and at this address only."""
    file = _session_file(_file(os.environ), name)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    with open(fresh, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as opened:
        json.dump({"url": profile.url, "authority": _absolute(profile.authority), "session": session}, opened)
    fresh.replace(file)


def forget_session(name: str) -> None:
    _session_file(_file(os.environ), name).unlink(missing_ok=True)


def _file(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("MIYUN_PROFILE", "") or DEFAULT_FILE).expanduser()


def _session_file(profile: Path, name: str) -> Path:
    return profile.parent / "sessions" / f"{quote(name, safe='')}.json"


def _absolute(file: str | None) -> str | None:
    return str(Path(file).expanduser().absolute()) if file else None


def _kept(file: Path) -> dict[str, Any]:
    try:
        kept = json.loads(file.read_bytes())
        return {"url": str(kept["url"]), "authority": kept["authority"], "session": str(kept["session"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
