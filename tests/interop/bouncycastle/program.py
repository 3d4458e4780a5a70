"""Our BouncyCastle program: compiled once, run with files. Debian: libbcpkix-java, a JDK."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("Verify.java")
JARS = [Path("/usr/share/java") / name for name in ("bcprov.jar", "bcutil.jar", "bcpkix.jar")]


def missing() -> str | None:
    """What this machine lacks, as text; None when the program can run."""
    lacking = [program for program in ("javac", "java") if shutil.which(program) is None]
    lacking += [str(jar) for jar in JARS if not jar.exists()]
    return f"BouncyCastle needs {', '.join(lacking)}" if lacking else None


@cache
def _compiled() -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="miyun-bc-")
    command = ["javac", "-d", folder.name, "-cp", _classpath(), str(SOURCE)]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return folder


def _classpath(*more: str) -> str:
    return os.pathsep.join([*more, *map(str, JARS)])


def verify(mode: str, *arguments: str | Path) -> tuple[bool, str]:
    """(verified, what the program said). Skips the test where BouncyCastle is missing, fails it under CI."""
    done = _done(mode, *arguments)
    return done.returncode == 0, done.stderr.decode(errors="replace")


def run(mode: str, *arguments: str | Path) -> str:
    """What the program printed."""
    done = _done(mode, *arguments)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout.decode()


def _done(mode: str, *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    if (lacking := missing()) is not None:
        if os.environ.get("CI") == "true":
            pytest.fail(lacking)
        pytest.skip(lacking)
    # The default garbage collector and compiler take longer to start than the program to run.
    command = [
        "java",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-cp",
        _classpath(_compiled().name),
        "Verify",
        mode,
    ]
    done = subprocess.run([*command, *map(str, arguments)], capture_output=True, timeout=120, check=False)
    assert done.returncode in (0, 1), done.stderr.decode(errors="replace")
    return done
