"""A cryptographic machine's errors in the platform's own tree."""

from __future__ import annotations

import logging

from miyun.core.errors import (
    DecryptionFailed,
    InternalError,
    InvalidArgument,
    MachineLocked,
    MiyunError,
    Unavailable,
)
from miyun.core.i18n import Text
from miyun.hsm import errors

log = logging.getLogger("miyun.machine")


def of_machine(error: errors.MachineError) -> MiyunError:
    """What a user is told. A key that the machine cannot read, or that is bound otherwise, is our fault or somebody's
    tampering with the database, never the caller's: it is an internal error, and the log has the cause."""
    match error:
        case errors.MachineLocked():
            return MachineLocked()
        case errors.MachineFailed():
            return Unavailable("vsm", retry_after=60)
        case errors.MachineUnavailable():
            return Unavailable("vsm", retry_after=2)
        case errors.DecryptionFailed():
            return DecryptionFailed()
        case errors.InvalidRequest():
            return InvalidArgument(error.field, Text(f"密码机拒绝：{error.reason}", f"refused: {error.reason}"))
        case _:
            log.error("the machine refuses a stored key: %s: %s", type(error).__name__, error)
            return InternalError()


class machine_errors:
    """Around calls of a machine."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, errors.MachineError):
            raise of_machine(error) from error
