"""Ends a child process when its supervisor is gone, even by kill -9: `python -m miyun.edge.lifeline FD MODULE ARGS…`.

The supervisor holds the other end of the pipe FD and never writes to it, so the only thing that can be read is the end
of file that the kernel delivers when the supervisor dies. A pipe needs no ctypes and no Linux-only call.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import runpy
import signal
import sys
import threading
import time

GRACE_SECONDS = 5.0
YOUNG = 20_000  # objects: what a request makes dies by its reference count, so that cycles need not be sought every 700
EXIT_ORPHANED = 75


def watch(fd: int, grace: float = GRACE_SECONDS) -> None:
    """Start the thread that asks this process to end at end of file on `fd`, and ends it after `grace` seconds."""
    threading.Thread(target=_wait, args=(fd, grace), name="lifeline", daemon=True).start()


def _wait(fd: int, grace: float) -> None:
    try:
        while os.read(fd, 1):
            pass
    except OSError:
        return  # the module closed the descriptor itself: it has chosen another way to notice
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace)
    os._exit(EXIT_ORPHANED)


def _let_others_finish() -> None:
    """As a batch task a process that wakes takes an idle processor at once, and does not interrupt one that works: the
    platform's processes hand each other fuller batches, at the price of fewer switches between them."""
    if hasattr(os, "SCHED_BATCH"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def main() -> None:
    fd, module = int(sys.argv[1]), sys.argv[2]
    os.set_inheritable(fd, False)
    watch(fd)
    faulthandler.register(signal.SIGUSR2)  # where every thread stands, when the supervisor asks a hanging child
    _let_others_finish()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
    sys.argv = [module, *sys.argv[3:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
