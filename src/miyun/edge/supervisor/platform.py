"""Which processes a node runs. They start in the order of their stages and stop the other way round:

listener (nobody new comes in), web (what runs is answered), jobs, ledger, VSM.
"""

from __future__ import annotations

from pathlib import Path

from miyun.core.settings import Settings
from miyun.edge.supervisor.child import ChildSpec

HANGS_AFTER = 30.0  # seconds; a loaded worker answers within its turn of the loop, far sooner
EXIT_DAMAGED = 3  # of the ledger: its journal was altered or lost


def specs(settings: Settings) -> tuple[ChildSpec, ...]:
    home, run = ("--home", str(settings.home)), settings.folder("run")
    web = tuple(
        ChildSpec(
            f"web-{number}",
            "miyun.edge.http",
            (*home, "--worker", str(number)),
            stage=3,
            socket=web_socket(run, number),
            hangs_after=HANGS_AFTER,
            token=True,
        )
        for number in range(settings.server.workers)
    )
    return (
        ChildSpec(
            "vsm-platform",
            "miyun.hsm.soft",
            (*home, "--name", "platform", "--root", settings.machine.root, "--uid", str(settings.machine.uid)),
            stage=0,
            socket=run / "vsm-platform.sock",
            token=True,
        ),
        ChildSpec(
            "ledger",
            "miyun.core.ledger",
            home,
            stage=1,
            socket=run / "ledger.sock",
            final_exits=frozenset({EXIT_DAMAGED}),
        ),
        *web,
        ChildSpec("jobs", "miyun.edge.jobs", home, stage=2, token=True, stop_seconds=20.0),
        ChildSpec(
            "listener",
            "miyun.edge.listener",
            home,
            stage=4,
            socket=run / "listener.sock",
            stop_seconds=15.0,
        ),
    )


def web_socket(run_folder: Path, number: int) -> Path:
    return run_folder / f"web-{number}.sock"
