"""A real PostgreSQL for tests: its own cluster in a temporary folder, reached by a Unix socket only."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest


@cache
def programs() -> Path | None:
    """The folder of initdb, postgres, pg_dump ..., Debian's or on the PATH."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]), reverse=True)
    if versions:
        return versions[0].parent
    found = shutil.which("initdb")
    return Path(found).parent if found else None


@contextmanager
def cluster() -> Iterator[str]:
    """A DSN with a database named miyun. Skips when PostgreSQL is not installed; under CI that is a failure."""
    folder = programs()
    if folder is None:
        reason = "PostgreSQL is not installed (Debian: apt-get install postgresql)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    home = Path(tempfile.mkdtemp(prefix="mypg", dir="/tmp"))
    user = _user()
    if user is not None:
        shutil.chown(home, user)
    run = {
        "user": user,
        "capture_output": True,
        "check": True,
        "cwd": home,
        "env": {"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
    }
    data = home / "data"
    try:
        subprocess.run([folder / "initdb", "-D", data, "-U", "miyun", "-A", "trust", "-E", "UTF8", "-N"], **run)
        options = f"-k {home} -c listen_addresses= -c fsync=off"
        subprocess.run([folder / "pg_ctl", "-D", data, "-w", "-l", home / "log", "-o", options, "start"], **run)
        try:
            subprocess.run([folder / "createdb", "-h", home, "-U", "miyun", "miyun"], **run)
            yield f"postgresql+psycopg://miyun@/miyun?host={home}"
        finally:
            subprocess.run([folder / "pg_ctl", "-D", data, "-m", "immediate", "stop"], **run)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _user() -> str | None:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    return None
