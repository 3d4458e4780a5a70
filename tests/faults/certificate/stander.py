"""Approves an application and stops in the midst of it, until it is told to go on: `python -m ... FOLDER WHERE ID`."""

from __future__ import annotations

import asyncio
import json
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.applicants import Office
from tests.rooms import Rooms

from miyun.core.storage.database import Database


def stop_once(where: str) -> None:
    """As a machine that is suspended does just before `where` is called."""
    module, kind, name = where.rsplit(".", 2)
    holder = getattr(import_module(module), kind)
    called: Callable[..., Any] = getattr(holder, name)

    def stopped(*arguments: Any, **more: Any) -> Any:
        setattr(holder, name, called)
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)  # this thread does not run a little further
        return called(*arguments, **more)

    setattr(holder, name, stopped)


def main(folder: Path, where: str, application: str) -> None:
    machines = pickle.loads((folder / "machines").read_bytes())  # what the test itself wrote
    rooms = Rooms(folder, Database(f"sqlite:///{folder / 'test.db'}"), *machines)
    stop_once(where)
    asyncio.run(Office(rooms).approve(application))
    entries = [[entry.operation, dict(entry.resource), dict(entry.detail)] for entry in rooms.ledger.entries]
    print(json.dumps(entries))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
