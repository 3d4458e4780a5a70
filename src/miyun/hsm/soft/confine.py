"""What the VSM process gives up before it touches a key. The only place here that calls libc directly.

Required: no core dumps, not dumpable (so that no other process of the same user may trace it or read its memory through
/proc), no new privileges. As far as the machine allows: locked memory, an own user, no network and no shared IPC.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
from dataclasses import dataclass
from typing import Final

_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38
_MCL_CURRENT: Final = 1
_MCL_FUTURE: Final = 2
_MCL_ONFAULT: Final = 4  # lock pages when they are first touched, not whole reserved ranges
_CLONE_NEWUTS: Final = 0x04000000
_CLONE_NEWIPC: Final = 0x08000000
_CLONE_NEWNET: Final = 0x40000000


@dataclass(frozen=True, slots=True)
class Confinement:
    uid: int
    locked_memory: bool
    namespaces: bool


def confine(uid: int | None) -> Confinement:
    """`uid`: the numeric user and group to become when running as root; None stays. Raises OSError when a required
    measure is refused."""
    libc = ctypes.CDLL(None, use_errno=True)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    namespaces = os.geteuid() == 0 and libc.unshare(_CLONE_NEWNET | _CLONE_NEWIPC | _CLONE_NEWUTS) == 0
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    if uid is not None and os.geteuid() == 0 and uid != 0:
        with contextlib.suppress(PermissionError):  # a container may keep even root from changing its user
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
    # After the change of user, on which the kernel resets them.
    for option, value in ((_PR_SET_DUMPABLE, 0), (_PR_SET_NO_NEW_PRIVS, 1)):
        if libc.prctl(option, value, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl refused")
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    # With a small limit, locking the future would make later allocations fail: only lock when there is no limit.
    locked = soft == resource.RLIM_INFINITY and libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) == 0
    return Confinement(uid=os.geteuid(), locked_memory=locked, namespaces=namespaces)
