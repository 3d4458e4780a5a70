"""What a start costs: CPU time of every process from nothing to a platform that serves, and the time until then.

    python benchmarks/start.py [--json] [--rounds 3]

In the same run without Python's cached bytecode, as where nothing may be written beside the sources. A fresh home each
time: administrators, authorities and keys are made too. The least of all rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from miyun.edge.supervisor import read_state

SECONDS = 180
TICKS = os.sysconf("SC_CLK_TCK")


def start(environ: dict[str, str]) -> dict[str, float]:
    """Process → seconds of CPU time, and `ready` → seconds that passed."""
    home = Path(tempfile.mkdtemp(prefix="my", dir="/tmp"))  # socket paths must be short
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = {"MIYUN_HOME": str(home), "MIYUN_SERVER__PORT": str(port)}
    began = time.monotonic()
    with (home / "serve.out").open("wb") as out:
        serving = subprocess.Popen(
            [sys.executable, "-m", "miyun.edge.cli", "serve", "--foreground"],
            env={**os.environ, **own, **environ},
            stdout=out,
            stderr=out,
        )
    try:
        while not is_ready(home, f"https://127.0.0.1:{port}/healthz"):
            if serving.poll() is not None or time.monotonic() - began > SECONDS:
                raise SystemExit((home / "serve.out").read_text("utf-8") or "not ready")
            time.sleep(0.02)
        spent = {"ready": time.monotonic() - began, "supervisor": cpu_seconds(serving.pid)}
        children = read_state(home / "run")["children"]
        return spent | {child["name"]: cpu_seconds(child["pid"]) for child in children}
    finally:
        serving.send_signal(signal.SIGTERM)
        serving.wait(60)
        shutil.rmtree(home, ignore_errors=True)


def is_ready(home: Path, url: str) -> bool:
    authority = home / "data" / "listener-ca.pem"
    try:
        trust = ssl.create_default_context(cafile=str(authority))
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
        )
        with opener.open(url, timeout=5) as answer:
            return bool(json.loads(answer.read())["ready"])
    except (OSError, urllib.error.URLError):
        return False


def cpu_seconds(pid: int) -> float:
    stat = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    fields = stat[stat.rindex(")") + 2 :].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def least(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(min(one[name] for one in rounds), 2) for name in rounds[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    start({})  # writes what bytecode is missing, where it may
    cached, compiled = [], []
    for _ in range(arguments.rounds):
        cached.append(start({}))
        compiled.append(start({"PYTHONPYCACHEPREFIX": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"}))
    with_cache, without = least(cached), least(compiled)
    if arguments.json:
        print(json.dumps({"cores": os.cpu_count(), "cached": with_cache, "without bytecode": without}))
        return
    print(f"{'':16}{'seconds':>10}{'without bytecode':>20}   ({os.cpu_count()} cores)")
    for name, value in with_cache.items():
        print(f"{name:16}{value:>10.2f}{without[name]:>20.2f}")


if __name__ == "__main__":
    main()
