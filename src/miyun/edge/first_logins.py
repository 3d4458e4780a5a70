"""How people get in the first time, or again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from miyun.core.settings import Settings


def keep_first_logins(settings: Settings, passwords: Mapping[str, str]) -> list[Path]:
    """One-time passwords, each in its own 0600 file under secrets/, for the person it belongs to."""
    files: list[Path] = []
    for login, password in passwords.items():
        file = settings.folder("secrets") / f"first-login-{login}.txt"
        fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as opened:
            opened.write(f"{settings.url}/console\nlogin 登录名: {login}\none-time password 一次性口令: {password}\n")
            opened.flush()
            os.fsync(fd)
        files.append(file)
    return files
