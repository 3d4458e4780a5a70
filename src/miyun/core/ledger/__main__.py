"""`python -m miyun.core.ledger --home DIR`: the ledger process of a node."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from miyun.core.ledger.journal import JournalBroken, JournalDamaged, discard_from
from miyun.core.ledger.server import serve

EXIT_DAMAGED = 3  # starting again will not help: the supervisor must not loop
EXIT_RUNNING = 4


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m miyun.core.ledger", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="MIYUN_HOME")
    parser.add_argument(
        "--discard-from", type=int, metavar="SEQ", help="set record SEQ and all after it aside, in a file, and exit"
    )
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    log = logging.getLogger("miyun.ledger")
    os.umask(0o027)
    if arguments.discard_from is not None:
        log.info("set aside in %s", discard_from(arguments.home / "journal", arguments.discard_from))
        return 0
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(serve(arguments.home))
    except JournalDamaged as error:
        log.critical("the ledger does not start: %s", error)
        return EXIT_DAMAGED
    except BlockingIOError:
        log.critical("another ledger process holds %s", arguments.home / "journal" / "lock")
        return EXIT_RUNNING
    except JournalBroken as error:
        log.critical("the ledger stops: %s", error)
        return 1
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


if __name__ == "__main__":
    sys.exit(main())
