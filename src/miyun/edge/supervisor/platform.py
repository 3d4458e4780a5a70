"""Which processes a node runs. They start in the order of their stages and stop the other way round:

listener (nobody new comes in), web (what runs is answered), jobs, ledger, VSM.
"""

from __future__ import annotations

from pathlib import Path

from miyun.core.ledger.protocol import GetHead, encode
from miyun.core.settings import Settings
from miyun.edge.supervisor.child import ChildSpec
from miyun.hsm.soft.frames import HEADER, VERSION

_ALIVE = b"GET /healthz/alive HTTP/1.1\r\nhost: supervisor\r\nconnection: close\r\n\r\n"
_HEAD = encode(GetHead(0))
_OF_LEDGER = len(_HEAD).to_bytes(4, "big") + _HEAD
_OF_VSM = HEADER.pack(HEADER.size - 4, VERSION, 0, 0)  # no request of its protocol: it ends the connection
EXIT_DAMAGED = 3  # of the ledger: its journal was altered or lost


def specs(settings: Settings) -> tuple[ChildSpec, ...]:
    home, run = ("--home", str(settings.home)), settings.folder("run")
    patience = settings.server.hangs_after  # far longer than a loaded process takes for a turn of its loop
    web = tuple(
        ChildSpec(
            f"web-{number}",
            "miyun.edge.http",
            (*home, "--worker", str(number)),
            stage=3,
            socket=web_socket(run, number),
            question=_ALIVE,
            hangs_after=patience,
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
            question=_OF_VSM,
            hangs_after=2 * patience,
            token=True,
        ),
        ChildSpec(
            "ledger",
            "miyun.core.ledger",
            home,
            stage=1,
            socket=run / "ledger.sock",
            question=_OF_LEDGER,
            hangs_after=2 * patience,
            final_exits=frozenset({EXIT_DAMAGED}),
        ),
        *web,
        ChildSpec(
            "jobs",
            "miyun.edge.jobs",
            home,
            stage=2,
            token=True,
            stop_seconds=20.0,
            asked=run / "jobs.sock",
            hangs_after=4 * patience,  # it makes large lists and papers
        ),
        ChildSpec(
            "listener",
            "miyun.edge.listener",
            home,
            stage=4,
            socket=run / "listener.sock",
            hangs_after=patience,
            stop_seconds=15.0,
        ),
    )


def web_socket(run_folder: Path, number: int) -> Path:
    return run_folder / f"web-{number}.sock"
